"""Frechet distance between the Gaussians fitted to two sets of features."""

import numpy as np

from metrics.measurement import Measurement, MetricError
from metrics.moments import Moments


def frechet_distance(fake: Moments, real: Moments) -> Measurement:
    """|m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)), in squared units of the features.

    Dowson & Landau 1982; of Inception features it is the FID, Heusel et al. 2017,
    equation 6. It is biased upwards by about 1/n: compare only distances of equally many images.

    Returns:
        A distance of at least 0; in the protocol which covariance is singular (of no more images
        than dimensions, of features that never change or of collapsed samples), and its rank.

    Raises:
        MetricError: a set has fewer than 2 images.
    """
    return Measurement(distance(fake, real), singular(fake=fake, real=real))


def distance(fake: Moments, real: Moments) -> float:
    """The value of `frechet_distance`.

    With C1 = S S^T, the eigenvalues of C1 C2 other than 0 are those of the symmetric S^T C2 S. C1
    is the covariance of fewer images. With n <= d it is singular, and S has only the columns of
    its eigenvalues above rounding, n - 1 at most: the square root would turn the others' errors of
    1e-16 into 1e-8 each.
    """
    few, many = sorted((fake, real), key=lambda moments: moments.count)
    c1, c2 = few.covariance, many.covariance
    lengths, directions = np.linalg.eigh(c1)
    kept = above_rounding(lengths)
    s = directions[:, kept] * np.sqrt(lengths[kept])
    overlap = np.sqrt(np.linalg.eigvalsh(s.T @ c2 @ s).clip(min=0)).sum()
    shift = few.mean - many.mean
    return max(float(shift @ shift + np.trace(c1) + np.trace(c2) - 2 * overlap), 0.0)


def singular(**sets: Moments) -> dict[str, str]:
    """A protocol that names the sets whose covariance is singular; empty if there are none."""
    told = []
    for name, moments in sets.items():
        rank = above_rounding(np.linalg.eigvalsh(moments.covariance)).sum()
        if rank < len(moments.mean):
            told.append(f"{name}: rank {rank} of {len(moments.mean)}, {moments.count:,} images")
    return {"singular_covariance": "; ".join(told)} if told else {}


def above_rounding(eigenvalues: np.ndarray) -> np.ndarray:
    """Which of the eigenvalues of a covariance, in ascending order, are more than rounding."""
    return eigenvalues > eigenvalues[-1] * len(eigenvalues) * np.finfo(np.float64).eps


def extrapolated_frechet_distance(
    features: np.ndarray, real: Moments, seed: int = 0, points: int = 15
) -> Measurement:
    """Frechet distance that infinitely many samples would have: FID_infinity of Chong & Forsyth
    2020, which takes away the bias by the number of samples (not of real images).

    The distances of `points` random subsets of n/2 to n of the samples, evenly spaced, lie on a
    line in 1/n; its value at 1/n = 0 is the result. The paper draws new samples for each distance;
    here the subsets overlap. Where the protocol says that a covariance is singular, n is too small
    for the line to hold.

    Args:
        features: of the samples, [n, d].
        real: moments of the real images' features.

    Returns:
        The value, which may fall a little below 0; in the protocol the standard deviation of the
        distances around the line.

    Raises:
        MetricError: there are fewer than 4 samples.
    """
    if (n := len(features)) < 4:
        raise MetricError(f"needs at least 4 samples, there are {n}")
    random = np.random.default_rng(seed)
    sizes = np.linspace(n / 2, n, points).round().astype(int)
    subsets = [random.permutation(n)[:size] for size in sizes]
    distances = [distance(Moments.of(features[subset]), real) for subset in subsets]
    line = np.polynomial.Polynomial.fit(1 / sizes, distances, 1)
    protocol = {
        "extrapolated": f"line in 1/n through {points} subsets, n from {sizes[0]:,} to {n:,}",
        "spread": float(np.std(distances - line(1 / sizes))),
        "subset_seed": seed,
    }
    return Measurement(
        float(line(0)), protocol | singular(fake=Moments.of(features[subsets[0]]), real=real)
    )
