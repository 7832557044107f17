"""Readers of the documentation that its tests share."""

import re
import shlex
from pathlib import Path

from evaluation.reports import pages

BLOCK = re.compile(r"^```(\w+)([^\n]*)\n(.*?)^```", re.DOTALL | re.MULTILINE)

# Programs of bash blocks that the tests do not run, with the reason.
NOT_RUN = {
    "tensorboard": "a server that does not end",
    "study.py": "trains its flagfiles in full; each of them is checked",
    "venv": "makes an environment; .ci/run runs the set-up of the README",
    "pip": "installs packages; .ci/run runs the set-up of the README",
    "pre-commit": "installs a hook into the clone",
    "pytest": "these tests",
}


def blocks(language: str) -> list[tuple[Path, str]]:
    """Return the page and the text of each code block in a language, except recipes."""
    return [
        (page, text)
        for page in pages.pages()
        for found, label, text in BLOCK.findall(page.read_text())
        if found == language and "recipe" not in label
    ]


def program(words: list[str]) -> str:
    """Return the script or the program that a command runs."""
    names = [Path(word).name for word in words]
    if names[0].startswith("python") and names[1] == "-m":
        return names[2]
    return names[1] if names[0].startswith("python") else names[0]


def commands() -> list[list[str]]:
    """Return the commands of the bash blocks as words, each once."""
    lines = {line for _, text in blocks("bash") for line in text.splitlines() if line.strip()}
    single = [part for line in sorted(lines) for part in line.split(" && ")]
    return [shlex.split(command) for command in dict.fromkeys(single)]


def inline_flags(page: Path) -> list[list[str]]:
    """Return the inline code of a page that begins with a flag, as words."""
    prose = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    return [shlex.split(code) for code in re.findall(r"`(--[^`]+)`", prose)]


def commands_of(script: str) -> list[list[str]]:
    """Return the arguments of the commands that run a script."""
    return [words[2:] for words in commands() if program(words) == script]
