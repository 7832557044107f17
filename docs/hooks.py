"""MkDocs hook: pages and files outside docs/ in the site.

README.md, CONTRIBUTING.md and CHANGELOG.md become pages. Pictures that a page links are copied.
Links to other files of the repository lead to its address; without one, their text remains.
"""

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[1]
PAGES = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
}
PICTURES = (".png", ".gif", ".svg")
LINK = re.compile(
    r"(?P<picture>!?)\[(?P<text>[^\]]*)\]\((?!\w+:|#)(?P<path>[^)#\s]+)(?P<anchor>#[^)\s]*)?\)"
)


def source(uri: str) -> str:
    """Return the path of a page's source in the repository."""
    names = {page: name for name, page in PAGES.items()}
    return names.get(uri) or posixpath.join("docs", uri)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages outside docs/ and the pictures that a page links."""
    for name, uri in PAGES.items():
        files.append(File.generated(config, uri, content=(ROOT / name).read_text()))
    for page in list(files.documentation_pages()):
        folder = posixpath.dirname(source(page.src_uri))
        for match in LINK.finditer(page.content_string):
            target = posixpath.normpath(posixpath.join(folder, match["path"]))
            outside = not target.startswith("docs/") and target.endswith(PICTURES)
            if outside and files.get_file_from_path(target) is None:
                files.append(File.generated(config, target, abs_src_path=str(ROOT / target)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Map the links of a page from places in the repository to places in the site."""
    here = source(page.file.src_uri)

    def mapped(match: re.Match) -> str:
        target = posixpath.normpath(posixpath.join(posixpath.dirname(here), match["path"]))
        anchor = match["anchor"] or ""
        uri = PAGES.get(target) or target.removeprefix("docs/")
        if files.get_file_from_path(uri):
            path = posixpath.relpath(uri, posixpath.dirname(page.file.src_uri) or ".")
            return f"{match['picture']}[{match['text']}]({path}{anchor})"
        if not (ROOT / target).exists():
            return match[0]
        if config.repo_url:
            return f"[{match['text']}]({config.repo_url.rstrip('/')}/blob/HEAD/{target}{anchor})"
        return match["text"]

    markdown = re.sub(r"^(```\w+) recipe=\w+$", r"\1", markdown, flags=re.MULTILINE)
    parts = re.split(r"(^```.*?^```)", markdown, flags=re.DOTALL | re.MULTILINE)
    return "".join(part if part.startswith("```") else LINK.sub(mapped, part) for part in parts)
