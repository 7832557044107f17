"""Data sets by name: the embedded MNIST, TFDS, a folder of images or an .npz file.

`load` returns an `ImageData` for a name or path. Decoded images are cached (see data.decoded), so
later runs start at once. `KNOWN` lists the sets whose shape and classes are known before loading.
Importing this module imports neither TensorFlow nor TFDS.
"""

import dataclasses
import os
import pathlib
from collections.abc import Sequence

from data import arrays, folder, tfds_sets
from data.image_data import ImageData, Split
from data.listing import find, listed
from data.reading import MAX_IMAGE_PIXELS, RULES, Reading
from errors import UserError
from storage.paths import expanded

__all__ = [
    "KNOWN",
    "ImageData",
    "KnownSet",
    "Split",
    "canonical_name",
    "check",
    "in_colour",
    "known",
    "load",
    "of_tfds",
]


@dataclasses.dataclass(frozen=True)
class KnownSet:
    """Facts about a data set, available without loading it.

    Attributes:
        name: canonical name.
        image_shape: (h, w, c) of its images, unless image_size resizes them.
        num_classes: number of classes of its labels.
        tfds_name: name in TensorFlow Datasets; empty for the embedded set.
        fingerprint: that of its images in this shape, from any source; empty if it is not needed.
    """

    name: str
    image_shape: tuple[int, int, int]
    num_classes: int
    tfds_name: str = ""
    fingerprint: str = ""

    @property
    def known_set(self) -> str:
        """Its name, as in `ImageData`."""
        return self.name


_MNIST_FINGERPRINT = "81b5b7068b487449d7b931d1a017285f103d3a0a4db56f3de6ac0bd9b268bdb3"

KNOWN = {
    entry.name: entry
    for entry in (
        KnownSet("MNIST", (28, 28, 1), 10, fingerprint=_MNIST_FINGERPRINT),
        KnownSet("FASHION_MNIST", (28, 28, 1), 10, tfds_name="fashion_mnist"),
        KnownSet("CIFAR10", (32, 32, 3), 10, tfds_name="cifar10"),
    )
}


def known(name: str) -> KnownSet | None:
    """Return the entry of `KNOWN` for a name in any spelling ("cifar-10"), or None."""
    plain = _plain(name)
    return next((entry for entry in KNOWN.values() if _plain(entry.name) == plain), None)


def in_colour(image_shape: Sequence[int]) -> bool:
    """Return whether images [h, w, c] have three channels."""
    return image_shape[-1] == 3


def canonical_name(name: str) -> str:
    """Return the canonical name of a known set; any other name unchanged."""
    entry = known(name)
    return entry.name if entry else name


def load(
    name: str,
    *,
    data_dir: str | None = None,
    image_size: int | None = None,
    gray: str = "convert",
    bits: int | None = None,
    max_image_pixels: int = MAX_IMAGE_PIXELS,
    rules: int = RULES,
    class_order: Sequence[str] = (),
) -> ImageData:
    """Load a data set with all images decoded.

    Args:
        name: MNIST (embedded), FASHION_MNIST, CIFAR10 in any case, or the name of another image set
            of TFDS, downloaded if necessary; or the path of a folder of PNG and JPEG files, flat or
            with one sub-folder per class; or the path of an .npz file with x_train and optionally
            y_train, x_test and y_test. A path named like one of the first three
            requires a slash, such as ./MNIST; other existing paths take precedence over names.
        data_dir: directory of the prepared TFDS sets. None: the environment variable TFDS_DATA_DIR
            or TFDS's default.
        image_size: side in pixels of the square that images are cropped (centre) and resized to,
            with an antialiasing filter (Lanczos). None: keep the size; all images must be squares
            of one size.
        gray: handling of gray images in a folder of colour images: "convert" or "skip".
        bits: number of bits that 16-bit images use, such as 12 for values up to 4,095; None: 16.
        max_image_pixels: files in a folder with more pixels are left out.
        rules: version of the rules for the classes and the files that are read, such as that of an
            earlier run; see `data.reading`.
        class_order: names of the class folders in the order of their labels, such as that of a run;
            without effect if the folders have other names. By default numbers are in the order of
            their values and other names in that of their text.

    Raises:
        UserError: the set cannot be loaded; the message names the option and the remedy.
    """
    reading = Reading(image_size, gray, bits, max_image_pixels, rules, tuple(class_order))
    loaded = _loaded(name, data_dir, reading)
    empty = [name for name, images in loaded.class_counts().items() if not images]
    if not empty:
        return loaded
    classes = "class" if len(empty) == 1 else "classes"
    note = f"{len(empty):,} {classes} without training images: {listed(empty)}"
    return dataclasses.replace(loaded, notes=(*loaded.notes, note))


def _loaded(name: str, data_dir: str | None, reading: Reading) -> ImageData:
    path = _path(name)
    if path and path.is_dir():
        return folder.load(path, reading)
    _check_of_folder(name, reading)
    entry = known(name)
    if reading.bits and (path or (entry and not entry.tfds_name)):
        raise UserError(f"requires images of 16 bits, and those of dataset={name} have 8", "bits")
    if path:
        return arrays.load(_npz(path), reading)
    if entry and not entry.tfds_name:
        data = arrays.load_mnist(reading)
    else:
        data = tfds_sets.load(entry.tfds_name if entry else name, data_dir, reading, tuple(KNOWN))
    return dataclasses.replace(data, name=entry.name, known_set=entry.name) if entry else data


def of_tfds(name: str) -> bool:
    """Return whether TensorFlow Datasets loads a data set: its name is no path and not embedded."""
    entry = known(name)
    return not _path(name) and not (entry and not entry.tfds_name)


def check(
    name: str,
    *,
    data_dir: str | None = None,
    image_size: int | None = None,
    gray: str = "convert",
    bits: int | None = None,
    max_image_pixels: int = MAX_IMAGE_PIXELS,
    rules: int = RULES,
    class_order: Sequence[str] = (),
) -> None:
    """Run the checks of `load` that require no slow import: of a path or of the embedded file.

    Raises:
        UserError: as `load`. TFDS names are not checked.
    """
    reading = Reading(image_size, gray, bits, max_image_pixels, rules, tuple(class_order))
    path = _path(name)
    if path and path.is_dir():
        find(path, reading)
        return
    _check_of_folder(name, reading)
    if path:
        _npz(path)
        return
    entry = known(name)
    if entry and not entry.tfds_name:
        arrays.mnist_file()
    elif data_dir and os.path.isfile(expanded(data_dir, "data_dir")):
        raise UserError(f"{data_dir}: expected a folder of TFDS sets, got a file", "data_dir")


def _plain(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "")


def _check_of_folder(name: str, reading: Reading) -> None:
    """Raise UserError if options that require a folder are not at their defaults."""
    if reading.gray == "skip":
        raise UserError(
            f"skip requires a folder of images, and dataset={name} is not one; set gray=convert",
            "gray",
        )
    if reading.max_image_pixels != MAX_IMAGE_PIXELS:
        raise UserError(
            f"requires a folder of images, and dataset={name} is not one; omit it",
            "max_image_pixels",
        )


def _path(name: str) -> pathlib.Path | None:
    """Return the name as a path if it is one, None if it is the name of a set."""
    if not name.strip():
        raise UserError("expected a name such as MNIST, or a path, got an empty string", "dataset")
    if known(name):
        return None
    path = pathlib.Path(expanded(name, "dataset"))
    separated = os.sep in name or "/" in name
    if path.is_dir() or path.suffix.lower() == ".npz" or (separated and path.exists()):
        return path
    # A name of TFDS has at most one slash, before the name of a configuration.
    in_folder = separated and os.path.isdir(path.parts[0])
    if in_folder or len(path.parts) > 2 or (separated and name[0] in (".", "~", os.sep, "/")):
        raise UserError(f"{name}: no such folder or file", "dataset")
    return None


def _npz(path: pathlib.Path) -> pathlib.Path:
    if not path.is_file():
        raise UserError(f"{path}: no such file", "dataset")
    if path.suffix.lower() != ".npz":
        raise UserError(f"{path}: expected a folder of images or an .npz file", "dataset")
    return path
