"""Address of the repository: python -m docs.address URL.

It is written into the README (badge and git clone), the notebook, CITATION.cff and mkdocs.yml. An
empty URL removes it again.
"""

import json
import re
import sys
from pathlib import Path

from storage.files import write_atomically

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOK = "notebooks/gan_zoo.ipynb"
BADGE = "https://colab.research.google.com/assets/colab-badge.svg"
GITHUB = re.compile(r"https://github\.com/([\w.-]+/[\w.-]+)")


def badge(url: str) -> str:
    """Return the README's badge: Open in Colab for an address on GitHub, else a link.

    The command that clones the repository follows.
    """
    if not url:
        return ""
    clone = f"\n`git clone {url} && cd {url.rsplit('/', 1)[1]}`\n"
    if on_github := GITHUB.fullmatch(url):
        notebook = f"https://colab.research.google.com/github/{on_github[1]}/blob/HEAD/{NOTEBOOK}"
        return f"[![Open in Colab]({BADGE})]({notebook})\n{clone}"
    return f"[Repository]({url})\n{clone}"


def in_readme(text: str, url: str) -> str:
    """Return README.md with the badge of an address."""
    block = re.compile(r"(<!-- address -->\n).*?(<!-- end of address -->)", re.DOTALL)
    return block.sub(lambda match: match[1] + badge(url) + match[2], text)


def in_yaml(text: str, key: str, url: str) -> str:
    """Return a YAML file whose last line is `key: url`, or that has no such key."""
    kept = [line for line in text.splitlines() if not line.startswith(f"{key}:")]
    return "\n".join([*kept, *([f"{key}: {url}"] if url else [])]) + "\n"


def in_notebook(text: str, url: str) -> str:
    """Return the notebook with the address as the repository that it clones."""
    quoted = json.dumps(json.dumps(url))[1:-1]
    return re.sub(r'(repository = )\\".*?\\"', lambda match: match[1] + quoted, text, count=1)


FILES = {
    "README.md": in_readme,
    NOTEBOOK: in_notebook,
    "CITATION.cff": lambda text, url: in_yaml(text, "repository-code", url),
    "mkdocs.yml": lambda text, url: in_yaml(text, "repo_url", url),
}


def write(url: str, root: Path = ROOT) -> None:
    """Write an address into the files of the repository.

    Raises:
        ValueError: the address is not an https:// or file:// URL.
    """
    url = url.removesuffix("/").removesuffix(".git")
    if url and not re.fullmatch(r"(https|file)://[^\s\"'<>()]+", url):
        raise ValueError(f"{url}: expected https://... or file://...")
    for name, change in FILES.items():
        write_atomically(root / name, change((root / name).read_text(), url))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit('usage: python -m docs.address URL (or "" for none)')
    try:
        write(sys.argv[1])
    except ValueError as error:
        sys.exit(f"error: {error}")
