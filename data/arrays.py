"""Sets that come as one .npz file in the layout of keras.datasets; MNIST is embedded so.

x_train uint8 [n, h, w] or [n, h, w, c] with c 1 or 3; y_train, x_test and y_test as there are any.
"""

import collections
import hashlib
import io
import pathlib
import zipfile
import zlib

import numpy as np

from data import conversion
from data.image_data import ImageData, Split, fingerprint
from errors import UserError

MNIST = pathlib.Path(__file__).resolve().parents[1] / "assets" / "mnist.npz"
MNIST_SHA256 = "aead1427aacba2a0e07d4849dc8b9a6ea83b93fb7c643fb1703958277d939669"
_MOST_CLASSES = 2**16
_KEYS = ("x_train", "y_train", "x_test", "y_test")


def mnist_file() -> bytes:
    """The embedded file, checked. Raises UserError if it is missing or damaged."""
    try:
        content = MNIST.read_bytes()
    except OSError as error:
        raise UserError(f"{MNIST} cannot be read ({error.strerror}): check it out again") from error
    if hashlib.sha256(content).hexdigest() != MNIST_SHA256:
        raise UserError(f"{MNIST} is damaged (its sha256 is wrong): check it out again")
    return content


def load_mnist(image_size: int | None) -> ImageData:
    """The embedded MNIST: 60,000 and 10,000 images [28, 28, 1], or of another size."""
    return _image_data("MNIST", _read(io.BytesIO(mnist_file()), str(MNIST)), image_size)


def load(file: pathlib.Path, image_size: int | None) -> ImageData:
    """An .npz file. Raises UserError for whatever in it is not as the layout says."""
    return _image_data(file.stem, _read(file, f"--dataset {file}"), image_size, f"--dataset {file}")


def _image_data(
    name: str, arrays: dict[str, np.ndarray], image_size: int | None, source: str = ""
) -> ImageData:
    splits, kinds = {}, collections.Counter()
    for part in ("train", "test"):
        images = _images(arrays, f"x_{part}", source)
        labels = _labels(arrays, f"y_{part}", images, source)
        if images is not None:
            splits[part] = Split(_sized(images, image_size, kinds, source), labels)
    train, test = splits["train"], splits.get("test")
    if test and test.images.shape[1:] != train.images.shape[1:]:
        raise UserError(
            f"{source}: x_train and x_test differ in their images: "
            f"{train.images.shape[1:]} and {test.images.shape[1:]}"
        )
    if train.labels is None and test and test.labels is not None:
        raise UserError(f"{source} has y_test but no y_train: add y_train or leave out both")
    classes = 1 + max((s.labels.max() for s in splits.values() if s.labels is not None), default=-1)
    notes = conversion.notes(kinds)
    ignored = sorted(set(arrays) - set(_KEYS))
    if ignored:
        notes += (f"arrays ignored: {', '.join(ignored[:10])}",)
    return ImageData(
        name, train, test, tuple(map(str, range(classes))), fingerprint(train, test), notes
    )


def _read(file, source: str) -> dict[str, np.ndarray | None]:
    """The arrays by name; None for those that are not of the layout and so are not read."""
    try:
        with np.load(file, allow_pickle=False) as archive:
            return {key: archive[key] if key in _KEYS else None for key in archive.files}
    except (TypeError, AttributeError):
        problem = "is a single array, not an .npz archive: write it with np.savez(x_train=...)"
    except ValueError as error:
        problem = str(error)
        if not zipfile.is_zipfile(file):
            problem = "is no .npz archive: write it with np.savez(x_train=...)"
        elif "pickle" in problem.lower():
            problem = "holds Python objects (pickle), which are not read"
    except (OSError, EOFError, zipfile.BadZipFile, zlib.error, NotImplementedError) as error:
        problem = f"cannot be read as an .npz archive ({_first_line(error)})"
    raise UserError(f"{source} {problem}")


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _images(arrays: dict[str, np.ndarray], key: str, source: str) -> np.ndarray | None:
    """uint8 [n, h, w, c], or None if there is no such array of test images."""
    if key not in arrays:
        if key == "x_test":
            return None
        raise UserError(
            f"{source} has no x_train: name its arrays {', '.join(_KEYS)} (all but x_train may be "
            f"missing); it holds {', '.join(sorted(arrays)[:10]) or 'nothing'}"
        )
    images = arrays[key]
    if images.dtype != np.uint8:
        raise UserError(f"{source}: {key} is {images.dtype}: it must be uint8, 0 to 255")
    if images.ndim == 3:
        images = images[..., None]
    if images.ndim != 4 or images.shape[-1] not in (1, 3) or not images.size:
        raise UserError(
            f"{source}: {key} has the shape {arrays[key].shape}: it must be [n, h, w] or "
            "[n, h, w, c] with c = 1 or 3, and not empty"
        )
    return images


def _labels(
    arrays: dict[str, np.ndarray], key: str, images: np.ndarray | None, source: str
) -> np.ndarray | None:
    """int64 [n], or None if there is no such array."""
    if key not in arrays:
        return None
    labels = arrays[key]
    if images is None:
        raise UserError(f"{source} has {key} but no images to go with it")
    if labels.shape not in ((len(images),), (len(images), 1)):
        raise UserError(
            f"{source}: {key} has the shape {labels.shape}: it must be [n] or [n, 1] with one "
            f"label for each of the {len(images):,} images"
        )
    if labels.dtype.kind not in "iu":
        raise UserError(f"{source}: {key} is {labels.dtype}: labels must be integers 0, 1, 2, ...")
    if labels.min() < 0 or labels.max() >= _MOST_CLASSES:
        raise UserError(
            f"{source}: {key} goes from {labels.min()} to {labels.max()}: labels must be integers "
            "0, 1, 2, ..."
        )
    return labels.reshape(-1).astype(np.int64)


def _sized(
    images: np.ndarray, size: int | None, kinds: collections.Counter, source: str
) -> np.ndarray:
    """The images [n, h, w, c] as squares of the size, counting what was done."""
    height, width, channels = images.shape[1:]
    if size is None and height != width:
        raise UserError(
            f"{source}: its images are {width} x {height} (width x height), not square: give the "
            "size to bring them to, e.g. --image_size=64"
        )
    if height == width == (size or height):
        return np.ascontiguousarray(images)
    resized = np.empty((len(images), size, size, channels), np.uint8)
    for k, image in enumerate(images):
        resized[k], image_kinds = conversion.convert_array(image, channels, size)
        kinds.update(image_kinds)
    return resized
