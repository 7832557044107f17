"""Perceptual path length (Karras et al. 2019, section 4.1)."""

import numpy as np

from metrics.measurement import Measurement, MetricError
from metrics.reconstruction import feature_distances

EPSILON = 1e-4
TAILS = (1, 99)  # percentiles beyond which the authors' code drops distances


def path_length(start: np.ndarray, end: np.ndarray, epsilon: float = EPSILON) -> Measurement:
    """Return the mean of d(G(t), G(t + epsilon)) / epsilon^2 over latent paths, equations 2 and 3.

    d is the squared distance of normalised features. The highest and lowest 1 % of the distances
    are dropped.

    Args:
        start: features [n, d] of the images at t.
        end: features [n, d] of the images at t + epsilon.
        epsilon: step along a path of length 1.

    Raises:
        MetricError: there are no samples, or a feature is not finite.
    """
    if not len(start):
        raise MetricError("needs samples, there are none")
    distances = feature_distances(start, end) / epsilon**2
    low = np.percentile(distances, TAILS[0], method="lower")
    high = np.percentile(distances, TAILS[1], method="higher")
    kept = distances[(distances >= low) & (distances <= high)]
    protocol = {"n_fake": len(distances), "epsilon": epsilon, "kept": len(kept)}
    return Measurement(float(kept.mean()), protocol)
