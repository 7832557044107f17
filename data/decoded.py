"""On-disk cache of decoded data sets: each set is decoded once, then memory-mapped.

An entry is a directory named by the SHA-256 of its source (see `cached`):

    images.npy   uint8 [>= n, h, w, c], the training images followed by the test images
    labels.npy   int64 [>= n], -1 for images without a label
    meta.json    sizes of the splits, class names, notes, fingerprint, name and places of the source

It is written under a temporary name and renamed when complete, so that neither a killed nor a
concurrent process leaves a partial entry. The time of meta.json is that of the last use.
"""

import contextlib
import dataclasses
import errno
import hashlib
import json
import math
import os
import pathlib
import shutil
import time
import uuid
from collections.abc import Callable, Iterable

import numpy as np

from data.image_data import ImageData, Split, fingerprint
from errors import UserError, warn
from storage.cache import cache_directory, mark_used
from storage.files import write_atomically
from storage.memory import available_memory
from storage.memory import described as human
from waiting import Work, waiting

FORMAT = 1  # version of entries and conversion: increase it when either changes
UNFINISHED = ".unfinished-"  # first characters of the name of an entry that is being written
ABANDONED_AFTER = 24 * 3600  # seconds after which a temporary file is that of a killed process
IMAGES, LABELS, META = "images.npy", "labels.npy", "meta.json"
_PLACES = 20  # number of sources that are recorded
_HEADER = 2**12  # bytes: more than the header of an .npy file
DAMAGE = (OSError, EOFError, ValueError, KeyError, TypeError)


@dataclasses.dataclass(frozen=True)
class Decoded:
    """Numbers of images that a decoder wrote, training images first, and its notes.

    `class_names` are the names of classes that were found in the labels, instead of the decoder's.
    """

    train: int
    test: int = 0
    notes: tuple[str, ...] = ()
    class_names: tuple[str, ...] | None = None


@dataclasses.dataclass(frozen=True)
class Decoder:
    """Function that decodes a data set, and the size of its output.

    Attributes:
        capacity: maximum number of images.
        image_shape: (h, w, c).
        class_names: empty without labels.
        decode: function (images uint8 [capacity, h, w, c], labels int64 [capacity], work) ->
            Decoded that fills both arrays from index 0 and counts the images in `work.done`; labels
            are initialised to -1.
    """

    capacity: int
    image_shape: tuple[int, int, int]
    class_names: tuple[str, ...]
    decode: Callable[[np.ndarray, np.ndarray, Work], Decoded]


def cached(
    name: str, content: list, decoder: Callable[[], Decoder], source: str | os.PathLike
) -> ImageData:
    """Return the cached data set for `content`; decode and store it first if it is missing.

    A damaged entry is decoded again, with a warning. If the cache cannot be written, the set is
    decoded into memory, with a note.

    Args:
        name: name of the returned data set; not part of the key.
        content: JSON-serializable description of everything that the pixels depend on.
        decoder: called only if the set must be decoded.
        source: absolute path of the files of the set, for the list of the entries.

    Raises:
        UserError: neither the cache nor the free memory has room for the images.
    """
    key = hashlib.sha256(json.dumps([FORMAT, *content]).encode()).hexdigest()
    entry = cache_directory() / key
    if os.path.exists(entry):
        try:
            data = _read(entry, name)
            _used(entry, os.fspath(source))
            return data
        except DAMAGE as error:
            warn(f"{entry}: damaged ({error}); decoding again")

    decoder = decoder()
    title = f"decoding the images of {name} (once per data set)"
    with waiting(title, decoder.capacity, announced=True) as work:
        return _stored(entry, name, decoder, work, os.fspath(source))


def _used(entry: pathlib.Path, source: str) -> None:
    """Note that an entry has been used for files at a place."""
    try:
        meta = json.loads((entry / META).read_text())
        places = meta.get("sources", [])
        if source in places:
            mark_used(entry / META)
            return
        places = [*places, source][-_PLACES:]
        write_atomically(entry / META, json.dumps(meta | {"sources": places}, indent=2))
    except DAMAGE:  # the cache cannot be written, or the entry has just been deleted
        pass


def _stored(entry: pathlib.Path, name: str, decoder: Decoder, work: Work, source: str) -> ImageData:
    """Decode a data set and store it as an entry, or in memory if that fails."""
    try:
        unfinished, images = _begin(entry, (decoder.capacity, *decoder.image_shape))
    except OSError as error:
        return _in_memory(name, decoder, work, error)
    try:
        labels, decoded = _decode(images, decoder, work)
        try:
            about = {"name": name, "sources": [source]}
            _write(unfinished, images, labels, decoded, decoder, about)
            data = _read(unfinished, name)
        except OSError as error:  # the disk is full
            shutil.rmtree(unfinished, ignore_errors=True)  # the map of the images stays valid
            return _kept_in_memory(name, np.array(images), labels, decoded, decoder, error)
        _publish(unfinished, entry)
        return data
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _begin(entry: pathlib.Path, shape: tuple[int, ...]) -> tuple[pathlib.Path, np.memmap]:
    """Create a temporary directory beside the entry; return it and the memory map of its images."""
    entry.parent.mkdir(parents=True, exist_ok=True)
    for abandoned in entry.parent.glob(UNFINISHED + "*"):
        with contextlib.suppress(OSError):
            if abandoned.stat().st_mtime < time.time() - ABANDONED_AFTER:
                shutil.rmtree(abandoned)
    if shutil.disk_usage(entry.parent).free < math.prod(shape) + 2**24:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(entry.parent))
    unfinished = entry.parent / (UNFINISHED + uuid.uuid4().hex)
    unfinished.mkdir()
    try:
        images = np.lib.format.open_memmap(
            unfinished / IMAGES, mode="w+", dtype=np.uint8, shape=shape
        )
        _reserve(unfinished / IMAGES)
        return unfinished, images
    except OSError:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise


def _reserve(path: pathlib.Path) -> None:
    """Reserve the disk space of a file of zeros.

    Writing to the memory map of a sparse file kills the process if the disk becomes full.

    Raises:
        OSError: the disk is full.
    """
    size = path.stat().st_size
    with path.open("r+b", buffering=0) as file:
        try:
            os.posix_fallocate(file.fileno(), 0, size)
            return
        except AttributeError:  # not on this platform
            pass
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS):
                raise
        zeros = bytes(2**20)
        position = file.seek(_HEADER)
        while position < size:
            position += file.write(zeros[: size - position])


def _write(
    unfinished: pathlib.Path,
    images: np.memmap,
    labels: np.ndarray,
    decoded: Decoded,
    decoder: Decoder,
    about: dict,
):
    data = _image_data("", images, labels, decoded, decoder.class_names)
    images.flush()
    np.save(unfinished / LABELS, labels)
    meta = {
        "shape": images.shape,
        "filled": dataclasses.asdict(decoded),
        "class_names": data.class_names,
        "fingerprint": data.fingerprint,
        "format": FORMAT,
        **about,
    }
    (unfinished / META).write_text(json.dumps(meta, indent=2))


def _read(entry: pathlib.Path, name: str) -> ImageData:
    """Return the entry, memory-mapped. Raises one of DAMAGE if it is incomplete."""
    meta = json.loads((entry / META).read_text())
    images = np.load(entry / IMAGES, mmap_mode="r", allow_pickle=False)
    labels = np.load(entry / LABELS, allow_pickle=False)
    if (images.dtype, images.shape) != (np.uint8, tuple(meta["shape"])):
        raise ValueError(f"images.npy is {images.dtype} {images.shape}")
    if (labels.dtype, labels.shape) != (np.int64, images.shape[:1]):
        raise ValueError(f"labels.npy is {labels.dtype} {labels.shape}")
    decoded = Decoded(**meta["filled"])
    return _image_data(name, images, labels, decoded, meta["class_names"], meta["fingerprint"])


@dataclasses.dataclass(frozen=True)
class Description:
    """Description of an entry.

    Attributes:
        name: name of the data set; empty in an entry of an earlier version, as are the sources.
        image_shape: (h, w, c).
        sources: absolute paths of the places where its files were.
        format: value of FORMAT when it was written.
    """

    name: str
    image_shape: tuple[int, int, int]
    sources: tuple[str, ...]
    format: int


def described(entry: pathlib.Path) -> Description:
    """Return the description of an entry. Raises one of DAMAGE if it cannot be used."""
    data = _read(entry, "")
    meta = json.loads((entry / META).read_text())
    name, sources = meta.get("name", ""), tuple(meta.get("sources", ()))
    if not all(isinstance(text, str) for text in (name, *sources)):
        raise TypeError("name and sources are not texts")
    return Description(name, data.image_shape, sources, meta.get("format", 1))


def _publish(unfinished: pathlib.Path, entry: pathlib.Path):
    """Rename to the entry unless another process did so first; open maps stay valid either way."""
    with contextlib.suppress(*DAMAGE):
        _read(entry, "")
        return
    shutil.rmtree(entry, ignore_errors=True)
    with contextlib.suppress(OSError):
        unfinished.rename(entry)


def _in_memory(name: str, decoder: Decoder, work: Work, reason: OSError) -> ImageData:
    shape = (decoder.capacity, *decoder.image_shape)
    size, available = math.prod(shape), available_memory()
    if available is not None and size > available:
        raise UserError(
            f"{name}: its {decoder.capacity:,} images take {human(size)}, more than the "
            f"{human(available)} of memory that are free, and the cache {cache_directory()} "
            f"cannot have them ({reason.strerror or reason}); set GAN_ZOO_CACHE to a folder on a "
            "larger disk"
        )
    images = np.empty(shape, np.uint8)
    labels, decoded = _decode(images, decoder, work)
    return _kept_in_memory(name, images, labels, decoded, decoder, reason)


def _kept_in_memory(
    name: str,
    images: np.ndarray,
    labels: np.ndarray,
    decoded: Decoded,
    decoder: Decoder,
    reason: OSError,
) -> ImageData:
    """Return decoded images with a note that the cache cannot be written."""
    note = (
        f"kept in memory: cannot write the cache {cache_directory()} ({reason.strerror or reason})"
    )
    decoded = dataclasses.replace(decoded, notes=(*decoded.notes, note))
    return _image_data(name, images, labels, decoded, decoder.class_names)


def _decode(images: np.ndarray, decoder: Decoder, work: Work) -> tuple[np.ndarray, Decoded]:
    """Decode into images; return the labels int64 [capacity] and the counts."""
    labels = np.full(decoder.capacity, -1, np.int64)
    return labels, decoder.decode(images, labels, work)


def _image_data(
    name: str,
    images: np.ndarray,
    labels: np.ndarray,
    decoded: Decoded,
    class_names: Iterable[str],
    known_fingerprint: str | None = None,
) -> ImageData:
    def split(start: int, stop: int) -> Split:
        labelled = (labels[start:stop] >= 0).all()
        return Split(images[start:stop], labels[start:stop] if labelled else None)

    if decoded.class_names is not None:
        class_names = decoded.class_names
    train = split(0, decoded.train)
    test = split(decoded.train, decoded.train + decoded.test) if decoded.test else None
    return ImageData(
        name,
        train,
        test,
        class_names=() if train.labels is None else tuple(class_names),
        fingerprint=known_fingerprint or fingerprint(train, test),
        notes=tuple(decoded.notes),
    )
