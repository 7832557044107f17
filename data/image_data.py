"""In-memory form of every data set."""

import dataclasses
import hashlib

import numpy as np

from data.labels import generator
from errors import UserError, printable

_SUBSET = 2**63 + 1  # random key above those of the labels, epochs and steps


@dataclasses.dataclass(frozen=True, eq=False)
class Split:
    """One part of a data set, in a fixed order.

    Attributes:
        images: uint8 [n, h, w, c], an array or a read-only memory map.
        labels: int64 [n], indices into class_names, or None.
    """

    images: np.ndarray
    labels: np.ndarray | None = None


@dataclasses.dataclass(frozen=True, eq=False)
class ImageData:
    """Data set of images of one size.

    Attributes:
        name: "MNIST", "CIFAR10", a TFDS name, or the name of a folder or file.
        train: split for training.
        test: split for evaluation; None if the source has none.
        class_names: name of each label, with the characters of the source; empty without labels.
        fingerprint: SHA-256 (hex) of the pixels and labels, independent of the source.
        notes: conversions and omissions, one line each, with counts.
        known_set: name of the set of `data.catalogue.KNOWN` that was loaded by its name; empty for
            any other set, such as a folder that is called MNIST.
    """

    name: str
    train: Split
    test: Split | None
    class_names: tuple[str, ...]
    fingerprint: str
    notes: tuple[str, ...] = ()
    known_set: str = ""

    def __post_init__(self):
        """Escape control characters in texts to print, which may have names of files."""
        object.__setattr__(self, "name", printable(self.name))
        object.__setattr__(self, "notes", tuple(map(printable, self.notes)))

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Shape (h, w, c) of an image."""
        return self.train.images.shape[1:]

    @property
    def num_classes(self) -> int:
        """Number of classes; 0 without labels."""
        return len(self.class_names)

    def class_counts(self, split: Split | None = None) -> dict[str, int]:
        """Return the number of images by name of their class, in the order of the labels.

        Args:
            split: the images; None for the training images.
        """
        labels = (split or self.train).labels
        if labels is None:
            return {}
        counts = np.bincount(labels, minlength=self.num_classes)
        return dict(zip(self.class_names, counts.tolist(), strict=True))


def subset(split: Split, count: int | None, seed: int) -> Split:
    """Return a random choice of the images of a split, in their order; the split for None.

    Those of a smaller number with the same seed are among them.

    Raises:
        UserError: there are fewer images.
    """
    if count is None:
        return split
    if count > (available := len(split.images)):
        raise UserError(f"{count:,} exceeds the {available:,} training images", "train_images")
    chosen = np.sort(generator(seed, _SUBSET).permutation(available)[:count])
    labels = None if split.labels is None else split.labels[chosen]
    return Split(np.asarray(split.images[chosen]), labels)


def fingerprint(train: Split, test: Split | None) -> str:
    """Return the SHA-256 (hex) of the shapes, pixels and labels of both splits."""
    digest = hashlib.sha256()
    for split in (train, test):
        for array in (split.images, split.labels) if split else (None, None):
            digest.update(repr(None if array is None else array.shape).encode())
            for start in range(0, 0 if array is None else len(array), 1024):
                digest.update(np.ascontiguousarray(array[start : start + 1024]))
    return digest.hexdigest()
