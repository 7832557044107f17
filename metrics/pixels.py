"""How the pixels of samples are distributed, beside those of real images: the first thing to look
at, and no measure of quality."""

import hashlib

import numpy as np

from metrics.measurement import Measurement, MetricError

LEVELS = np.arange(256)


class PixelStatistics:
    """Gray levels and distinct images of a set that passes by in batches.

    Attributes:
        count: images seen.
        levels: int64 [256], how many pixels have each gray level.
        digests: 16 bytes of each distinct image.
    """

    def __init__(self):
        self.count = 0
        self.levels = np.zeros(256, np.int64)
        self.digests: set[bytes] = set()

    def update(self, images: np.ndarray) -> None:
        """Adds images uint8 [b, h, w, c]."""
        self.count += len(images)
        self.levels += np.bincount(images.ravel(), minlength=256)
        self.digests.update(hashlib.blake2b(x.tobytes(), digest_size=16).digest() for x in images)

    @property
    def mean(self) -> float:
        """Gray level, 0 to 255."""
        return float(np.average(LEVELS, weights=self.levels))

    @property
    def std(self) -> float:
        """In gray levels."""
        return float(np.average((LEVELS - self.mean) ** 2, weights=self.levels) ** 0.5)


def pixel_statistics(fake: PixelStatistics, real: PixelStatistics) -> dict[str, Measurement]:
    """Brightness, contrast and distinct images of samples.

    Returns:
        pixel_mean and pixel_std, of the samples' gray levels from 0 to 255, with those of the real
        images beside them; pixel_distance, the 1-Wasserstein distance between the two
        distributions of gray levels, in gray levels; distinct_share, the share of samples that
        are not an exact copy of an earlier one.

    Raises:
        MetricError: a set has no images.
    """
    for name, images in (("samples", fake), ("real images", real)):
        if images.count == 0:
            raise MetricError(f"needs {name}, there are none")
    # In one dimension the distance is the area between the cumulative distributions.
    cumulative = [np.cumsum(images.levels) / images.levels.sum() for images in (fake, real)]
    return {
        "pixel_mean": Measurement(fake.mean, {"real": real.mean}),
        "pixel_std": Measurement(fake.std, {"real": real.std}),
        "pixel_distance": Measurement(float(np.abs(cumulative[0] - cumulative[1]).sum())),
        "distinct_share": Measurement(len(fake.digests) / fake.count),
    }
