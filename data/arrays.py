"""Data sets in one .npz file with the layout of keras.datasets, such as the embedded MNIST.

x_train: uint8 [n, h, w] or [n, h, w, c] with c 1 or 3. y_train, x_test, y_test and class_names are
optional. The arrays may have the names that generate.py writes: images, labels and class_names.
"""

import hashlib
import io
import pathlib

import numpy as np

from data.archive import Archive, open_npz
from data.conversion import Conversions, convert_array
from data.image_data import ImageData, Split, fingerprint
from data.labels import MOST_CLASSES, numbered
from data.reading import DEFAULT, Reading
from errors import UserError
from waiting import waiting

MNIST = pathlib.Path(__file__).resolve().parents[1] / "assets" / "mnist.npz"
MNIST_SHA256 = "aead1427aacba2a0e07d4849dc8b9a6ea83b93fb7c643fb1703958277d939669"
_RESTORE = "restore it with git checkout assets/mnist.npz"
_KEYS = ("x_train", "y_train", "x_test", "y_test")
_NAMES = "class_names"
_GENERATED = {"images": "x_train", "labels": "y_train"}  # names that generate.py writes


def mnist_file() -> bytes:
    """Return the content of the embedded file.

    Raises:
        UserError: the file is missing or damaged.
    """
    try:
        content = MNIST.read_bytes()
    except OSError as error:
        raise UserError(f"{MNIST}: cannot read it ({error.strerror}); {_RESTORE}") from error
    if hashlib.sha256(content).hexdigest() != MNIST_SHA256:
        raise UserError(f"{MNIST}: damaged, its SHA-256 differs; {_RESTORE}")
    return content


def load_mnist(reading: Reading = DEFAULT) -> ImageData:
    """Load the embedded MNIST: 60,000 and 10,000 images [28, 28, 1], or resized to image_size."""
    return _image_data("MNIST", io.BytesIO(mnist_file()), reading, str(MNIST))


def load(file: pathlib.Path, reading: Reading = DEFAULT) -> ImageData:
    """Load an .npz file.

    Raises:
        UserError: the file cannot be read or does not have the layout.
    """
    return _image_data(file.stem, file, reading, str(file))


def _image_data(name: str, file, reading: Reading, source: str) -> ImageData:
    try:
        with open_npz(file) as archive:
            return _in_archive(name, archive, reading, source)
    except UserError as error:
        raise UserError(f"{source}: {error.message}", "dataset") from None


def _in_archive(name: str, archive: Archive, reading: Reading, source: str) -> ImageData:
    # Arrays outside the layout are not read.
    keys, ignored = _keys(archive, reading)
    splits, labels, conversions = {}, {}, Conversions()
    for part in ("train", "test"):
        images = _images(archive, keys, f"x_{part}")
        of_split = _labels(archive, keys, f"y_{part}", images)
        if images is not None:
            splits[part] = _sized(images, reading.image_size, conversions, source)
        if of_split is not None:
            labels[part] = of_split
    if "test" in splits and splits["test"].shape[1:] != splits["train"].shape[1:]:
        raise UserError(
            "x_train and x_test must have images of one shape, got "
            f"{splits['train'].shape[1:]} and {splits['test'].shape[1:]}"
        )
    if "test" in labels and "train" not in labels:
        raise UserError("y_test is present but y_train is missing; add y_train or remove both")
    names = _names(archive, keys[_NAMES]) if _NAMES in keys else None
    numbers, class_names = _classes(labels, names, reading)
    train, test = (
        Split(splits[part], numbers.get(part)) if part in splits else None
        for part in ("train", "test")
    )
    notes = conversions.notes()
    if ignored:
        notes += (f"arrays ignored: {', '.join(ignored[:10])}",)
    return ImageData(name, train, test, class_names, fingerprint(train, test), notes)


def _keys(archive: Archive, reading: Reading) -> tuple[dict[str, str], list[str]]:
    """Return the arrays of the layout by their names in it, and the names of the others."""
    names = {key: key for key in archive.files}
    if "x_train" not in names and not reading.uses_first_rules:
        names = {key: _GENERATED.get(key, key) for key in names}
    read = {*_KEYS, *([] if reading.uses_first_rules else [_NAMES])}
    keys = {name: key for key, name in names.items() if name in read}
    return keys, sorted(name for name in names.values() if name not in read)


def _classes(
    labels: dict[str, np.ndarray], names: tuple[str, ...] | None, reading: Reading
) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
    """Return the numbers of the classes of each split, int64 [n], and the names of the classes."""
    if names is not None:
        highest = max((int(array.max()) for array in labels.values()), default=0)
        if highest >= len(names):
            raise UserError(f"{_NAMES} has {len(names)} names, but there is a label {highest}")
        if labels:
            return {part: array.astype(np.int64) for part, array in labels.items()}, names
    if not labels:
        return {}, ()
    if reading.uses_first_rules:
        highest = max(int(array.max()) for array in labels.values())
        class_names = tuple(map(str, range(min(highest, MOST_CLASSES) + 1)))
        numbers = [array.astype(np.int64) for array in labels.values()]
    else:
        numbers, class_names = numbered(list(labels.values()))
    if len(class_names) > MOST_CLASSES:
        raise UserError(
            f"the labels have {len(class_names):,} different values, and there may be at most "
            f"{MOST_CLASSES:,} classes"
        )
    return dict(zip(labels, numbers, strict=True)), class_names


def _names(archive: Archive, key: str) -> tuple[str, ...]:
    shape, kind = archive.header(key)
    found: tuple[str, ...] = ()
    if kind.kind == "U" and len(shape) == 1 and shape[0] <= MOST_CLASSES:
        found = tuple(archive.texts(key))
    if not found or len({*found}) < len(found) or "" in found:
        raise UserError(
            f"{_NAMES} must be [k] different names, k <= {MOST_CLASSES:,}, got {kind} of the shape "
            f"{shape}"
        )
    return found


def _images(archive: Archive, keys: dict[str, str], name: str) -> np.ndarray | None:
    """Return images uint8 [n, h, w, c], or None if x_test is missing."""
    if name not in keys:
        if name == "x_test":
            return None
        raise UserError(
            f"expected the arrays {', '.join(_KEYS)} (all but x_train optional), or images and "
            f"labels, got {', '.join(sorted({*archive.files})[:10]) or 'none'}"
        )
    shape, kind = archive.header(keys[name])
    if kind != np.uint8:
        raise UserError(f"{name} must be uint8 from 0 to 255, got {kind}")
    full = (*shape, 1) if len(shape) == 3 else shape
    if len(full) != 4 or full[-1] not in (1, 3) or 0 in full:
        raise UserError(
            f"{name} must be [n, h, w] or [n, h, w, c] with c = 1 or 3 and not empty, got the "
            f"shape {shape}"
        )
    return archive[keys[name]].reshape(full)


def _labels(
    archive: Archive, keys: dict[str, str], name: str, images: np.ndarray | None
) -> np.ndarray | None:
    """Return labels, integers >= 0 [n], or None if the array is missing."""
    if name not in keys:
        return None
    if images is None:
        raise UserError(f"{name} is present but {name.replace('y_', 'x_')} is missing")
    shape, kind = archive.header(keys[name])
    if shape not in ((len(images),), (len(images), 1)):
        raise UserError(
            f"{name} must be [n] or [n, 1] with one label for each of the {len(images):,} images, "
            f"got the shape {shape}"
        )
    if kind.kind not in "iu":
        raise UserError(f"{name} must be integers, got {kind}")
    labels = archive[keys[name]]
    if labels.min() < 0:
        raise UserError(
            f"{name} must be integers >= 0, got values from {labels.min()} to {labels.max()}"
        )
    return labels.reshape(-1)


def _sized(
    images: np.ndarray, size: int | None, conversions: Conversions, source: str
) -> np.ndarray:
    """Return images [n, h, w, c] as squares of the size; count the conversions."""
    height, width, channels = images.shape[1:]
    if size is None and height != width:
        raise UserError(
            f"the images are {width} x {height} (width x height), not square; set image_size=64 or "
            "another side"
        )
    if height == width == (size or height):
        return np.ascontiguousarray(images)
    resized = np.empty((len(images), size, size, channels), np.uint8)
    with waiting(f"resizing the images of {source}", len(images)) as work:
        for k, image in enumerate(images):
            resized[k] = conversions.add(convert_array(image, channels, size))
            work.done += 1
    return resized
