"""Decoded data sets on disk: each is decoded once, then memory-mapped.

An entry is a directory named after the sha256 of what it was made from:

    images.npy   uint8 [>= n, h, w, c], the training images followed by the test images
    labels.npy   int64 [>= n], -1 for no label
    meta.json    how many of each, the class names, the notes and the fingerprint

It is made under another name and renamed when it is whole, so that neither a kill nor a second
process can leave a part of one.
"""

import contextlib
import dataclasses
import errno
import hashlib
import json
import os
import pathlib
import shutil
import sys
import time
import uuid
import warnings
from collections.abc import Callable, Iterable

import numpy as np

from data.image_data import ImageData, Split, fingerprint
from storage.cache import cache_directory

FORMAT = 1  # of the entries and of the conversion: raise it when either changes
_UNFINISHED = ".unfinished-"
_ABANDONED_AFTER = 24 * 3600  # seconds
_DAMAGE = (OSError, EOFError, ValueError, KeyError, TypeError)


@dataclasses.dataclass(frozen=True)
class Filled:
    """What a decoder has put into the arrays: train images, then test images, then nothing."""

    train: int
    test: int = 0
    notes: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Decoder:
    """How to decode a set.

    Attributes:
        capacity: the most images there can be.
        image_shape: (h, w, c).
        class_names: empty without labels.
        fill: (images uint8 [capacity, h, w, c], labels int64 [capacity], all -1) -> Filled;
            writes into both in order.
    """

    capacity: int
    image_shape: tuple[int, int, int]
    class_names: tuple[str, ...]
    fill: Callable[[np.ndarray, np.ndarray], Filled]


def cached(name: str, content: list, decoder: Callable[[], Decoder]) -> ImageData:
    """The entry for `content`, made now if there is none.

    Args:
        name: of the data set that is returned; no part of the key.
        content: what the pixels depend on, as JSON.
        decoder: called when there is something to decode.

    A damaged entry is made again, with a warning. Where the cache cannot be written, the set is
    decoded into memory, with a note.
    """
    key = hashlib.sha256(json.dumps([FORMAT, *content]).encode()).hexdigest()
    entry = cache_directory() / key
    if os.path.exists(entry):
        try:
            return _read(entry, name)
        except _DAMAGE as error:
            warnings.warn(f"{entry} is damaged ({error}) and is made again", stacklevel=2)

    decoder = decoder()
    print(f"Decoding {decoder.capacity:,} images of {name}; this is done once.", file=sys.stderr)
    try:
        unfinished, images = _begin(entry, (decoder.capacity, *decoder.image_shape))
    except OSError as error:
        return _in_memory(name, decoder, error)
    try:
        _write(unfinished, images, decoder)
        data = _read(unfinished, name)
        _publish(unfinished, entry)
        return data
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _begin(entry: pathlib.Path, shape: tuple[int, ...]) -> tuple[pathlib.Path, np.memmap]:
    """A new directory beside the entry, and the memory map of its images."""
    entry.parent.mkdir(parents=True, exist_ok=True)
    for abandoned in entry.parent.glob(_UNFINISHED + "*"):
        with contextlib.suppress(OSError):
            if abandoned.stat().st_mtime < time.time() - _ABANDONED_AFTER:
                shutil.rmtree(abandoned)
    # Writing to the map of a file that the disk has no room for would end the process.
    if shutil.disk_usage(entry.parent).free < np.prod(shape, dtype=np.int64) + 2**24:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(entry.parent))
    unfinished = entry.parent / (_UNFINISHED + uuid.uuid4().hex)
    unfinished.mkdir()
    try:
        return unfinished, np.lib.format.open_memmap(
            unfinished / "images.npy", mode="w+", dtype=np.uint8, shape=shape
        )
    except OSError:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise


def _write(unfinished: pathlib.Path, images: np.memmap, decoder: Decoder):
    labels, filled = _filled(images, decoder)
    data = _image_data("", images, labels, filled, decoder.class_names)
    images.flush()
    np.save(unfinished / "labels.npy", labels)
    meta = {
        "shape": images.shape,
        "filled": dataclasses.asdict(filled),
        "class_names": data.class_names,
        "fingerprint": data.fingerprint,
    }
    (unfinished / "meta.json").write_text(json.dumps(meta, indent=2))


def _read(entry: pathlib.Path, name: str) -> ImageData:
    """The entry, mapped. Raises one of _DAMAGE if it is not whole."""
    meta = json.loads((entry / "meta.json").read_text())
    images = np.load(entry / "images.npy", mmap_mode="r", allow_pickle=False)
    labels = np.load(entry / "labels.npy", allow_pickle=False)
    if (images.dtype, images.shape) != (np.uint8, tuple(meta["shape"])):
        raise ValueError(f"images.npy is {images.dtype} {images.shape}")
    if (labels.dtype, labels.shape) != (np.int64, images.shape[:1]):
        raise ValueError(f"labels.npy is {labels.dtype} {labels.shape}")
    filled = Filled(**meta["filled"])
    return _image_data(name, images, labels, filled, meta["class_names"], meta["fingerprint"])


def _publish(unfinished: pathlib.Path, entry: pathlib.Path):
    """Renames, unless another process was first; the maps that are open stay good either way."""
    with contextlib.suppress(*_DAMAGE):
        _read(entry, "")
        return
    shutil.rmtree(entry, ignore_errors=True)
    with contextlib.suppress(OSError):
        unfinished.rename(entry)


def _in_memory(name: str, decoder: Decoder, reason: OSError) -> ImageData:
    images = np.empty((decoder.capacity, *decoder.image_shape), np.uint8)
    labels, filled = _filled(images, decoder)
    note = f"kept in memory: no cache in {cache_directory()} ({reason.strerror or reason})"
    filled = dataclasses.replace(filled, notes=(*filled.notes, note))
    return _image_data(name, images, labels, filled, decoder.class_names)


def _filled(images: np.ndarray, decoder: Decoder) -> tuple[np.ndarray, Filled]:
    labels = np.full(decoder.capacity, -1, np.int64)
    return labels, decoder.fill(images, labels)


def _image_data(
    name: str,
    images: np.ndarray,
    labels: np.ndarray,
    filled: Filled,
    class_names: Iterable[str],
    known_fingerprint: str | None = None,
) -> ImageData:
    def split(start: int, stop: int) -> Split:
        labelled = (labels[start:stop] >= 0).all()
        return Split(images[start:stop], labels[start:stop] if labelled else None)

    train = split(0, filled.train)
    test = split(filled.train, filled.train + filled.test) if filled.test else None
    return ImageData(
        name,
        train,
        test,
        class_names=() if train.labels is None else tuple(class_names),
        fingerprint=known_fingerprint or fingerprint(train, test),
        notes=tuple(filled.notes),
    )
