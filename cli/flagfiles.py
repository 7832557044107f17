"""Flagfiles: text files whose lines are flags, read before absl reads the command line."""

import os
import stat
import unicodedata
from collections.abc import Iterator, Sequence

from errors import UserError
from storage.paths import one_path

LIMIT = 2**20  # bytes of a flagfile
DEEPEST = 20  # flagfiles within flagfiles
NAMES = ("--flagfile", "-flagfile")
MINUS = "\u2212"  # no dash by its category
# Byte-order marks of encodings other than UTF-8.
MARKS = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}


def with_flagfiles(argv: Sequence[str]) -> list[str]:
    """Return a command line in which the lines of each --flagfile replace the flag.

    As in absl, blank lines and those that begin with # or // are ignored, a flagfile may name
    others, and nothing is replaced after "--". A pipe, such as <(...) of a shell, can be read once
    only.

    Raises:
        UserError: a flagfile cannot be read, is larger than 1 MB, is no text, or names itself, or
            one of its lines begins with a typographic dash.
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
    """Return the lines of a flagfile without blank lines and comments.

    Raises:
        UserError: the file cannot be read, or a line begins with a character that looks like a dash
            or cannot be seen, or has a space between a flag and its value.
    """
    found = []
    for number, line in enumerate(text_of(path).splitlines(), 1):
        line = line.strip()
        if reason := reason_of_typographic_dash(line):
            raise UserError(f"{path}, line {number}: {reason}", "flagfile")
        if not line or line.startswith(("#", "//")):
            continue
        flag, _, value = line.partition(" ")
        if flag.startswith("-") and value and "=" not in flag:
            raise UserError(
                f"{path}, line {number}: {line}: expected one flag per line, as --name=value",
                "flagfile",
            )
        found.append(line)
    return found


def reason_of_typographic_dash(argument: str) -> str:
    """Return the reason why an argument that looks like a flag is none, or "".

    Word processors and web pages replace -- by a typographic dash, and a file that was saved as two
    may have a byte-order mark within it.
    """
    rest = argument.lstrip("-")
    if not rest or (unicodedata.category(rest[0]) not in ("Pd", "Cf") and rest[0] != MINUS):
        return ""
    name = unicodedata.name(rest[0], "").lower()
    return f"{argument} begins with U+{ord(rest[0]):04X} ({name}); write -- before a flag"


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
    if encoding := MARKS.get(content[:2]):
        raise UserError(
            f"{path}: has the byte-order mark of {encoding}; save it as UTF-8", "flagfile"
        )
    if b"\0" in content:
        raise UserError(f"{path}: expected a text file of flags, got binary data", "flagfile")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        number = content.count(b"\n", 0, error.start) + 1
        raise UserError(
            f"{path}, line {number}: the byte 0x{content[error.start]:02x} is no UTF-8; save the "
            "file as UTF-8",
            "flagfile",
        ) from None
