"""Frechet distance between the Gaussians fitted to two sets of features."""

import numpy as np

from metrics.measurement import Measurement, MetricError
from metrics.moments import Moments


def frechet_distance(fake: Moments, real: Moments) -> Measurement:
    """Return the squared Frechet distance between two Gaussians (Dowson & Landau 1982).

    |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)). In Inception features it is the FID (Heusel et al.
    2017). It has a positive bias of order 1/n: compare only distances of equally many images.

    Args:
        fake: moments of the samples' features.
        real: moments of the real images' features.

    Returns:
        A distance >= 0. The protocol lists singular covariances with their ranks: sets of no more
        images than dimensions, constant features, collapsed samples.

    Raises:
        MetricError: a set has fewer than 2 images.
    """
    return Measurement(distance(fake, real), singular(fake=fake, real=real))


def distance(fake: Moments, real: Moments) -> float:
    """Return the value of `frechet_distance`.

    With C1 = S S^T, the nonzero eigenvalues of C1 C2 are those of the symmetric S^T C2 S. C1 is
    the covariance of fewer images. With n <= d it is singular, and S has only the columns of
    eigenvalues above rounding, n - 1 at most: the square root would turn errors of 1e-16 in the
    others into 1e-8 each.
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
    """Return a protocol of the sets with a singular covariance; empty if there are none."""
    found = []
    for name, moments in sets.items():
        rank = above_rounding(np.linalg.eigvalsh(moments.covariance)).sum()
        if rank < len(moments.mean):
            found.append(f"{name}: rank {rank} of {len(moments.mean)}, {moments.count:,} images")
    return {"singular_covariance": "; ".join(found)} if found else {}


def above_rounding(eigenvalues: np.ndarray) -> np.ndarray:
    """Return a mask of the ascending eigenvalues of a covariance that exceed rounding errors."""
    return eigenvalues > eigenvalues[-1] * len(eigenvalues) * np.finfo(np.float64).eps


def extrapolated_frechet_distance(
    features: np.ndarray, real: Moments, seed: int = 0, points: int = 15
) -> Measurement:
    """Return the Frechet distance extrapolated to infinitely many samples.

    FID_infinity of Chong & Forsyth 2020: removes the bias by the number of samples
    (not of real images). A line in 1/n is fitted to the distances of random subsets of n/2 to n
    samples and evaluated at 1/n = 0. The paper draws new samples for each distance; here the
    subsets overlap. With a singular covariance in the protocol, n is too small for a linear fit.

    Args:
        features: of the samples, [n, d].
        real: moments of the real images' features.
        seed: seed of the subsets.
        points: number of subsets, with evenly spaced sizes.

    Returns:
        The value, which may be slightly negative; in the protocol `spread`, the standard deviation
        of the distances around the line.

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
