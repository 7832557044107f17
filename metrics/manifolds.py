"""Precision, recall, density and coverage: fidelity and diversity as numbers of their own."""

from collections.abc import Iterator

import numpy as np

from metrics.measurement import Measurement, MetricError
from metrics.moments import finite


def manifold_metrics(
    fake: np.ndarray, real: np.ndarray, k: int = 5, block: int = 250
) -> dict[str, Measurement]:
    """How far the samples and the real images cover each other.

    Each image has a ball that reaches to its k-th nearest neighbour in its own set; what lies on
    the edge is outside. Kynkaanniemi et al. 2019, equations 1 and 2 (with <, as in Naeem et al.):

        precision: share of the samples that lie in a real image's ball,
        recall: share of the real images that lie in a sample's ball;

    Naeem et al. 2020, section 3, which outliers with large balls disturb less:

        density: real balls that a sample lies in, on average, over k; may be above 1,
        coverage: share of the real images whose ball holds a sample.

    Args:
        fake: features [n, d].
        real: features [m, d].
        block: samples compared at a time; the memory is that of block distances to a set.

    Raises:
        MetricError: a set has no more than k images, or a feature is not finite.
    """
    from sklearn.metrics import euclidean_distances

    for name, features in (("samples", fake), ("real images", real)):
        if len(features) <= k:
            raise MetricError(f"needs more than {k:,} {name}, there are {len(features):,}")
    fake, real = finite(fake), finite(real)
    fake_radii, real_radii = radii(fake, k, block), radii(real, k, block)

    balls = np.zeros(len(fake), np.int64)  # real balls that each sample lies in
    recalled = np.zeros(len(real), bool)
    nearest = np.full(len(real), np.inf)
    for rows in blocks(len(fake), block):
        distances = euclidean_distances(fake[rows], real)
        balls[rows] = (distances < real_radii).sum(axis=1)
        recalled |= (distances < fake_radii[rows, None]).any(axis=0)
        nearest = np.minimum(nearest, distances.min(axis=0))

    values = {
        "precision": (balls > 0).mean(),
        "recall": recalled.mean(),
        "density": balls.mean() / k,
        "coverage": (nearest < real_radii).mean(),
    }
    return {name: Measurement(float(value), {"k": k}) for name, value in values.items()}


def radii(features: np.ndarray, k: int, block: int) -> np.ndarray:
    """Distance of each of the features [n, d] to its k-th nearest other one, [n]."""
    from sklearn.metrics import euclidean_distances

    return np.concatenate(
        [
            np.partition(euclidean_distances(features[rows], features), k, axis=1)[:, k]
            for rows in blocks(len(features), block)
        ]
    )


def blocks(n: int, size: int) -> Iterator[slice]:
    """Slices of `size` that cover 0 to n."""
    return (slice(start, start + size) for start in range(0, n, size))
