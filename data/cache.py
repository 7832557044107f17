"""Contents of the cache: python -m data.cache [--prune].

    python -m data.cache
    python -m data.cache --prune --older_than 90

Lists the entries of the cache ($GAN_ZOO_CACHE, else ~/.cache/gan-zoo) with their sizes and the days
of their last use, and those that --prune deletes: entries that are damaged or of another version,
those of a data set whose files are gone, and what killed processes have left. Only --prune deletes.
Entries are made again when they are needed, but for trained classifiers and weights of shipped
models. Files that are not of the cache, links, and what a process may write at present are kept.
Flags, with their defaults in brackets:
"""

import contextlib
import dataclasses
import json
import os
import pathlib
import re
import stat
import sys
import time
import uuid
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence

import fields
from cli import flags
from data import decoded, digests
from data.archive import open_npz
from data.listing import count, listed
from errors import UserError, printable
from fields import field
from storage import packages
from storage.cache import (
    CLASSIFIERS,
    FEATURES,
    FILES,
    STATISTICS,
    STATISTICS_FORMAT,
    WEIGHTS,
    cache_directory,
)
from storage.files import LEFTOVER, remove
from storage.memory import described

UNREADABLE = "damaged or of another version"
WRITTEN = "being written, or left by a process that was killed less than a day ago"
_DAY = 24 * 3600
_KEY = r"[0-9a-f]{64}"
_DOWNLOAD = re.compile(r"\.download-.+")
_DAMAGE = (*decoded.DAMAGE, zipfile.BadZipFile, AttributeError, RecursionError)


@fields.options()
class CacheOptions:
    """Options of the listing."""

    prune: bool = field(
        False, "delete the entries that can no longer be used, and those that other flags select",
        group="cache",
    )  # fmt: skip
    older_than: float | None = field(
        None, "select the entries that were not used in this number of days", group="cache",
        at_least=0,
    )  # fmt: skip
    all: bool = field(False, "select all entries, also trained classifiers", group="cache")

    def __post_init__(self):
        fields.check(self)
        if self.all and self.older_than is not None:
            raise UserError("has no effect with --all; omit one of them", "older_than")


@dataclasses.dataclass(frozen=True)
class Entry:
    """Entry of the cache: a file or a folder.

    Attributes:
        path: its path.
        text: description.
        size: its size in bytes.
        used: time of its last use, or of its last change, in seconds since 1970.
        reason: reason why it can no longer be used; empty if it can.
        in_use: True if it may be written at present.
    """

    path: pathlib.Path
    text: str
    size: int
    used: float
    reason: str = ""
    in_use: bool = False

    def __str__(self) -> str:
        day = time.strftime("%Y-%m-%d", time.localtime(self.used))
        text = f"{self.text}: {self.reason}" if self.reason else self.text
        return f"  {described(self.size):>12}  {day}  {printable(text)}"


class Unusable(Exception):
    """An entry can no longer be used; its text is the reason."""


def of_images(path: pathlib.Path) -> str:
    """Return the description of decoded images. Raises Unusable or one of _DAMAGE."""
    found = decoded.described(path)
    size = " x ".join(map(str, found.image_shape))
    text = f"decoded images of {found.name or 'a data set that is not recorded'}, {size}"
    if found.format != decoded.FORMAT:
        raise Unusable(UNREADABLE)
    _require_one(found.sources)
    return f"{text} ({found.sources[-1]})" if found.sources else text


def of_files(path: pathlib.Path) -> str:
    """Return the description of a record of files. Raises Unusable or one of _DAMAGE."""
    folder, files = digests.described(path)
    _require_one([folder])
    return f"sizes and times of {count(len(files), 'file')} of {folder}"


def of_statistics(path: pathlib.Path) -> str:
    """Return the description of statistics of features. Raises Unusable or one of _DAMAGE."""
    with open_npz(path) as arrays:
        if missing := {"count", "mean", "covariance", "features"} - {*arrays.files}:
            raise KeyError(*missing)
        about = json.loads(*arrays.texts("description")) if "description" in arrays else {}
    if about.get("format", STATISTICS_FORMAT) != STATISTICS_FORMAT:
        raise Unusable(UNREADABLE)
    if not about:
        return "statistics of features of images that are not recorded"
    return f"statistics of {about['features']} features of {about['dataset']}, {about['split']}"


def of_classifier(path: pathlib.Path) -> str:
    """Return the description of a trained classifier. Raises one of _DAMAGE."""
    with open_npz(path) as arrays:
        about = json.loads(*arrays.texts("description"))
    return f"classifier of {'gray versions of ' * about.get('gray', False)}{about['dataset']}"


def of_features(path: pathlib.Path) -> str:
    """Return the description of the weights of a feature network."""
    return f"downloaded feature network {path.name}"


def of_weights(path: pathlib.Path) -> str:
    """Return the description of the weights of a shipped model. Raises Unusable."""
    found = packages.index()[path.stem]
    if path.stat().st_size != found["bytes"]:
        raise Unusable(UNREADABLE)
    return f"weights of {path.stem}"


def _require_one(sources: Iterable[str]) -> None:
    """Raise Unusable if there are sources and none exists; one that is no path here counts."""
    local = [source for source in sources if os.path.isabs(source)]
    if local and not any(map(os.path.exists, local)):
        raise Unusable(f"{local[-1]} is gone")


# Folder -> names of its entries, what they are, and the function that describes one.
KINDS: dict[str, tuple[str, str, Callable[[pathlib.Path], str]]] = {
    FILES: (rf"{_KEY}\.json", "sizes and times of files", of_files),
    STATISTICS: (rf"{_KEY}\.npz", "statistics of features", of_statistics),
    CLASSIFIERS: (rf"{_KEY}(-gray)?\.npz", "trained classifier", of_classifier),
    FEATURES: (r"pt_inception-[\w.-]+\.pth", "downloaded feature network", of_features),
    WEIGHTS: (rf"{packages.NAME.pattern}\{packages.TENSORS}", "weights", of_weights),
}


def find(cache: pathlib.Path) -> tuple[list[Entry], list[str]]:
    """Return the entries, and the relative paths of files and folders that are not of the cache.

    Links are not followed.

    Raises:
        OSError: the folder cannot be read.
    """
    entries, others = [], []
    for path in _children(cache):
        if path.name in KINDS and _is(stat.S_ISDIR, path):
            for inner in _children(path):
                _sort(inner, _inner(inner, *KINDS[path.name]), entries, others)
        else:
            _sort(path, _outer(path), entries, others)
    return entries, [os.path.relpath(path, cache) for path in others]


def _sort(path: pathlib.Path, entry: Entry | None, entries: list, others: list) -> None:
    if entry:
        entries.append(entry)
    elif os.path.lexists(path):
        others.append(path)


def _children(folder: pathlib.Path) -> list[pathlib.Path]:
    with contextlib.suppress(FileNotFoundError):
        return sorted(folder.iterdir())
    return []


def _is(kind: Callable[[int], bool], path: pathlib.Path) -> bool:
    """Return whether a path, and not the target of a link, is of a kind."""
    with contextlib.suppress(OSError):
        return kind(path.lstat().st_mode)
    return False


def _outer(path: pathlib.Path) -> Entry | None:
    """Return the entry of a folder of decoded images, or of what a killed process has left."""
    if not _is(stat.S_ISDIR, path):
        return None
    temporary = path.name.startswith(decoded.UNFINISHED)
    if not temporary and not re.fullmatch(_KEY, path.name):
        return None
    known = {decoded.IMAGES, decoded.LABELS, decoded.META}
    for file in _children(path):
        left = LEFTOVER.fullmatch(file.name)
        name = (left["name"] or left["old_name"]) if left else file.name
        if name not in known or not _is(stat.S_ISREG, file):
            return None
    return _temporary(path) if temporary else _described(path, "decoded images", of_images)


def _inner(
    path: pathlib.Path, pattern: str, text: str, describe: Callable[[pathlib.Path], str]
) -> Entry | None:
    """Return the entry of a file in a folder of KINDS, or of what a killed process has left."""
    left = LEFTOVER.fullmatch(path.name)
    if left and re.fullmatch(pattern, left["name"] or left["old_name"]):
        return _temporary(path) if _is(stat.S_ISREG, path) else None
    if describe is of_features and _DOWNLOAD.fullmatch(path.name):
        return _temporary(path) if _is(stat.S_ISDIR, path) else None
    if not re.fullmatch(pattern, path.name) or not _is(stat.S_ISREG, path):
        return None
    if describe is of_weights and path.stem not in packages.index():
        return None
    return _described(path, text, describe)


def _described(
    path: pathlib.Path, text: str, describe: Callable[[pathlib.Path], str]
) -> Entry | None:
    """Return the entry of a path; None if it has just been deleted."""
    reason = ""
    try:
        text = describe(path)
    except Unusable as unusable:
        reason = str(unusable)
    except PermissionError:
        text = f"{text}, without permission to read it"
    except _DAMAGE:
        reason = UNREADABLE
    with contextlib.suppress(FileNotFoundError):
        return Entry(path, text, *_size_and_time(path), reason)
    return None


def _temporary(path: pathlib.Path) -> Entry | None:
    """Return the entry of a temporary file or folder; None if it has just been renamed."""
    with contextlib.suppress(FileNotFoundError):
        size, used = _size_and_time(path)
        if used > time.time() - decoded.ABANDONED_AFTER:
            return Entry(path, WRITTEN, size, used, in_use=True)
        return Entry(path, "unfinished", size, used, "left by a killed process")
    return None


def _size_and_time(path: pathlib.Path) -> tuple[int, float]:
    """Return the bytes of a file or a folder, and the time of its last change."""
    if _is(stat.S_ISDIR, path):
        found = [path.lstat(), *(inner.lstat() for inner in path.rglob("*"))]
        return sum(one.st_size for one in found[1:]), max(one.st_mtime for one in found)
    found = path.lstat()
    return found.st_size, found.st_mtime


def to_delete(entry: Entry, options: CacheOptions, now: float) -> bool:
    """Return whether the options select an entry."""
    if entry.in_use:
        return False
    old = options.older_than is not None and now - entry.used >= options.older_than * _DAY
    return bool(entry.reason) or options.all or old


def delete(entry: Entry) -> None:
    """Delete an entry; a process that reads it keeps what it has opened.

    A folder is renamed first, so that no process finds a part of it.

    Raises:
        OSError: it cannot be deleted.
    """
    path = entry.path
    if _is(stat.S_ISDIR, path) and not path.name.startswith("."):
        path = path.rename(path.with_name(decoded.UNFINISHED + uuid.uuid4().hex))
    remove(path)


def report(options: CacheOptions) -> Iterator[str]:
    """Yield lines about the entries; delete those that the options select if `prune` is set.

    Raises:
        UserError: the cache cannot be read, or an entry cannot be deleted.
    """
    cache = cache_directory()
    try:
        entries, others = find(cache)
    except OSError as error:
        raise UserError(f"{error.filename or cache}: cannot read it ({error.strerror})") from None
    now = time.time()
    chosen = [entry for entry in entries if to_delete(entry, options, now)]
    kept = [entry for entry in entries if entry not in chosen]
    failed = {}
    for entry in chosen if options.prune else ():
        try:
            delete(entry)
        except FileNotFoundError:  # another process has deleted it
            pass
        except OSError as error:
            failed[entry] = error
    kept += failed
    yield f"{cache}: {_total(kept if options.prune else entries)}{' left' * options.prune}"
    yield from map(str, kept)
    chosen = [entry for entry in chosen if entry not in failed]
    yield f"{'deleted' if options.prune else 'to be deleted by --prune'}: {_total(chosen)}"
    yield from map(str, chosen)
    if others:
        yield f"not of the cache, and kept: {listed(others)}"
    for entry, error in failed.items():
        more = f", and {len(failed) - 1:,} more" if len(failed) > 1 else ""
        raise UserError(f"cannot delete {entry.path}{more} ({error.strerror})", "prune")


def _total(entries: Sequence[Entry]) -> str:
    size = described(sum(entry.size for entry in entries))
    return f"{'1 entry' if len(entries) == 1 else f'{len(entries):,} entries'}, {size}"


def main(argv: Sequence[str]) -> int:
    """Run the command line `argv`; return the exit code."""
    if flags.wants_help(argv):
        print(__doc__.strip(), "", flags.describe(CacheOptions), "", flags.ENDING, sep="\n")
        return 0
    for line in report(CacheOptions(**flags.given(argv, CacheOptions))):
        print(line)
    return 0


if __name__ == "__main__":
    if code := flags.run_script(main):
        sys.exit(code)
