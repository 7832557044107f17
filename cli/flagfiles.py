"""Flagfiles: text files whose lines are flags, read before absl reads the command line."""

import os
import stat
from collections.abc import Iterator, Sequence

from errors import UserError
from storage.paths import one_path

LIMIT = 2**20  # bytes of a flagfile
DEEPEST = 20  # flagfiles within flagfiles
NAMES = ("--flagfile", "-flagfile")


def with_flagfiles(argv: Sequence[str]) -> list[str]:
    """Return a command line in which the lines of each --flagfile replace the flag.

    As in absl, blank lines and those that begin with # or // are ignored, a flagfile may name
    others, and nothing is replaced after "--". A pipe, such as <(...) of a shell, can be read once
    only.

    Raises:
        UserError: a flagfile cannot be read, is larger than 1 MB, is no text, or names itself.
    """
    return list(_inserted(argv, 0))


def _inserted(argv: Sequence[str], depth: int) -> Iterator[str]:
    rest = iter(argv)
    for argument in rest:
        name, equals, path = argument.partition("=")
        if argument == "--":
            yield argument
            break
        if name not in NAMES:
            yield argument
            continue
        path = path if equals else next(rest, "")
        if not path:
            raise UserError("expected a file", "flagfile")
        if depth == DEEPEST:
            raise UserError(f"{path}: flagfiles name each other", "flagfile")
        yield from _inserted(lines_of(path), depth + 1)
    yield from rest


def lines_of(path: str) -> list[str]:
    """Return the lines of a flagfile without blank lines and comments."""
    lines = [line.strip() for line in text_of(path).splitlines()]
    return [line for line in lines if line and not line.startswith(("#", "//"))]


def text_of(path: str) -> str:
    """Return the text of a file or a pipe of at most LIMIT bytes.

    Raises:
        UserError: the path is invalid, or the file cannot be read, is larger, is a directory or a
            device, or is no text.
    """
    try:
        place = one_path(path)
    except UserError as error:
        raise UserError(error.message, "flagfile") from None
    try:
        with open(place, "rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            if not (stat.S_ISREG(mode) or stat.S_ISFIFO(mode)) and path != os.devnull:
                raise UserError(f"{path}: expected a text file, got a device", "flagfile")
            content = file.read(LIMIT + 1)
    except OSError as error:
        raise UserError(f"cannot open {path} ({error.strerror or error})", "flagfile") from None
    if len(content) > LIMIT:
        raise UserError(f"{path}: larger than 1 MB, expected a text file of flags", "flagfile")
    try:
        if b"\0" in content:
            raise ValueError
        return content.decode("utf-8-sig")
    except ValueError:
        raise UserError(
            f"{path}: expected a text file of flags, got binary data", "flagfile"
        ) from None
