"""Version of this code and of the libraries, for --version of the scripts.

TensorFlow is not imported.
"""

import contextlib
import importlib.metadata
import platform
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LIBRARIES = ("tensorflow", "keras", "numpy")


def described() -> str:
    """Return the release and commit of this code, and the versions of Python and the libraries."""
    release = re.search(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)[1]
    zoo, of_git = f"GAN Zoo: {release.lower()}", commit()
    if of_git:
        zoo += f", commit {of_git}"
    versions = [f"Python {platform.python_version()}"]
    for name in LIBRARIES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions.append(f"{name} {importlib.metadata.version(name)}")
    return f"{zoo}\n{', '.join(versions)}"


def commit() -> str:
    """Return the commit of this code, with "and changes" for a changed tree; empty without Git.

    A Python file that Git does not know counts as a change, unless .gitignore lists it.
    """

    def git(*arguments: str) -> str:
        command = ["git", "--no-optional-locks", "-C", str(ROOT), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    try:
        if Path(git("rev-parse", "--show-toplevel")).resolve() != ROOT:
            return ""
        changes = git("status", "--porcelain", "--untracked-files=no")
        changes += git("ls-files", "--others", "--exclude-standard", "--", "*.py")
        return git("rev-parse", "HEAD") + " and changes" * bool(changes)
    except (OSError, subprocess.CalledProcessError):
        return ""
