"""Common interface of the feature networks."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable

import numpy as np


def plain_name(text: str) -> str:
    """Convert text to a lower-case name of letters, digits and underscores."""
    return re.sub(r"\W+", "_", text.lower()).strip("_")


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
        classes_of: name of the data set whose classes the logits score, in label order; may be "".
        batch_size: images per call of the network.
        clean: the same network with the resizing of clean-fid; None for other networks than
            Inception.
    """

    name: str
    sha256: str
    resizing: str
    dimension: int
    network: Callable
    classes_of: str = ""
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
