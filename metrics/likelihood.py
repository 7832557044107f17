"""Bounds of the log likelihood of images, from the importance weights of latent samples."""

import math

import numpy as np
from scipy.special import logsumexp

from metrics.moments import finite


def elbo(log_weights: np.ndarray) -> np.ndarray:
    """Return the evidence lower bound of each image (Kingma and Welling 2014, equation 2).

    Args:
        log_weights: log p(x, z) - log q(z|x) of k samples z ~ q(z|x) per image, in nats, [k, n].

    Returns:
        Their means [n], in nats.

    Raises:
        MetricError: a weight is not finite.
    """
    return finite(log_weights).mean(axis=0)


def importance_weighted_bound(log_weights: np.ndarray) -> np.ndarray:
    """Return log(1/k sum w) of each image (Burda et al. 2016, equation 8).

    Its expectation is a lower bound of log p(x) that tightens as k grows.

    Args:
        log_weights: log p(x, z) - log q(z|x) of k samples z ~ q(z|x) per image, in nats, [k, n].

    Returns:
        Bounds [n], in nats.

    Raises:
        MetricError: a weight is not finite.
    """
    return logsumexp(finite(log_weights), axis=0) - math.log(len(log_weights))


def bits_per_dimension(nats: np.ndarray, dimensions: int) -> np.ndarray:
    """Return the negative log2 probability of 8-bit pixels per pixel and channel.

    A gray level v is a cell of width 1 / 127.5 of x = v / 127.5 - 1 (Theis et al. 2016, without
    their noise).

    Args:
        nats: log density of x.
        dimensions: number of pixels times channels.
    """
    return math.log2(127.5) - np.asarray(nats) / (dimensions * math.log(2))
