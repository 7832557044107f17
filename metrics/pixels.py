"""Distribution of the pixels of samples and of real images.

Checks of samples, not measures of their quality.
"""

import hashlib

import numpy as np

from metrics.measurement import Measurement, MetricError

LEVELS = np.arange(256)


class PixelStatistics:
    """Gray levels and distinct images of a set, accumulated batch by batch.

    Attributes:
        count: number of images so far.
        levels: int64 [256], number of pixels of each gray level.
        digests: 16-byte hashes of the distinct images.
    """

    def __init__(self):
        self.count = 0
        self.levels = np.zeros(256, np.int64)
        self.digests: set[bytes] = set()

    def update(self, images: np.ndarray) -> None:
        """Add images, uint8 [b, h, w, c]."""
        self.count += len(images)
        self.levels += np.bincount(images.ravel(), minlength=256)
        self.digests.update(hashlib.blake2b(x.tobytes(), digest_size=16).digest() for x in images)

    @property
    def mean(self) -> float:
        """Mean gray level, 0 to 255."""
        return float(np.average(LEVELS, weights=self.levels))

    @property
    def std(self) -> float:
        """Standard deviation of the gray levels."""
        return float(np.average((LEVELS - self.mean) ** 2, weights=self.levels) ** 0.5)


def pixel_statistics(fake: PixelStatistics, real: PixelStatistics) -> dict[str, Measurement]:
    """Return metrics of the brightness, contrast and duplicates of samples, by name.

    Args:
        fake: statistics of the samples.
        real: statistics of the real images.

    Returns:
        pixel_mean and pixel_std of the samples' gray levels, 0 to 255, with those of the real
            images in the protocol.
        pixel_distance: 1-Wasserstein distance between the two distributions of gray levels, 0 to
            255.
        distinct_share: share of samples that are not an exact copy of an earlier one, 0 to 1.

    Raises:
        MetricError: a set has no images.
    """
    from scipy.stats import wasserstein_distance

    for name, images in (("samples", fake), ("real images", real)):
        if images.count == 0:
            raise MetricError(f"needs {name}, there are none")
    distance = wasserstein_distance(LEVELS, LEVELS, fake.levels, real.levels)
    return {
        "pixel_mean": Measurement(fake.mean, {"real": real.mean}),
        "pixel_std": Measurement(fake.std, {"real": real.std}),
        "pixel_distance": Measurement(float(distance)),
        "distinct_share": Measurement(len(fake.digests) / fake.count),
    }
