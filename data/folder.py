"""Folders of images: flat without labels, or with one sub-folder per class."""

import collections
import dataclasses
import functools
import hashlib
import os
import pathlib
from collections.abc import Callable, Iterable, Iterator
from concurrent import futures

import numpy as np

from data import conversion
from data.cache import Decoded, Decoder, cached
from data.image_data import ImageData
from errors import UserError
from waiting import Work, waiting

ENDINGS = (".png", ".jpg", ".jpeg")
_NAMED = 10  # maximum number of files named in a note
_CHUNK = 256  # images decoded ahead
_THREADS = min(8, os.cpu_count() or 1)


def load(folder: pathlib.Path, image_size: int | None, gray: str = "convert") -> ImageData:
    """Load the images of a folder as the train split, in the order of their relative paths.

    Args:
        folder: path of the folder.
        image_size: side of the square that images are cropped and resized to; None keeps the size
            and requires squares of one size.
        gray: "convert" repeats gray images over 3 channels if the folder has colour images, and
            keeps one channel otherwise; "skip" omits gray images.

    Raises:
        UserError: no image can be used, or the sizes differ and image_size is None.
    """
    files, class_names, ignored = find(folder)
    name = folder.resolve().name or "images"
    with waiting(f"reading the files of {name}", len(files)) as work:
        digest = _digest(folder, files, work)
    data = cached(
        name,
        ["folder", digest, image_size, gray],
        lambda: _decoder(folder, files, class_names, image_size, gray),
    )
    return dataclasses.replace(data, notes=(*data.notes, *ignored))


def find(folder: pathlib.Path) -> tuple[list[str], list[str], list[str]]:
    """Return the relative paths of the images, the sorted class names and notes on ignored files.

    The class names are empty for a flat folder.

    Raises:
        UserError: there are no images, or images beside class folders.
    """
    at_top, others = _images_in(folder)
    names = sorted(e.name for e in os.scandir(folder) if e.is_dir() and not _hidden(e.name))
    files, classes, imageless = [], [], []
    for name in names:
        inside, more_others = _images_in(folder / name)
        files += [f"{name}/{file}" for file in inside]
        (classes if inside else imageless).append(name)
        others += more_others
    if at_top and classes:
        raise UserError(
            f"{folder}: {_count(len(at_top), 'image')} beside the class folders "
            f"{_listed(classes, 3)}; move images into the folder of their class",
            "dataset",
        )
    if not at_top and not classes:
        deeper = f" nor directly in its folders {_listed(imageless, 3)}" if imageless else ""
        raise UserError(f"{folder}: no PNG or JPEG files found{deeper}", "dataset")
    ignored = []
    if others:
        ignored.append(f"{_count(others, 'file')} ignored: not named .png, .jpg or .jpeg")
    if imageless:
        ignored.append(f"{_count(len(imageless), 'folder')} without images: {_listed(imageless)}")
    return at_top or files, classes, ignored


def _images_in(folder: pathlib.Path) -> tuple[list[str], int]:
    """Return the sorted names of the image files and the number of other files."""
    try:
        names = [e.name for e in os.scandir(folder) if e.is_file() and not _hidden(e.name)]
    except OSError as error:
        raise UserError(f"{folder}: cannot read it ({error.strerror})", "dataset") from error
    images = sorted(name for name in names if name.lower().endswith(ENDINGS))
    return images, len(names) - len(images)


def _hidden(name: str) -> bool:
    return name.startswith(".")


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" + ("s" if number != 1 else "")


def _listed(names: list[str], limit: int = _NAMED) -> str:
    return ", ".join(names[:limit]) + (", ..." if len(names) > limit else "")


def _digest(folder: pathlib.Path, files: list[str], work: Work) -> str:
    """Return the SHA-256 of the relative paths and contents of all files, counted in `work`."""

    def content_digest(file: str) -> bytes:
        try:
            return hashlib.sha256((folder / file).read_bytes()).digest()
        except OSError as error:
            return str(error.errno).encode()

    digest = hashlib.sha256()
    for file, content in zip(files, _in_threads(content_digest, files), strict=True):
        digest.update(os.fsencode(file) + b"\0" + content)
        work.done += 1
    return digest.hexdigest()


def _in_threads(function: Callable, items: list[str]) -> Iterator:
    """Map in threads, in order, at most one chunk ahead."""
    with futures.ThreadPoolExecutor(_THREADS) as pool:
        for start in range(0, len(items), _CHUNK):
            yield from pool.map(function, items[start : start + _CHUNK])


def _decoder(
    folder: pathlib.Path,
    files: list[str],
    class_names: list[str],
    image_size: int | None,
    gray: str,
) -> Decoder:
    headers = {}
    with waiting(f"reading the sizes of the images of {folder}", len(files)) as work:
        read = _in_threads(functools.partial(_header, folder), files)
        for work.done, (file, header) in enumerate(zip(files, read, strict=True), 1):
            headers[file] = header
    skipped = [f for f, header in headers.items() if gray == "skip" and header and header[1] == 1]
    for file in skipped:
        del headers[file]
    files = list(headers)
    readable = [header for header in headers.values() if header]
    if skipped and not readable:
        raise UserError(
            f"skip leaves no image: all {len(skipped):,} images of dataset={folder} are gray; set "
            "gray=convert, which keeps one channel",
            "gray",
        )
    unreadable = UserError(
        f"{folder}: cannot read any of its {len(files):,} PNG and JPEG files", "dataset"
    )
    if not readable:
        raise unreadable
    size = image_size or _common_size(folder, [size for size, _ in readable])
    channels = max(channels for _, channels in readable)
    numbers = {name: number for number, name in enumerate(class_names)}

    def decode(images: np.ndarray, labels: np.ndarray, work: Work) -> Decoded:
        kinds, broken, kept = collections.Counter(), [], 0
        decode_file = functools.partial(_decode, folder, channels=channels, size=size)
        for file, square in zip(files, _in_threads(decode_file, files), strict=True):
            work.done += 1
            if square is None:
                broken.append(file)
                continue
            images[kept], image_kinds = square
            if numbers:
                labels[kept] = numbers[file.split("/")[0]]
            kinds.update(image_kinds)
            kept += 1
        if not kept:
            raise unreadable
        notes = list(conversion.notes(kinds))
        if skipped:
            notes.append(f"{_count(len(skipped), 'gray image')} left out: {_listed(skipped)}")
        if broken:
            notes.append(f"{_count(len(broken), 'broken file')} left out: {_listed(broken)}")
        return Decoded(train=kept, notes=tuple(notes))

    return Decoder(len(files), (size, size, channels), tuple(class_names), decode)


def _header(folder: pathlib.Path, file: str) -> tuple[tuple[int, int], int] | None:
    """Return ((width, height), channels) of a file, or None if it is broken."""
    from PIL import Image

    try:
        with Image.open(folder / file, formats=conversion.FORMATS) as image:
            return image.size, conversion.channels_of(image)
    except Exception:  # Pillow raises errors of many types
        return None


def _decode(
    folder: pathlib.Path, file: str, channels: int, size: int
) -> tuple[np.ndarray, list[str]] | None:
    """Return the square image of a file and its kinds of conversion, or None if it is broken."""
    from PIL import Image

    try:
        with Image.open(folder / file, formats=conversion.FORMATS) as image:
            return conversion.convert(image, channels, size)
    except Exception:
        return None


def _common_size(folder: pathlib.Path, sizes: Iterable[tuple[int, int]]) -> int:
    seen = collections.Counter(sizes).most_common()
    (width, height), _ = seen[0]
    if len(seen) > 1 or width != height:
        sizes = _listed([f"{w} x {h} ({count:,})" for (w, h), count in seen], 4)
        raise UserError(
            f"{folder}: the images are not squares of one size but (width x height) {sizes}; set "
            "image_size=64 or another side",
            "dataset",
        )
    return width
