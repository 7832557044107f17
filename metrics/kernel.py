"""Kernel distance between two sets of features (KID)."""

import numpy as np

from metrics.measurement import Measurement, MetricError
from metrics.moments import finite


def kernel_distance(
    fake: np.ndarray,
    real: np.ndarray,
    subsets: int = 100,
    subset_size: int = 1000,
    seed: int = 0,
) -> Measurement:
    """Return the squared MMD with the kernel k(x, y) = (x.y / d + 1)^3.

    In Inception features it is the KID (Binkowski et al. 2018); it is not multiplied by 1000, as in
    some papers. It is the mean of unbiased estimates on random subsets, drawn without replacement:
    its expectation does not depend on the number of images, and equal distributions give negative
    values about as often as positive ones.

    Args:
        fake: features [n, d].
        real: features [m, d].
        subsets: number of subsets.
        subset_size: images per subset and set.
        seed: seed of the subsets.

    Returns:
        The mean; in the protocol `spread`, the standard deviation over the subsets.

    Raises:
        MetricError: a set has fewer than subset_size images, or a feature is not finite.
    """
    for name, features in (("samples", fake), ("real images", real)):
        if len(features) < subset_size:
            raise MetricError(f"needs at least {subset_size:,} {name}, there are {len(features):,}")
    random = np.random.default_rng(seed)

    def subset(features: np.ndarray) -> np.ndarray:
        return finite(features[random.choice(len(features), subset_size, replace=False)])

    distances = [squared_mmd(subset(fake), subset(real)) for _ in range(subsets)]
    protocol = {
        "spread": float(np.std(distances)),
        "subsets": subsets,
        "subset_size": subset_size,
        "subset_seed": seed,
    }
    return Measurement(float(np.mean(distances)), protocol)


def squared_mmd(x: np.ndarray, y: np.ndarray) -> float:
    """Return the unbiased estimate of MMD^2 (Gretton et al. 2012).

    mean k(x_i, x_j) + mean k(y_i, y_j) - 2 mean k(x_i, y_j), the first two over i != j.

    Args:
        x: float64 [n, d].
        y: float64 [m, d].
    """
    return (
        off_diagonal_mean(kernel(x, x)) + off_diagonal_mean(kernel(y, y)) - 2 * kernel(x, y).mean()
    )


def kernel(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return (x.y / d + 1)^3 of all pairs, [n, m].

    sklearn's polynomial_kernel returns the same, but its power takes up to twice the time.
    """
    base = x @ y.T / x.shape[1] + 1
    return base * base * base


def off_diagonal_mean(k: np.ndarray) -> float:
    """Return the mean of a matrix [n, n] without its diagonal."""
    n = len(k)
    return (k.sum() - np.trace(k)) / (n * (n - 1))
