"""Perceptual path length: Karras et al. 2019, section 4.1."""

import numpy as np

from metrics.measurement import Measurement, MetricError
from metrics.reconstruction import feature_distances

EPSILON = 1e-4
TAILS = (1, 99)  # percentiles beyond which the authors' code leaves a distance out


def path_length(start: np.ndarray, end: np.ndarray, epsilon: float = EPSILON) -> Measurement:
    """The mean of d(G(t), G(t + epsilon)) / epsilon² over places t of latent paths: equations 2
    and 3, with the squared distance d of features of length 1.

    Args:
        start, end: features [n, d] of the images at t and at t + epsilon.
        epsilon: the part of the way between the two.

    Raises:
        MetricError: there are none, or a feature is not finite.
    """
    if not len(start):
        raise MetricError("needs images")
    distances = feature_distances(start, end) / epsilon**2
    low = np.percentile(distances, TAILS[0], method="lower")
    high = np.percentile(distances, TAILS[1], method="higher")
    kept = distances[(distances >= low) & (distances <= high)]
    protocol = {"n_fake": len(distances), "epsilon": epsilon, "kept": len(kept)}
    return Measurement(float(kept.mean()), protocol)
