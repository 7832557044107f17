"""How far reconstructions are from their originals."""

import numpy as np

from metrics.moments import finite


def squared_errors(images: np.ndarray, reconstructed: np.ndarray) -> np.ndarray:
    """The mean over pixels and channels of (x - y)^2, [n], of images [n, h, w, c] in [-1, 1]: from
    0 to 4.

    Raises:
        MetricError: a reconstruction is not finite.
    """
    difference = np.asarray(images, np.float64) - finite(reconstructed)
    return np.mean(difference**2, axis=(1, 2, 3))


def feature_distances(features: np.ndarray, reconstructed: np.ndarray) -> np.ndarray:
    """|f / |f| - g / |g||^2, [n], of features [n, d] of images and of their reconstructions: from 0
    to 4, or to 2 of features that are nowhere below 0.

    This is LPIPS (Zhang et al. 2018, equation 1) of one layer that has no places, with all its
    channels weighted alike. Where one is 0 altogether it is 1; where both are, 0.

    Raises:
        MetricError: a feature is not finite.
    """

    def unit(x: np.ndarray) -> np.ndarray:
        x = finite(x)
        return x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-10)

    return np.sum((unit(features) - unit(reconstructed)) ** 2, axis=1)
