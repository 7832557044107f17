"""SHA-256 of files, kept in the cache: bytes are read again only where a file has changed."""

import contextlib
import hashlib
import json
import os
import pathlib
import time
from collections.abc import Callable, Iterable, Sequence

from storage.cache import FILES, cache_directory, mark_used
from storage.files import write_atomically
from waiting import Work

# Seconds after a change in which another one may leave the same times.
_SAME_TIME = 2.0

State = list[int]


def digest(
    folder: pathlib.Path,
    files: Sequence[str],
    in_threads: Callable[[Callable, Sequence[str]], Iterable],
    work: Work,
) -> str:
    """Return the SHA-256 of the relative paths and contents of files, in their order.

    A file whose size, times and number are those of the last time is not read.

    Args:
        folder: the folder that paths are relative to.
        files: the paths.
        in_threads: function (function, paths) that maps in order.
        work: the work, whose done parts are counted.
    """
    record = cache_directory() / FILES / f"{_name(folder)}.json"
    known, now = _read(record), time.time()
    found: dict[str, list] = {}

    def of_file(file: str) -> tuple[State | None, str]:
        path = folder / file
        try:
            state = _state(path)
            if known.get(file, [None])[0] == state:
                return state, known[file][1]
            with path.open("rb") as content:
                sha256 = hashlib.file_digest(content, "sha256").hexdigest()
            settled = _state(path) == state and max(state[1:3]) < (now - _SAME_TIME) * 1e9
            return state if settled else None, sha256
        except OSError as error:
            return None, str(error.errno).encode().hex()

    total = hashlib.sha256()
    for file, (state, content) in zip(files, in_threads(of_file, files), strict=True):
        total.update(os.fsencode(file) + b"\0" + bytes.fromhex(content))
        if state:
            found[file] = [state, content]
        work.done += 1
    if found != known:
        with contextlib.suppress(OSError):  # the cache cannot be written
            content = {"folder": str(folder.resolve()), "files": found}
            write_atomically(record, json.dumps(content))
    else:
        mark_used(record)
    return total.hexdigest()


def _name(folder: pathlib.Path) -> str:
    return hashlib.sha256(os.fsencode(folder.resolve())).hexdigest()


def _state(path: pathlib.Path) -> State:
    """Return size, times of the content and of the entry in ns, device and number of a file."""
    found = path.stat()
    return [found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_dev, found.st_ino]


def _read(record: pathlib.Path) -> dict[str, list]:
    """Return the files of the last time, name -> [state, SHA-256]; {} if there is no valid file."""
    try:
        known = described(record)[1]
        for state, sha256 in known.values():
            if (
                type(state) is not list
                or len(bytes.fromhex(sha256)) != hashlib.sha256().digest_size
            ):
                return {}
        return known
    except (OSError, ValueError, TypeError, AttributeError, RecursionError):
        return {}


def described(record: pathlib.Path) -> tuple[str, dict[str, list]]:
    """Return the folder of a record and its files, name -> [state, SHA-256].

    Raises:
        OSError, ValueError, TypeError or RecursionError: it is damaged or of an earlier version.
    """
    content = json.loads(record.read_bytes())
    if not isinstance(content, dict) or not isinstance(content.get("folder"), str):
        raise TypeError("no record of a folder")
    if not isinstance(content.get("files"), dict):
        raise TypeError("no files")
    return content["folder"], content["files"]
