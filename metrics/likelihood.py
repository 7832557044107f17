"""Bounds of the likelihood of images, from the weights of draws of their codes."""

import math

import numpy as np
from scipy.special import logsumexp

from metrics.moments import finite


def elbo(log_weights: np.ndarray) -> np.ndarray:
    """The evidence lower bound E[log p(x, z) - log q(z|x)] of each image, in nats: [n], of weights
    [samples, n], the mean over samples (Kingma and Welling 2014, equation 2).

    Raises:
        MetricError: a weight is not finite.
    """
    return finite(log_weights).mean(axis=0)


def importance_weighted_bound(log_weights: np.ndarray) -> np.ndarray:
    """log (1/k sum of w) of k weights each, in nats: [n], of log weights [k, n]. On average it is
    below log p(x), and nearer to it the greater k is (Burda et al. 2016, equation 8).

    Raises:
        MetricError: a weight is not finite.
    """
    return logsumexp(finite(log_weights), axis=0) - math.log(len(log_weights))


def bits_per_dimension(nats: np.ndarray, dimensions: int) -> np.ndarray:
    """Minus log2 of the probability of 8-bit pixels, a pixel and channel, of the log density of x =
    v / 127.5 - 1, in nats: each value v stands for a cell of the width 1 / 127.5 (Theis et al.
    2016, 3.1, without their noise)."""
    return math.log2(127.5) - np.asarray(nats) / (dimensions * math.log(2))
