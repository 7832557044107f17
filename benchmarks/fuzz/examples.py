"""Values, damaged files and checks that the subjects of the fuzz share."""

import contextlib
import copy
import json
import math
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from errors import UserError

LONGEST = 500  # characters of a message
IN_MEMORY = "/dev/shm" if os.path.isdir("/dev/shm") else None  # for speed
DELETED = "<deleted>"
RAW = {  # JSON that Python's encoder does not write
    "<deep>": "[" * 100_000 + "]" * 100_000,
    "<digits>": "1" * 5000,
    "<huge>": "1e999",
    "<surrogate>": '"\\ud800"',
    "<nul>": '"a\\u0000b"',
    "<lines>": '"a\\nb"',
}

NUMBERS = st.one_of(
    st.integers(-5, 5),
    st.integers(),
    st.floats(),
    st.sampled_from([2**31, 2**63, -(2**63), 10**20, 1e308, math.nan, math.inf, True]),
)
TEXTS = st.one_of(
    st.text(max_size=8),
    st.sampled_from(["", "gan", "r1", "r1:5", "0", "off", "x" * 10_000, *RAW, DELETED]),
    st.sampled_from(["python train.py 'x", "python train.py --flagfile", "--flagfile=~nobody_/x"]),
)
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=6), inner, max_size=3)
    ),
    max_leaves=5,
)
FLIPS = st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), max_size=2)


def flipped(content: bytes, flips: Sequence[tuple[int, int]]) -> bytes:
    """Return bytes of which some are replaced.

    Args:
        content: the bytes.
        flips: positions, modulo the length, and new bytes.
    """
    changed = bytearray(content)
    for position, byte in flips:
        if changed:
            changed[position % len(changed)] = byte
    return bytes(changed)


def encoded(value: Any, flips: Sequence[tuple[int, int]], indent: int | None = 2) -> bytes:
    """Return a value as JSON, with raw JSON for its marks, and some bytes replaced."""
    text = json.dumps(value, indent=indent)
    for mark, raw in RAW.items():
        text = text.replace(f'"{mark}"', raw)
    return flipped(text.encode(), flips)


def paths_of(value: Any, path: tuple = ()) -> Iterator[tuple]:
    """Yield the paths of all values in a JSON value."""
    yield path
    items = value.items() if isinstance(value, dict) else ()
    items = enumerate(value) if isinstance(value, list) else items
    for key, inner in items:
        yield from paths_of(inner, (*path, key))


def changed(value: Any, changes: Sequence[tuple[tuple, Any]]) -> Any:
    """Return a JSON value with some of its values replaced or deleted."""
    value = copy.deepcopy(value)
    for path, new in changes:
        if not path:
            value = new
            continue
        with contextlib.suppress(KeyError, IndexError, TypeError):
            inside = value
            for key in path[:-1]:
                inside = inside[key]
            if new == DELETED:
                del inside[path[-1]]
            else:
                inside[path[-1]] = new
    return value


def damaged(saved: Any, values: st.SearchStrategy = JSON) -> st.SearchStrategy[bytes]:
    """Return contents of a JSON file: the saved one with some changes, or any bytes.

    Args:
        saved: the content of a whole file.
        values: values that replace others.
    """
    paths = st.sampled_from(list(paths_of(saved)))
    changes = st.lists(st.tuples(paths, values), max_size=3)
    mutated = st.builds(lambda c, flips: encoded(changed(saved, c), flips), changes, FLIPS)
    return st.one_of(mutated, mutated, mutated, st.binary(max_size=50))


def has_value_or_error(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function that may raise a UserError of one short line; return its value or None."""
    try:
        return function(*arguments)
    except UserError as error:
        message = str(error)
        assert len(message) < LONGEST, len(message)
        assert message.isprintable(), message
        return None


def files(folder: Path) -> dict[str, bytes]:
    """Return the files of a folder at any depth, with their content; links are not followed."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_symlink():
            found[str(path.relative_to(folder))] = os.fsencode(os.readlink(path))
        elif path.is_file():
            found[str(path.relative_to(folder))] = path.read_bytes()
    return found


@contextlib.contextmanager
def silent() -> Iterator[None]:
    """Context without warnings on stderr."""
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stderr(nowhere):
        yield
