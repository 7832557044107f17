"""How the pixels of samples are distributed, beside those of real images: the first thing to look
at, and no measure of quality."""

import numpy as np
import scipy.stats

from metrics.report import Metric


def pixel_statistics(fake: np.ndarray, real: np.ndarray) -> dict[str, Metric]:
    """Brightness, contrast and distinct images of samples.

    Args:
        fake, real: uint8 [n, h, w, c].

    Returns:
        pixel_mean and pixel_std, of the samples' gray levels from 0 to 255, with those of the real
        images beside them; pixel_distance, the 1-Wasserstein distance between the two
        distributions of gray levels, in gray levels; distinct_share, the share of samples that
        are not an exact copy of an earlier one.
    """
    levels = np.arange(256)
    counts = [np.bincount(images.ravel(), minlength=256) for images in (fake, real)]
    distance = scipy.stats.wasserstein_distance(levels, levels, *counts)
    distinct = len({image.tobytes() for image in fake}) / len(fake)
    return {
        "pixel_mean": Metric(float(fake.mean()), {"real": float(real.mean())}),
        "pixel_std": Metric(float(fake.std()), {"real": float(real.std())}),
        "pixel_distance": Metric(float(distance)),
        "distinct_share": Metric(float(distinct)),
    }
