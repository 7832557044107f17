"""Feature statistics of a set of images, accumulated batch by batch."""

import json
import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from evaluation.features import Extractor
from metrics.inception_score import ClassProbabilities
from metrics.measurement import MetricError
from metrics.moments import Moments
from storage.files import write_npz

KEPT = 10_000  # number of features stored, for metrics that compare single images
SMALL_BATCH = 256
SPLITS = 10


class FeatureStatistics:
    """Moments and class probabilities of n images, and the features of the first KEPT images.

    Images of a set larger than KEPT must be in random order.

    Attributes:
        n: total number of images.
        moments: moments of all features.
    """

    def __init__(self, extractor: Extractor, n: int):
        self.extractor, self.n = extractor, n
        self.moments = Moments(extractor.dimension)
        self._probabilities: ClassProbabilities | MetricError | None = None
        self._features, self._logits = [], []

    def update(self, images: np.ndarray) -> None:
        """Add images, uint8 [b, h, w, c]."""
        features, logits = self.extractor(images)
        self._keep(self._features, features, KEPT)
        self.moments.update(features)
        if logits is None:
            return
        self._keep(self._logits, logits, SMALL_BATCH)
        if self.n >= SPLITS and not isinstance(self._probabilities, MetricError):
            self._probabilities = self._probabilities or ClassProbabilities(self.n, SPLITS)
            try:
                self._probabilities.update(logits)
            except MetricError as error:  # the features are finite
                self._probabilities = error

    @property
    def probabilities(self) -> ClassProbabilities | None:
        """Class probabilities; None without logits or with fewer images than SPLITS.

        Raises:
            MetricError: a logit is not finite.
        """
        if isinstance(self._probabilities, MetricError):
            raise self._probabilities
        return self._probabilities

    @staticmethod
    def _keep(kept: list[np.ndarray], new: np.ndarray, most: int) -> None:
        room = most - sum(map(len, kept))
        if room > 0:
            kept.append(new[:room])

    @property
    def features(self) -> np.ndarray:
        """Features of the first images, float32 [min(n, KEPT), d]."""
        return np.concatenate(self._features)

    @property
    def logits(self) -> np.ndarray | None:
        """Logits of the first images, float32 [min(n, SMALL_BATCH), k], or None."""
        return np.concatenate(self._logits) if self._logits else None

    def save(self, path: pathlib.Path, about: Mapping[str, Any] | None = None) -> None:
        """Write the moments and the stored features to an .npz file, with a description."""
        moments = self.moments
        arrays = {"count": moments.count, "mean": moments.mean, "covariance": moments.covariance}
        description = json.dumps(dict(about or {}))
        write_npz(path, {**arrays, "features": self.features, "description": description})

    @classmethod
    def load(cls, extractor: Extractor, path: pathlib.Path) -> "FeatureStatistics":
        """Load the statistics that `save` wrote, without class probabilities."""
        with np.load(path, allow_pickle=False) as arrays:
            statistics = cls(extractor, int(arrays["count"]))
            statistics.moments = Moments.restored(
                int(arrays["count"]), arrays["mean"], arrays["covariance"]
            )
            statistics._features = [arrays["features"]]
        return statistics
