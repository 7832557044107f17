"""Subjects of an evaluation: models, baselines and image files."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import data
import plotting
from data import ImageData, Split
from data.archive import open_npz
from errors import UserError, warn
from evaluation.reference import BATCH, in_batches
from storage.paths import expanded

if TYPE_CHECKING:
    from models.base import GenerativeModel

Draw = Callable[[int, int], Iterable[np.ndarray]]
"""Function (n, seed) -> batches of uint8 images [b, h, w, c], n in total."""

ARRAYS = ("images", "x", "x_train", "samples", "arr_0")  # names of images in an .npz file


@dataclasses.dataclass(frozen=True)
class Subject:
    """Model, baseline or set of images to measure.

    Attributes:
        name: run directory, file, or name of a baseline.
        draw: function that draws samples.
        model: the model, or None.
        protocol: entries of the protocol of each of its metrics.
        identity: JSON value that is part of the protocol hash.
        count: number of samples, if it is fixed.
        train: images that the model was trained on, if they are a part of the training images.
    """

    name: str
    draw: Draw
    model: GenerativeModel | None = None
    protocol: dict[str, Any] = dataclasses.field(default_factory=dict)
    identity: Any = None
    count: int | None = None
    train: Split | None = None


def of_model(
    name: str,
    model: GenerativeModel,
    protocol: dict,
    identity: Any = None,
    train: Split | None = None,
) -> Subject:
    """Return a model as a subject."""

    def draw(n: int, seed: int) -> Iterator[np.ndarray]:
        return map(plotting.to_uint8, model.sample_batches(n, seed))

    return Subject(name, draw, model, protocol, identity, train=train)


def baselines(train: Split) -> list[Subject]:
    """Return the baselines: training images, blurred training images and uniform noise."""
    import scipy.ndimage

    def images(n: int, seed: int) -> Iterator[np.ndarray]:
        return in_batches(Split(train.images), seed, n, title="")

    def blurred(n: int, seed: int) -> Iterator[np.ndarray]:
        return (scipy.ndimage.gaussian_filter(batch, (0, 1, 1, 0)) for batch in images(n, seed))

    def noise(n: int, seed: int) -> Iterator[np.ndarray]:
        random, shape = np.random.default_rng(seed), train.images.shape[1:]
        for start in range(0, n, BATCH):
            yield random.integers(0, 256, (min(BATCH, n - start), *shape), np.uint8)

    draws = {"training images": images, "blurred": blurred, "uniform noise": noise}
    return [Subject(name, draw) for name, draw in draws.items()]


def of_images(path: str, reference: ImageData) -> Subject:
    """Return the images of a folder or an .npz file as a subject; the seed shuffles them.

    Args:
        path: the folder or file.
        reference: the data set that they are compared with.

    Raises:
        UserError: there are no images, or their type or shape differs from the data set's.
    """
    images = read_images(Path(expanded(path, "images")))
    expected = list(reference.image_shape)
    if images.dtype != np.uint8 or images.ndim != 4 or len(images) < 2:
        raise UserError(
            f"{path}: expected at least 2 uint8 images [n, h, w, c], got {images.dtype} "
            f"{list(images.shape)}",
            "images",
        )
    if list(images.shape[1:]) != expected:
        raise UserError(
            f"{path}: expected images {expected} as in the data set, got {list(images.shape[1:])}",
            "images",
        )
    digest = hashlib.sha256(np.ascontiguousarray(images)).hexdigest()
    protocol = {"images": path, "images_sha256": digest}
    identity = ["images", digest, reference.fingerprint]

    def draw(n: int, seed: int) -> Iterator[np.ndarray]:
        return in_batches(Split(images), seed, n, title="")

    return Subject(path, draw, protocol=protocol, identity=identity, count=len(images))


def read_images(path: Path) -> np.ndarray:
    """Return the images of a folder of PNG or JPEG files, or the array of images in an .npz file.

    Notes about a folder, such as files that are left out, are warnings.

    Raises:
        UserError: there are no images, or they cannot be read.
    """
    if not path.exists():
        raise UserError(f"{path}: expected a folder or an .npz file", "images")
    try:
        if path.is_dir():
            loaded = data.load(str(path))
            for note in loaded.notes:
                warn(f"{path}: {note}")
            return np.asarray(loaded.train.images)
        with open_npz(path) as arrays:
            names = [name for name in ARRAYS if name in arrays.files]
            images = arrays[names[0]] if names else None
    except UserError as error:
        # The advice after the semicolon is about a data set.
        message = error.message.partition(";")[0]
        prefix = "" if path.is_dir() else f"{path}: "
        raise UserError(f"{prefix}{message}", "images") from None
    if images is None:
        raise UserError(f"{path}: expected an array named {' or '.join(ARRAYS)}", "images")
    return images[..., None] if images.ndim == 3 else images
