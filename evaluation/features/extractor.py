"""Common interface of the feature networks."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from data import ImageData

TRIED = 500  # labelled images by which `Extractor.classifies` decides about numbered classes
ENOUGH = 0.9  # share of the accuracy on the network's own test images


def plain_name(text: str) -> str:
    """Convert text to a lower-case name of letters, digits and underscores."""
    return re.sub(r"\W+", "_", text.lower()).strip("_")


@dataclasses.dataclass(frozen=True)
class TrainedOn:
    """Labelled data set that a classifier was trained on.

    Attributes:
        num_classes: number of logits.
        class_names: names of the classes in label order; empty if they are not recorded.
        fingerprint: fingerprint of the data set; empty if it is not recorded.
        test_accuracy: accuracy on its test images, from 0 to 1; None without test images.
    """

    num_classes: int
    class_names: tuple[str, ...] = ()
    fingerprint: str = ""
    test_accuracy: float | None = None


@dataclasses.dataclass(frozen=True, eq=False)
class Extractor:
    """Feature network: maps images to features and class logits.

    Attributes:
        name: "inception", "digits", ...; names of distances in its features end with it.
        sha256: SHA-256 (hex) of its weights.
        resizing: description of the preprocessing of images.
        dimension: number of features, d.
        network: function of images [b, h, w, 1 or 3], uint8 or float32 from 0 to 255, that returns
            float32 features [b, d] and logits [b, k] or None. The output of an example does not
            depend on the rest of its batch.
        trained_on: the data set whose classes the logits score, in label order; None if it is not
            known.
        batch_size: images per call of the network.
        clean: the same network with the resizing of clean-fid; None for other networks than
            Inception.
    """

    name: str
    sha256: str
    resizing: str
    dimension: int
    network: Callable
    trained_on: TrainedOn | None = None
    batch_size: int = 250
    clean: Extractor | None = None

    @property
    def protocol(self) -> dict[str, str]:
        """Protocol entries of the network."""
        return {
            "features": self.name,
            "features_sha256": self.sha256,
            "resizing": self.resizing,
        }

    def __call__(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """Return features float32 [n, d] and logits float32 [n, k] or None.

        Args:
            images: [n, h, w, 1 or 3], uint8, or float32 from 0 to 255 (not rounded).

        Raises:
            UserError: the network does not accept the images.
        """
        parts = []
        for start in range(0, len(images), self.batch_size):
            batch = images[start : start + self.batch_size]
            missing = self.batch_size - len(batch)
            # The last batch is padded, so that the network is traced for one shape only.
            padded = np.concatenate([batch, np.repeat(batch[-1:], missing, 0)])
            outputs = self.network(padded)
            parts.append([None if x is None else np.asarray(x)[: len(batch)] for x in outputs])
        features, logits = zip(*parts, strict=True)
        return np.concatenate(features), None if logits[0] is None else np.concatenate(logits)

    def classes(self, images: np.ndarray) -> np.ndarray:
        """Return the predicted class, int [n], of each image. Requires a network with logits."""
        return self(images)[1].argmax(1)

    def classifies(self, images: ImageData) -> bool:
        """Return whether the logits score the classes of a data set, in label order.

        They do for the data set that the network was trained on, and for another one with classes
        of the same names in the same order. Numbers are no names: if all names are numbers, or are
        not recorded, the network must also classify the images as well as those it was trained on.
        The name of the data set does not count.

        Raises:
            UserError: the network does not accept the images.
        """
        of = self.trained_on
        if of is None or images.train.labels is None:
            return False
        if of.fingerprint == images.fingerprint:
            return True
        if of.num_classes != images.num_classes:
            return False
        if of.class_names and of.class_names != images.class_names:
            return False
        if of.class_names and not all(name.isdecimal() for name in of.class_names):
            return True
        return self._accuracy(images) >= ENOUGH * (of.test_accuracy or 1.0)

    def _accuracy(self, images: ImageData) -> float:
        """Return the accuracy on TRIED training images, evenly spaced: folders are in class order.

        Raises:
            UserError: the network does not accept the images.
        """
        split = images.train
        count = len(split.images)
        chosen = np.linspace(0, count - 1, min(count, TRIED)).astype(int)
        predicted = self.classes(np.asarray(split.images[chosen]))
        return float(np.mean(predicted == split.labels[chosen]))
