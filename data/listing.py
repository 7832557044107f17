"""Image files of a folder, and the classes that its sub-folders are."""

import dataclasses
import decimal
import heapq
import os
import pathlib
import re
from collections.abc import Iterable, Sequence

from data.reading import DEFAULT, Reading
from errors import UserError, printable

ENDINGS = (".png", ".jpg", ".jpeg")
SPLITS = {"train", "training", "test", "testing", "val", "valid", "validation", "dev", "eval"}
_NUMBER = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?")
_NAMED = 10  # maximum number of files named in a note


@dataclasses.dataclass(frozen=True)
class Listing:
    """Image files of a folder.

    Attributes:
        files: paths relative to the folder, by class and then by path.
        classes: names of the class folders in the order of their labels; empty for a flat folder.
        notes: what is ignored, and classes with suspicious names, one line each.
    """

    files: list[str]
    classes: list[str]
    notes: list[str]


@dataclasses.dataclass
class _Found:
    """Files below a folder: paths of images, number of others, paths of links without effect."""

    images: list[str] = dataclasses.field(default_factory=list)
    folders: list[str] = dataclasses.field(default_factory=list)
    others: int = 0
    dangling: list[str] = dataclasses.field(default_factory=list)
    repeated: list[str] = dataclasses.field(default_factory=list)


def find(folder: pathlib.Path, reading: Reading = DEFAULT) -> Listing:
    """Return the images of a folder: flat, or those below each class folder at any depth.

    Links are followed. Hidden files and folders are ignored.

    Raises:
        UserError: there are no images, images are beside class folders, or a folder cannot be read.
    """
    top = _below(folder, "", set(), depth=0)
    classes, imageless, found = [], [], {}
    for name in top.folders:
        # A link to the folder itself would make a class of all images.
        inside = _below(
            folder, name, {_identity(folder)}, depth=0 if reading.uses_first_rules else None
        )
        if inside.repeated[:1] == [name]:
            top.repeated.append(name)
            continue
        found[name] = inside
        (classes if inside.images else imageless).append(name)
    if top.images and classes:
        raise UserError(
            f"{folder}: {count(len(top.images), 'image')} beside the class folders "
            f"{listed(classes, 3)}; move images into the folder of their class",
            "dataset",
        )
    if not top.images and not classes:
        below = f" nor in its folders {listed(imageless, 3)}" if imageless else ""
        raise UserError(f"{folder}: no PNG or JPEG files found{below}", "dataset")
    classes = _in_order(classes, reading)
    files = top.images or [file for name in classes for file in found[name].images]
    notes = _ignored([top, *found.values()], sorted(imageless))
    return Listing(files, classes, [*notes, *_named_like_splits(folder, classes)])


def natural_order(names: Iterable[str]) -> list[str]:
    """Sort names: numbers by their value, other names with the numbers in them by their value."""
    names = list(names)
    if all(map(_NUMBER.fullmatch, names)):
        return sorted(names, key=lambda name: (decimal.Decimal(name), name))
    return sorted(names, key=lambda name: (_parts(name), name))


def _parts(name: str) -> list[tuple[int, int, str]]:
    """Return the digits and the other characters of a name, in order and comparable."""
    parts = re.findall(r"[0-9]+|[^0-9]+", name)
    return [(0, int(part), "") if part[0] in "0123456789" else (1, 0, part) for part in parts]


def _in_order(classes: list[str], reading: Reading) -> list[str]:
    if reading.uses_first_rules:
        return sorted(classes)
    if sorted(reading.class_order) == sorted(classes):
        return list(reading.class_order)
    return natural_order(classes)


def _below(folder: pathlib.Path, name: str, visited: set, depth: int | None) -> _Found:
    """Return the files in a sub-folder, and in the folders below it up to a depth.

    Of a folder and links to it the folder is read, and without it the first link.

    Args:
        folder: the folder that paths are relative to.
        name: path of the sub-folder; "" for the folder itself.
        visited: identities of folders that are not read; those that are read are added, so that
            links cannot make a loop.
        depth: number of levels below the sub-folder; None for all.
    """
    found, pending = _Found(), [(False, name, 0)]  # in the heap folders are before links
    while pending:
        is_link, path, level = heapq.heappop(pending)
        if (identity := _identity(folder / path)) in visited:
            found.repeated.append(path)
            continue
        visited.add(identity)
        for entry in _entries(folder / path):
            if entry.name.startswith("."):
                continue
            inside = f"{path}/{entry.name}" if path else entry.name
            try:
                is_folder, is_file = entry.is_dir(), entry.is_file()
            except OSError:  # a loop of links
                is_folder = is_file = False
            if is_folder:
                found.folders.append(inside)
                if depth is None or level < depth:
                    linked = is_link or entry.is_symlink()
                    heapq.heappush(pending, (linked, inside, level + 1))
            elif is_file and entry.name.lower().endswith(ENDINGS):
                found.images.append(inside)
            elif is_file:
                found.others += 1
            elif not os.path.exists(entry.path):
                found.dangling.append(inside)
    for paths in (found.images, found.folders, found.dangling, found.repeated):
        paths.sort()
    return found


def _entries(folder: pathlib.Path) -> list[os.DirEntry]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError as error:
        raise UserError(f"{folder}: cannot read it ({error.strerror})", "dataset") from error


def _identity(folder: pathlib.Path) -> tuple[int, int] | str:
    """Return the device and the number of a folder; its path where there are no such numbers."""
    try:
        found = folder.stat()
    except OSError as error:
        raise UserError(f"{folder}: cannot read it ({error.strerror})", "dataset") from error
    return (found.st_dev, found.st_ino) if found.st_ino else str(folder.resolve())


def _ignored(found: Sequence[_Found], imageless: list[str]) -> list[str]:
    """Return a note on each kind of file that is not read."""
    notes = []
    if others := sum(one.others for one in found):
        notes.append(f"{count(others, 'file')} ignored: not named .png, .jpg or .jpeg")
    if imageless:
        notes.append(f"{count(len(imageless), 'folder')} without images: {listed(imageless)}")
    for links, text in (
        ([link for one in found for link in one.dangling], "without a target"),
        ([link for one in found for link in one.repeated], "to a folder that is read already"),
    ):
        if links:
            notes.append(f"{count(len(links), 'link')} {text}: {listed(links)}")
    return notes


def _named_like_splits(folder: pathlib.Path, classes: list[str]) -> list[str]:
    """Return a note if class folders have the names of splits."""
    splits = [name for name in classes if name.lower() in SPLITS]
    if not splits or (len(splits) == 1 and splits != classes):
        return []
    train = next((name for name in splits if name.lower().startswith("train")), splits[0])
    subject = f"the classes {listed(splits)} have the names of splits"
    if len(splits) == 1:
        subject = f"the class {splits[0]} has the name of a split"
    return [f"{subject}; for the images of one split set dataset={folder / train}"]


def count(number: int, noun: str) -> str:
    """Return a number with a noun, such as "2 files"."""
    return f"{number:,} {noun}" + ("s" if number != 1 else "")


def listed(names: Sequence[str], limit: int = _NAMED) -> str:
    """Return the first names, separated by commas, with escapes for control characters."""
    return ", ".join(map(printable, names[:limit])) + (", ..." if len(names) > limit else "")
