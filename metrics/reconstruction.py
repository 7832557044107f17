"""Distances of reconstructions to their originals."""

import numpy as np

from metrics.moments import finite


def squared_errors(images: np.ndarray, reconstructed: np.ndarray) -> np.ndarray:
    """Return the mean squared error of each image over pixels and channels.

    Args:
        images: float [n, h, w, c] in [-1, 1].
        reconstructed: float [n, h, w, c] in [-1, 1].

    Returns:
        Errors float64 [n], from 0 to 4.

    Raises:
        MetricError: a reconstruction is not finite.
    """
    difference = np.asarray(images, np.float64) - finite(reconstructed)
    return np.mean(difference**2, axis=(1, 2, 3))


def feature_distances(features: np.ndarray, reconstructed: np.ndarray) -> np.ndarray:
    """Return |f / |f| - g / |g||^2 of each pair of features f and g.

    LPIPS (Zhang et al. 2018) of one layer without spatial positions and with equal weights of its
    channels. A zero vector stays zero: its distance is 1, to another zero vector 0.

    Args:
        features: of the images, [n, d].
        reconstructed: features of the reconstructions, [n, d].

    Returns:
        Distances float64 [n], from 0 to 4, or to 2 if no feature is negative.

    Raises:
        MetricError: a feature is not finite.
    """
    from sklearn.preprocessing import normalize

    difference = normalize(finite(features)) - normalize(finite(reconstructed))
    return np.sum(difference**2, axis=1)
