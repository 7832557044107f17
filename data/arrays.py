"""Data sets in one .npz file with the layout of keras.datasets, such as the embedded MNIST.

x_train: uint8 [n, h, w] or [n, h, w, c] with c 1 or 3. y_train, x_test and y_test are optional.
"""

import collections
import contextlib
import hashlib
import io
import pathlib
import zipfile
import zlib
from collections.abc import Iterator

import numpy as np

from data import conversion
from data.image_data import ImageData, Split, fingerprint
from errors import UserError
from waiting import waiting

MNIST = pathlib.Path(__file__).resolve().parents[1] / "assets" / "mnist.npz"
MNIST_SHA256 = "aead1427aacba2a0e07d4849dc8b9a6ea83b93fb7c643fb1703958277d939669"
_RESTORE = "restore it with git checkout assets/mnist.npz"
_MOST_CLASSES = 2**16
_WRITE = "write it with np.savez(path, x_train=...)"
_KEYS = ("x_train", "y_train", "x_test", "y_test")


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


def load_mnist(image_size: int | None) -> ImageData:
    """Load the embedded MNIST: 60,000 and 10,000 images [28, 28, 1], or resized to image_size."""
    return _image_data("MNIST", io.BytesIO(mnist_file()), image_size, str(MNIST))


def load(file: pathlib.Path, image_size: int | None) -> ImageData:
    """Load an .npz file.

    Raises:
        UserError: the file cannot be read or does not have the layout.
    """
    return _image_data(file.stem, file, image_size, str(file))


def _error(source: str, message: str) -> UserError:
    return UserError(f"{source}: {message}", "dataset")


def _image_data(name: str, file, image_size: int | None, source: str) -> ImageData:
    try:
        with open_npz(file) as archive:
            # Arrays outside the layout are not read.
            arrays = {key: archive[key] if key in _KEYS else None for key in archive.files}
    except UserError as error:
        raise _error(source, error.message) from None
    splits, kinds = {}, collections.Counter()
    for part in ("train", "test"):
        images = _images(arrays, f"x_{part}", source)
        labels = _labels(arrays, f"y_{part}", images, source)
        if images is not None:
            splits[part] = Split(_sized(images, image_size, kinds, source), labels)
    train, test = splits["train"], splits.get("test")
    if test and test.images.shape[1:] != train.images.shape[1:]:
        raise _error(
            source,
            "x_train and x_test must have images of one shape, got "
            f"{train.images.shape[1:]} and {test.images.shape[1:]}",
        )
    if train.labels is None and test and test.labels is not None:
        raise _error(source, "y_test is present but y_train is missing; add y_train or remove both")
    classes = 1 + max((s.labels.max() for s in splits.values() if s.labels is not None), default=-1)
    notes = conversion.notes(kinds)
    ignored = sorted(set(arrays) - set(_KEYS))
    if ignored:
        notes += (f"arrays ignored: {', '.join(ignored[:10])}",)
    return ImageData(
        name, train, test, tuple(map(str, range(classes))), fingerprint(train, test), notes
    )


@contextlib.contextmanager
def open_npz(file) -> Iterator[np.lib.npyio.NpzFile]:
    """Open an .npz file, such as np.load does, to read arrays in the block.

    Args:
        file: path or file object.

    Raises:
        UserError: the file or an array that is read is damaged; the caller adds name and option.
    """
    try:
        with np.load(file, allow_pickle=False) as archive:
            yield archive
            return
    except (TypeError, AttributeError):
        problem = f"a single array, not an .npz archive; {_WRITE}"
    except ValueError as error:
        problem = str(error)
        if not zipfile.is_zipfile(file):
            problem = f"not an .npz archive; {_WRITE}"
        elif "pickle" in problem.lower():
            problem = "contains Python objects (pickle), which are not read; save plain arrays"
    except (OSError, EOFError, zipfile.BadZipFile, zlib.error, NotImplementedError) as error:
        problem = f"cannot read it as an .npz archive ({_first_line(error)}); {_WRITE}"
    raise UserError(problem)


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _images(arrays: dict[str, np.ndarray], key: str, source: str) -> np.ndarray | None:
    """Return images uint8 [n, h, w, c], or None if x_test is missing."""
    if key not in arrays:
        if key == "x_test":
            return None
        raise _error(
            source,
            f"expected the arrays {', '.join(_KEYS)} (all but x_train optional), got "
            f"{', '.join(sorted(arrays)[:10]) or 'none'}",
        )
    images = arrays[key]
    if images.dtype != np.uint8:
        raise _error(source, f"{key} must be uint8 from 0 to 255, got {images.dtype}")
    if images.ndim == 3:
        images = images[..., None]
    if images.ndim != 4 or images.shape[-1] not in (1, 3) or not images.size:
        raise _error(
            source,
            f"{key} must be [n, h, w] or [n, h, w, c] with c = 1 or 3 and not empty, got the shape "
            f"{arrays[key].shape}",
        )
    return images


def _labels(
    arrays: dict[str, np.ndarray], key: str, images: np.ndarray | None, source: str
) -> np.ndarray | None:
    """Return labels int64 [n], or None if the array is missing."""
    if key not in arrays:
        return None
    labels = arrays[key]
    if images is None:
        raise _error(source, f"{key} is present but {key.replace('y_', 'x_')} is missing")
    if labels.shape not in ((len(images),), (len(images), 1)):
        raise _error(
            source,
            f"{key} must be [n] or [n, 1] with one label for each of the {len(images):,} images, "
            f"got the shape {labels.shape}",
        )
    if labels.dtype.kind not in "iu":
        raise _error(source, f"{key} must be integers 0, 1, 2, ..., got {labels.dtype}")
    if labels.min() < 0 or labels.max() >= _MOST_CLASSES:
        raise _error(
            source,
            f"{key} must be integers from 0 to {_MOST_CLASSES - 1}, got values from "
            f"{labels.min()} to {labels.max()}",
        )
    return labels.reshape(-1).astype(np.int64)


def _sized(
    images: np.ndarray, size: int | None, kinds: collections.Counter, source: str
) -> np.ndarray:
    """Return images [n, h, w, c] as squares of the size; count the conversions in `kinds`."""
    height, width, channels = images.shape[1:]
    if size is None and height != width:
        raise _error(
            source,
            f"the images are {width} x {height} (width x height), not square; set image_size=64 or "
            "another side",
        )
    if height == width == (size or height):
        return np.ascontiguousarray(images)
    resized = np.empty((len(images), size, size, channels), np.uint8)
    with waiting(f"resizing the images of {source}", len(images)) as work:
        for k, image in enumerate(images):
            resized[k], image_kinds = conversion.convert_array(image, channels, size)
            kinds.update(image_kinds)
            work.done += 1
    return resized
