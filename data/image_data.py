"""What every data set becomes, wherever it came from."""

import dataclasses
import hashlib

import numpy as np


@dataclasses.dataclass(frozen=True, eq=False)
class Split:
    """One part of a data set, in a fixed order.

    Attributes:
        images: uint8 [n, h, w, c], an array or a read-only memory map.
        labels: int64 [n], indices into the set's class_names, or None.
    """

    images: np.ndarray
    labels: np.ndarray | None = None


@dataclasses.dataclass(frozen=True, eq=False)
class ImageData:
    """A data set of images of one size.

    Attributes:
        name: "MNIST", "CIFAR10", a TFDS name, or the name of the folder or file.
        train, test: the splits; test is None where the source has none.
        class_names: a name for each label, empty without labels.
        fingerprint: sha256 (hex) of the pixels and labels, the same wherever they were read from.
        notes: what was converted or left out, one line each, with counts.
    """

    name: str
    train: Split
    test: Split | None
    class_names: tuple[str, ...]
    fingerprint: str
    notes: tuple[str, ...] = ()

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(h, w, c)."""
        return self.train.images.shape[1:]

    @property
    def num_classes(self) -> int:
        """How many classes the labels count, 0 without labels."""
        return len(self.class_names)


def fingerprint(train: Split, test: Split | None) -> str:
    """sha256 (hex) over the shapes, pixels and labels of both splits."""
    digest = hashlib.sha256()
    for split in (train, test):
        for array in (split.images, split.labels) if split else (None, None):
            digest.update(repr(None if array is None else array.shape).encode())
            for start in range(0, 0 if array is None else len(array), 1024):
                digest.update(np.ascontiguousarray(array[start : start + 1024]))
    return digest.hexdigest()
