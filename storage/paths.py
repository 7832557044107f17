"""Paths that users give: literal, with ~ expanded. Every flag with a path uses these functions."""

import errno
import os
import unicodedata
from pathlib import Path

from errors import UserError

LONGEST, LONGEST_NAME = 4000, 255  # bytes of a path and of its parts


def expanded(path: str | os.PathLike, option: str = "") -> str:
    """Return a path with ~ or ~user at its start replaced by the home directory.

    Args:
        path: the path.
        option: name of the option that an error names.

    Raises:
        UserError: the home directory is unknown.
    """
    path = os.fspath(path)
    if not path.startswith("~"):
        return path
    found = os.path.expanduser(path)
    own = path[1:].partition("/")[0] == ""
    if found.startswith("~") or (own and os.environ.get("HOME") == ""):
        raise UserError(f"{path}: unknown home directory. Write an absolute path", option)
    return found


def one_path(text: str) -> str:
    """Return the path that the text of a flag names.

    Raises:
        UserError: it has control characters, is not UTF-8 or too long, or the home directory is
            unknown.
    """
    try:
        text.encode()
        printable = not any(unicodedata.category(character) == "Cc" for character in text)
    except UnicodeEncodeError:
        printable = False
    if not printable:
        shown = text.encode(errors="surrogateescape")
        raise UserError(
            f"expected a path in UTF-8 without control characters, got {shown!r}. Rename the "
            "folder or file"
        )
    require_possible(path := expanded(text))
    return path


def require_possible(path: str) -> None:
    """Raise UserError if no file can have a path, because it or a part of it is too long."""

    def length(text: str) -> int:
        return len(text.encode(errors="surrogatepass"))

    if length(path) > LONGEST or any(length(part) > LONGEST_NAME for part in Path(path).parts):
        raise UserError(f"no file can have a name as long as {path[:40]}...")


def several_paths(text: str) -> str:
    """Return the paths, separated by commas, that the text of a flag names; raises as `one_path`.

    A comma may also be part of a path.
    """
    stripped = (piece.lstrip() if piece.lstrip()[:1] == "~" else piece for piece in text.split(","))
    return ",".join(map(one_path, stripped))


def require_apart(folder: Path, images: str, option: str, *, also_around: bool = True) -> None:
    """Check that outputs are not written to a folder of images, where they would be read as images.

    Args:
        folder: the folder of the outputs; it may be missing.
        images: name or path of a data set; only a folder is checked.
        option: name of the option that an error names.
        also_around: whether the images may not be within `folder` either.

    Raises:
        UserError: `folder` is the folder of the images or within it, or contains it.
    """
    place, source = Path(folder).resolve(), Path(images)
    if not images.strip() or not source.is_dir():
        return
    if _is_within(place, source):
        raise UserError(
            f"{folder} is inside the folder of the images, {images}, whose files are read as "
            "images; choose another directory",
            option,
        )
    if also_around and _is_within(source.resolve(), place):
        raise UserError(
            f"{folder} contains the folder of the images, {images}; choose another directory",
            option,
        )


def _is_within(path: Path, folder: Path) -> bool:
    """Return whether a resolved path is a folder or a path in it, under any of its names."""
    return any(
        above.exists() and folder.exists() and os.path.samefile(above, folder)
        for above in (path, *path.parents)
    )


def require_writable(folder: Path, option: str, advice: str = "Choose another directory") -> None:
    """Check that a folder can be written, or made if it is missing; nothing is written.

    Args:
        folder: the folder.
        option: name of the option that an error names.
        advice: last sentence of an error.

    Raises:
        UserError: it or a folder above it is a file, or cannot be written.
    """
    there = next(path for path in (folder, *folder.parents) if os.path.lexists(path))
    if not there.is_dir():
        kind = "a file, not a folder" if there.exists() else "a link to a missing folder"
        raise UserError(f"{there}: is {kind}. {advice}", option)
    if not os.access(there, os.W_OK | os.X_OK):
        read_only = hasattr(os, "statvfs") and os.statvfs(there).f_flag & os.ST_RDONLY
        reason = os.strerror(errno.EROFS if read_only else errno.EACCES)
        raise UserError(f"{folder}: cannot be written ({reason}). {advice}", option)
