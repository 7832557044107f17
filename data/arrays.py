"""Data sets in one .npz file with the layout of keras.datasets, such as the embedded MNIST.

x_train: uint8 [n, h, w] or [n, h, w, c] with c 1 or 3. y_train, x_test, y_test and class_names are
optional. The arrays may have the names that generate.py writes: images, labels and class_names.
"""

import contextlib
import hashlib
import io
import math
import pathlib
import zipfile
import zlib
from collections.abc import Iterator

import numpy as np

from data.conversion import Conversions, convert_array
from data.image_data import ImageData, Split, fingerprint
from data.labels import MOST_CLASSES, numbered
from data.reading import DEFAULT, Reading
from errors import UserError
from storage.memory import available_memory, described
from waiting import waiting

MNIST = pathlib.Path(__file__).resolve().parents[1] / "assets" / "mnist.npz"
MNIST_SHA256 = "aead1427aacba2a0e07d4849dc8b9a6ea83b93fb7c643fb1703958277d939669"
_RESTORE = "restore it with git checkout assets/mnist.npz"
_WRITE = "write it with np.savez(path, x_train=...)"
_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}
_DAMAGED_ARCHIVE = (OSError, EOFError, zipfile.BadZipFile, zlib.error, NotImplementedError)
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


def _error(source: str, message: str) -> UserError:
    return UserError(f"{source}: {message}", "dataset")


def _image_data(name: str, file, reading: Reading, source: str) -> ImageData:
    arrays = _arrays(file, source, reading)
    splits, labels, conversions = {}, {}, Conversions()
    for part in ("train", "test"):
        images = _images(arrays, f"x_{part}", source)
        of_split = _labels(arrays, f"y_{part}", images, source)
        if images is not None:
            splits[part] = _sized(images, reading.image_size, conversions, source)
        if of_split is not None:
            labels[part] = of_split
    if "test" in splits and splits["test"].shape[1:] != splits["train"].shape[1:]:
        raise _error(
            source,
            "x_train and x_test must have images of one shape, got "
            f"{splits['train'].shape[1:]} and {splits['test'].shape[1:]}",
        )
    if "test" in labels and "train" not in labels:
        raise _error(source, "y_test is present but y_train is missing; add y_train or remove both")
    numbers, class_names = _classes(labels, arrays.get(_NAMES), reading, source)
    train, test = (
        Split(splits[part], numbers.get(part)) if part in splits else None
        for part in ("train", "test")
    )
    notes = conversions.notes()
    if ignored := sorted(name for name, array in arrays.items() if array is None):
        notes += (f"arrays ignored: {', '.join(ignored[:10])}",)
    return ImageData(name, train, test, class_names, fingerprint(train, test), notes)


def _arrays(file, source: str, reading: Reading) -> dict[str, np.ndarray | None]:
    """Return the arrays of a file by their names in the layout, and None for others."""
    try:
        with open_npz(file) as archive:
            names = {key: key for key in archive.files}
            if "x_train" not in names and not reading.uses_first_rules:
                names = {key: _GENERATED.get(key, key) for key in names}
            read = {*_KEYS, *([] if reading.uses_first_rules else [_NAMES])}
            # Arrays outside the layout are not read.
            return {name: archive[key] if name in read else None for key, name in names.items()}
    except UserError as error:
        raise _error(source, error.message) from None


def _classes(
    labels: dict[str, np.ndarray], names: np.ndarray | None, reading: Reading, source: str
) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
    """Return the numbers of the classes of each split, int64 [n], and the names of the classes."""
    if names is not None:
        names = _names(names, source)
        highest = max((int(array.max()) for array in labels.values()), default=0)
        if highest >= len(names):
            raise _error(source, f"{_NAMES} has {len(names)} names, but there is a label {highest}")
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
        raise _error(
            source,
            f"the labels have {len(class_names):,} different values, and there may be at most "
            f"{MOST_CLASSES:,} classes",
        )
    return dict(zip(labels, numbers, strict=True)), class_names


def _names(names: np.ndarray, source: str) -> tuple[str, ...]:
    fits = names.dtype.kind == "U" and names.ndim == 1 and len(names) <= MOST_CLASSES
    found = tuple(map(str, names)) if fits else ()
    if not fits or len({*found}) < len(found) or "" in found:
        raise _error(
            source,
            f"{_NAMES} must be [k] different names, k <= {MOST_CLASSES:,}, got {names.dtype} of "
            f"the shape {names.shape}",
        )
    return found


class Archive:
    """Arrays of an .npz file by name; each is read when it is asked for.

    Attributes:
        files: names of the arrays.
    """

    def __init__(self, npz: np.lib.npyio.NpzFile):
        self._npz, self.files = npz, npz.files

    def __getitem__(self, name: str) -> np.ndarray:
        self._require_memory(name)
        return self._npz[name]

    def _require_memory(self, name: str) -> None:
        """Raise ValueError if a member is no array, ends early or exceeds the memory."""
        members = self._npz.zip.namelist()
        member = name if name in members else f"{name}.npy"
        with self._npz.zip.open(member) as file:
            magic = file.read(np.lib.format.MAGIC_LEN)
            if magic[:-2] != np.lib.format.MAGIC_PREFIX:
                raise ValueError(f"{name} is no array")
            read_header = _HEADERS.get(tuple(magic[-2:]))
            if read_header is None:
                raise ValueError(f"{name} is no array of numbers or texts")
            try:
                shape, _, kind = read_header(file)
                if shape and not 0 <= min(shape) <= max(shape) < 2**63:
                    raise ValueError
            except _DAMAGED_ARCHIVE:
                raise
            except Exception:  # of NumPy's parser of a Python literal
                raise ValueError(f"{name} has a damaged header") from None
            size, stored = math.prod(shape) * kind.itemsize, self._npz.zip.getinfo(member).file_size
            if kind.hasobject:
                return
            promised = f"{name} is {kind} {shape}, {described(size)}"
            if size > stored - file.tell():
                raise ValueError(f"{promised}, of which the file has {described(stored)}")
        available = available_memory()
        if available is not None and size > available:
            raise ValueError(
                f"{promised}, more than the {described(available)} of memory that are free; "
                "use fewer images"
            )


@contextlib.contextmanager
def open_npz(file, advice: str = f"; {_WRITE}") -> Iterator[Archive]:
    """Open an .npz file to read arrays in the block.

    Args:
        file: path or file object.
        advice: end of an error about a file that is no archive.

    Raises:
        UserError: the file or an array that is read is damaged or exceeds the memory; the caller
            adds name and option.
    """
    try:
        with np.load(file, allow_pickle=False) as npz:
            yield Archive(npz)
            return
    except MemoryError as error:
        problem = f"more than the free memory ({_first_line(error)})"
    except (TypeError, AttributeError):
        problem = f"a single array, not an .npz archive{advice}"
    except ValueError as error:
        problem = str(error)
        if not zipfile.is_zipfile(file):
            problem = f"not an .npz archive{advice}"
        elif "pickle" in problem.lower():
            problem = "contains Python objects (pickle), which are not read; save plain arrays"
    except _DAMAGED_ARCHIVE as error:
        problem = f"cannot read it as an .npz archive ({_first_line(error)}){advice}"
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
            f"expected the arrays {', '.join(_KEYS)} (all but x_train optional), or images and "
            "labels, got "
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
    """Return labels, integers >= 0 [n], or None if the array is missing."""
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
        raise _error(source, f"{key} must be integers, got {labels.dtype}")
    if labels.min() < 0:
        raise _error(
            source,
            f"{key} must be integers >= 0, got values from {labels.min()} to {labels.max()}",
        )
    return labels.reshape(-1)


def _sized(
    images: np.ndarray, size: int | None, conversions: Conversions, source: str
) -> np.ndarray:
    """Return images [n, h, w, c] as squares of the size; count the conversions."""
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
            resized[k] = conversions.add(convert_array(image, channels, size))
            work.done += 1
    return resized
