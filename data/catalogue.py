"""Data sets by name: the embedded MNIST, TFDS, a folder of images or an .npz file.

A flag says which, and whatever it says becomes one `ImageData`. What is decoded is kept in a cache
(see data.cache), so that a second training starts at once.
"""

import dataclasses
import os
import pathlib

from data import arrays, folder, tfds_sets
from data.image_data import ImageData, Split
from errors import UserError

__all__ = ["KNOWN", "ImageData", "Split", "check", "load"]

KNOWN = ("MNIST", "FASHION_MNIST", "CIFAR10")


def load(
    name: str,
    *,
    data_dir: str | None = None,
    image_size: int | None = None,
    gray: str = "convert",
) -> ImageData:
    """A data set, all of it decoded.

    Args:
        name: in upper or lower case MNIST (embedded), FASHION_MNIST, CIFAR10 or any other image set
            of TFDS by its TFDS name, which is downloaded if need be; or the path of a folder of PNG
            and JPEG files, flat or with one sub-folder a class; or the path of an .npz file with
            x_train and, if any, y_train, x_test and y_test. A path that exists comes first.
        data_dir: where TFDS keeps its sets; None: the environment variable TFDS_DATA_DIR or else
            TFDS's default.
        image_size: side in pixels of the square to bring every image to: the centre square, by an
            antialiasing filter (Lanczos). None: as they are, if they all are squares of one size.
        gray: what becomes of gray images in a folder of colour images: "convert" or "skip".

    Raises:
        UserError: with one line that says what is wrong and what to do.
    """
    if image_size is not None and image_size < 1:
        raise UserError(f"--image_size={image_size}: it must be at least 1")
    path = _path(name)
    if path and path.is_dir():
        return folder.load(path, image_size, gray)
    _refuse_skipping(name, gray)
    if path:
        return arrays.load(_npz(path), image_size)
    known = _known(name)
    if known == "MNIST":
        return arrays.load_mnist(image_size)
    data = tfds_sets.load(known or name, data_dir, image_size, KNOWN)
    return dataclasses.replace(data, name=known) if known else data


def check(name: str, *, data_dir: str | None = None, gray: str = "convert") -> None:
    """The checks of `load` that take no slow import: the path, or the embedded file.

    Raises:
        UserError: as `load`. A name that is no path is left to `load`.
    """
    path = _path(name)
    if path and path.is_dir():
        folder.find(path)
        return
    _refuse_skipping(name, gray)
    if path:
        _npz(path)
    elif _known(name) == "MNIST":
        arrays.mnist_file()
    elif data_dir and os.path.isfile(os.path.expanduser(data_dir)):
        raise UserError(f"--data_dir {data_dir} is a file: give the folder of the TFDS sets")


def canonical_name(name: str) -> str:
    """The name of one of the `KNOWN` sets as it is written there; any other name as it is."""
    return _known(name) or name


def _refuse_skipping(name: str, gray: str) -> None:
    if gray == "skip":
        raise UserError(
            f"--gray=skip: it leaves files of a folder out, and --dataset {name} is no folder"
        )


def _path(name: str) -> pathlib.Path | None:
    """The path that a name means, if it means one."""
    if not name.strip():
        raise UserError("--dataset is empty: give a name, e.g. MNIST, or a path")
    path = pathlib.Path(name).expanduser()
    separated = os.sep in name or "/" in name
    if path.is_dir() or path.suffix.lower() == ".npz" or (separated and path.exists()):
        return path
    if separated and name.startswith((".", "~", os.sep, "/")):
        raise UserError(f"--dataset {name}: there is no such folder or file")
    return None


def _npz(path: pathlib.Path) -> pathlib.Path:
    if not path.is_file():
        raise UserError(f"--dataset {path}: there is no such file")
    if path.suffix.lower() != ".npz":
        raise UserError(f"--dataset {path} is neither a folder of images nor an .npz file")
    return path


def _known(name: str) -> str | None:
    plain = name.lower().replace("-", "").replace("_", "")
    return next((known for known in KNOWN if known.lower().replace("_", "") == plain), None)
