"""What a feature network is to the metrics."""

import dataclasses
import re
from collections.abc import Callable

import numpy as np

TAKEN = ("inception", "digits", "efficientnet_lite0")  # a distance of their name is in theirs


def plain_name(text: str) -> str:
    """A name in lower case, of letters, digits and underscores."""
    return re.sub(r"\W+", "_", text.lower()).strip("_")


@dataclasses.dataclass(frozen=True, eq=False)
class Extractor:
    """Images in, features and class logits out.

    Attributes:
        name: "inception", "digits", ...: a distance in its features is named after it.
        sha256: hex digest of its weights.
        resizing: what is done to an image first, in words.
        dimension: of the features, d.
        network: uint8, or float32 from 0 to 255, [b, h, w, 1 or 3] -> float32 (features [b, d],
            logits [b, k] or None); what is done to an example does not depend on the others of its
            batch.
        classes_of: the data set whose classes the logits are of, in the order of its labels.
    """

    name: str
    sha256: str
    resizing: str
    dimension: int
    network: Callable
    classes_of: str = ""
    batch_size: int = 250

    def __call__(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """Features float32 [n, d] and logits float32 [n, k], or None without, of images uint8,
        or float32 from 0 to 255 where they are not to be rounded.

        Raises:
            UserError: the images do not fit the network.
        """
        parts = []
        for start in range(0, len(images), self.batch_size):
            batch = images[start : start + self.batch_size]
            missing = self.batch_size - len(batch)
            # The last batch is filled up, so that the network is traced for one shape.
            padded = np.concatenate([batch, np.repeat(batch[-1:], missing, 0)])
            outputs = self.network(padded)
            parts.append([None if x is None else np.asarray(x)[: len(batch)] for x in outputs])
        features, logits = zip(*parts, strict=True)
        return np.concatenate(features), None if logits[0] is None else np.concatenate(logits)

    def classes(self, images: np.ndarray) -> np.ndarray:
        """The class int [n] that the network takes each of uint8 images for; it has logits."""
        return self(images)[1].argmax(1)
