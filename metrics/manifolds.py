"""Precision, recall, density and coverage of samples, estimated by nearest neighbours."""

from collections.abc import Iterator

import numpy as np

from metrics.measurement import Measurement, MetricError
from metrics.moments import finite

BLOCK_MIB = 32  # of distances computed at a time


def manifold_metrics(fake: np.ndarray, real: np.ndarray, k: int = 5) -> dict[str, Measurement]:
    """Return precision, recall, density and coverage by name.

    Each image has a ball with the radius of the distance to its k-th nearest neighbour in its own
    set; points on the sphere are outside. Kynkäänniemi et al. 2019 (with <, as in Naeem et al.):

        precision: share of the samples inside the ball of a real image, 0 to 1,
        recall: share of the real images inside the ball of a sample, 0 to 1;

    Naeem et al. 2020, less sensitive to outliers with large balls:

        density: mean number of real balls that contain a sample, divided by k; may exceed 1,
        coverage: share of the real images whose ball contains a sample, 0 to 1.

    Args:
        fake: features [n, d].
        real: features [m, d].
        k: number of the neighbour that defines the radius.

    Raises:
        MetricError: a set has no more than k images, or a feature is not finite.
    """
    for name, features in (("samples", fake), ("real images", real)):
        if len(features) <= k:
            raise MetricError(f"needs more than {k:,} {name}, there are {len(features):,}")
    fake, real = finite(fake), finite(real)
    fake_radii, real_radii = radii(fake, k), radii(real, k)

    balls = np.zeros(len(fake), np.int64)  # real balls that contain each sample
    recalled = np.zeros(len(real), bool)
    nearest = np.full(len(real), np.inf)
    for rows, distances in distance_blocks(fake, real):
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


def radii(features: np.ndarray, k: int) -> np.ndarray:
    """Return the distance [n] of each of the features [n, d] to its k-th nearest other one."""
    blocks = distance_blocks(features, features)
    return np.concatenate([np.partition(distances, k, axis=1)[:, k] for _, distances in blocks])


def distance_blocks(x: np.ndarray, y: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    """Yield rows of x and their Euclidean distances [rows, m] to all of y, in BLOCK_MIB."""
    from sklearn.metrics import pairwise_distances_chunked

    start = 0
    for distances in pairwise_distances_chunked(x, y, working_memory=BLOCK_MIB):
        rows = slice(start, start + len(distances))
        yield rows, distances
        start = rows.stop
