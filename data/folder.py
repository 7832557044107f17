"""A folder of images: flat, without labels, or with one sub-folder a class."""

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
from data.cache import Decoder, Filled, cached
from data.image_data import ImageData
from errors import UserError

ENDINGS = (".png", ".jpg", ".jpeg")
_NAMED = 10  # how many broken files a note names
_CHUNK = 256  # images in memory at a time
_THREADS = min(8, os.cpu_count() or 1)


def load(folder: pathlib.Path, image_size: int | None, gray: str = "convert") -> ImageData:
    """The images of a folder as the train split, in the order of their relative paths.

    Args:
        image_size: side of the square to bring every image to; None if all have one square size.
        gray: "convert" repeats gray images over 3 channels if there are any in colour, and leaves
            them as they are if there are none; "skip" leaves them out.

    Raises:
        UserError: nothing in it can be used, or the sizes differ and image_size is None.
    """
    files, class_names, ignored = find(folder)
    data = cached(
        folder.resolve().name or "images",
        ["folder", _digest(folder, files), image_size, gray],
        lambda: _decoder(folder, files, class_names, image_size, gray),
    )
    return dataclasses.replace(data, notes=(*data.notes, *ignored))


def find(folder: pathlib.Path) -> tuple[list[str], list[str], list[str]]:
    """(relative paths of the images, sorted class names or [], notes on what is ignored).

    Raises:
        UserError: there are no images, or some beside the class folders.
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
            f"--dataset {folder} holds {_count(len(at_top), 'image')} beside the class folders "
            f"{_listed(classes, 3)}: move them into a folder of their class"
        )
    if not at_top and not classes:
        deeper = f"; its folders {_listed(imageless, 3)} hold none directly" if imageless else ""
        raise UserError(f"--dataset {folder} holds no PNG or JPEG files{deeper}")
    ignored = []
    if others:
        ignored.append(f"{_count(others, 'file')} ignored: no PNG or JPEG by name")
    if imageless:
        ignored.append(f"{_count(len(imageless), 'folder')} without images: {_listed(imageless)}")
    return at_top or files, classes, ignored


def _images_in(folder: pathlib.Path) -> tuple[list[str], int]:
    """The sorted names of the image files, and the number of other files."""
    try:
        names = [e.name for e in os.scandir(folder) if e.is_file() and not _hidden(e.name)]
    except OSError as error:
        raise UserError(f"--dataset: {folder} cannot be read: {error.strerror}") from error
    images = sorted(name for name in names if name.lower().endswith(ENDINGS))
    return images, len(names) - len(images)


def _hidden(name: str) -> bool:
    return name.startswith(".")


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}" + ("s" if number != 1 else "")


def _listed(names: list[str], most: int = _NAMED) -> str:
    return ", ".join(names[:most]) + (", ..." if len(names) > most else "")


def _digest(folder: pathlib.Path, files: list[str]) -> str:
    """sha256 over the relative paths and the bytes of all the files."""

    def one(file: str) -> bytes:
        try:
            return hashlib.sha256((folder / file).read_bytes()).digest()
        except OSError as error:
            return str(error.errno).encode()

    digest = hashlib.sha256()
    for file, content in zip(files, _in_threads(one, files), strict=True):
        digest.update(os.fsencode(file) + b"\0" + content)
    return digest.hexdigest()


def _in_threads(function: Callable, items: list[str]) -> Iterator:
    """Like map, several items at a time, never more than a chunk ahead."""
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
    headers = dict(zip(files, _in_threads(functools.partial(_header, folder), files), strict=True))
    skipped = [f for f, header in headers.items() if gray == "skip" and header and header[1] == 1]
    for file in skipped:
        del headers[file]
    files = list(headers)
    readable = [header for header in headers.values() if header]
    if skipped and not readable:
        raise UserError(
            f"--gray=skip: --dataset {folder} holds gray images alone ({len(skipped):,}): take "
            "--gray=convert, which keeps them gray"
        )
    nothing = UserError(
        f"--dataset {folder}: none of its {len(files):,} PNG and JPEG files can be read"
    )
    if not readable:
        raise nothing
    size = image_size or _common_size(folder, [size for size, _ in readable])
    channels = max(channels for _, channels in readable)
    numbers = {name: number for number, name in enumerate(class_names)}

    def fill(images: np.ndarray, labels: np.ndarray) -> Filled:
        kinds, broken, kept = collections.Counter(), [], 0
        decode = functools.partial(_decode, folder, channels=channels, size=size)
        for file, decoded in zip(files, _in_threads(decode, files), strict=True):
            if decoded is None:
                broken.append(file)
                continue
            images[kept], image_kinds = decoded
            if numbers:
                labels[kept] = numbers[file.split("/")[0]]
            kinds.update(image_kinds)
            kept += 1
        if not kept:
            raise nothing
        notes = list(conversion.notes(kinds))
        if skipped:
            notes.append(f"{_count(len(skipped), 'gray image')} left out: {_listed(skipped)}")
        if broken:
            notes.append(f"{_count(len(broken), 'broken file')} left out: {_listed(broken)}")
        return Filled(train=kept, notes=tuple(notes))

    return Decoder(len(files), (size, size, channels), tuple(class_names), fill)


def _header(folder: pathlib.Path, file: str) -> tuple[tuple[int, int], int] | None:
    """((width, height), channels) of a file, or None for a broken one."""
    from PIL import Image

    try:
        with Image.open(folder / file, formats=conversion.FORMATS) as image:
            return image.size, conversion.channels_of(image)
    except Exception:  # Pillow raises errors of many types
        return None


def _decode(
    folder: pathlib.Path, file: str, channels: int, size: int
) -> tuple[np.ndarray, list[str]] | None:
    """The square of a file and the kinds of its conversions, or None for a broken one."""
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
            f"--dataset {folder}: the images are not squares of one size but (width x height) "
            f"{sizes}: give the size to bring them to, e.g. --image_size=64"
        )
    return width
