"""Mean and covariance of features, accumulated batch by batch, for the Frechet distance."""

import numpy as np

from metrics.measurement import MetricError


class Moments:
    """Mean and covariance of n feature vectors [d], in float64 and constant memory.

    Batches are merged by the pairwise update of Chan, Golub & LeVeque 1979, which centres each
    batch on its own mean: it is as accurate as two passes over all features, and the result depends
    on the batch size only by rounding.

    Args:
        dimension: d.

    Attributes:
        count: number of features so far, n.
        mean: float64 [d].
    """

    def __init__(self, dimension: int):
        self.count = 0
        self.mean = np.zeros(dimension)
        self._scatter = np.zeros((dimension, dimension))

    @classmethod
    def of(cls, features: np.ndarray) -> "Moments":
        """Return the moments of features [n, d]."""
        moments = cls(features.shape[1])
        moments.update(features)
        return moments

    @classmethod
    def restored(cls, count: int, mean: np.ndarray, covariance: np.ndarray) -> "Moments":
        """Return the moments with a saved count, mean and covariance."""
        moments = cls(len(mean))
        moments.count, moments.mean = count, mean
        moments._scatter = covariance * (count - 1)
        return moments

    @property
    def covariance(self) -> np.ndarray:
        """Unbiased covariance (divided by n - 1), float64 [d, d].

        Raises:
            MetricError: there are fewer than 2 features.
        """
        if self.count < 2:
            raise MetricError(f"needs at least 2 images, there are {self.count}")
        return self._scatter / (self.count - 1)

    def update(self, features: np.ndarray) -> None:
        """Add a batch of features [b, d].

        Raises:
            MetricError: a feature is not finite.
        """
        features = finite(features)
        if len(features) == 0:
            return
        count = self.count + len(features)
        mean = features.mean(axis=0)
        centred, shift = features - mean, mean - self.mean
        between = np.outer(shift, shift) * (self.count * len(features) / count)
        self._scatter += centred.T @ centred + between
        self.mean = self.mean + shift * (len(features) / count)
        self.count = count


def finite(features: np.ndarray) -> np.ndarray:
    """Return an array in float64.

    Raises:
        MetricError: an entry is not finite.
    """
    features = np.asarray(features, np.float64)
    if not np.isfinite(features).all():
        raise MetricError("needs finite numbers, some are NaN or infinite")
    return features
