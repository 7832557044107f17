"""Factors of variation measured in images of strokes, and their dependence on latent codes."""

import numpy as np

from metrics.measurement import MetricError

BINS = 20  # quantile bins of continuous values, for mutual information
UPSAMPLING = 4  # factor, since distances are measured in whole pixels


def slant(images: np.ndarray) -> np.ndarray:
    """Return the angle of the strokes, in degrees from upright; positive leans to the right.

    arctan(mu_11 / mu_02) of the central moments of the gray levels, with y upwards: the shear that
    makes x and y uncorrelated.

    Args:
        images: light strokes on dark, uint8 [n, h, w, 1].

    Returns:
        Angles float64 [n], from -90 to 90; 0 for an image without strokes.
    """
    ink = np.asarray(images, np.float64)[..., 0]
    area = ink.sum((1, 2))
    area[area == 0] = 1.0
    y, x = np.mgrid[: ink.shape[1], : ink.shape[2]].astype(np.float64)
    x = x - ((ink * x).sum((1, 2)) / area)[:, None, None]
    y = ((ink * y).sum((1, 2)) / area)[:, None, None] - y
    return np.degrees(np.arctan2((ink * x * y).sum((1, 2)), (ink * y * y).sum((1, 2))))


def measured_stroke_thickness(images: np.ndarray) -> np.ndarray:
    """Return the mean width of the strokes, in pixels, as evaluation estimates it.

    Strokes are the pixels above half of white. Across a stroke of width t the distance to the
    nearest edge has the mean t / 4.

    Training uses another estimator, `losses.guidance.stroke_thickness_target`, from areas and
    edges. The two are separate on purpose: a model trained with one is measured by the other.

    Args:
        images: light strokes on dark, uint8 [n, h, w, 1].

    Returns:
        Widths float64 [n]; 0 for an image without strokes.
    """
    import scipy.ndimage

    def thickness(image: np.ndarray) -> float:
        large = scipy.ndimage.zoom(
            image.astype(np.float32), UPSAMPLING, order=1, mode="grid-constant", grid_mode=True
        )
        inside = np.pad(large > 127.5, 1)
        if not inside.any():
            return 0.0
        # The edge is half a pixel nearer than the centre of the first pixel outside.
        distance = scipy.ndimage.distance_transform_edt(inside)[inside] - 0.5
        return 4.0 * float(distance.mean()) / UPSAMPLING

    return np.array([thickness(image) for image in np.asarray(images)[..., 0]])


FACTORS = {"slant": slant, "thickness": measured_stroke_thickness}


def rank_correlations(codes: np.ndarray, factor: np.ndarray) -> list[float]:
    """Return Spearman's rank correlation of each code with a factor.

    Args:
        codes: float [n, k].
        factor: float [n].

    Returns:
        k correlations, from -1 to 1.

    Raises:
        MetricError: the factor or a code is constant.
    """
    from scipy.stats import spearmanr

    if np.ptp(factor) == 0:
        raise MetricError("the factor is the same in all samples")
    if len(constant := np.flatnonzero(np.ptp(codes, axis=0) == 0)):
        raise MetricError(f"code {constant[0]} is the same in all samples")
    return [float(spearmanr(code, factor).statistic) for code in codes.T]


def binned(values: np.ndarray) -> np.ndarray:
    """Return the quantile bin, 0 to BINS - 1, of each value [n]; equal values share a bin."""
    edges = np.unique(np.quantile(values, np.linspace(0, 1, BINS + 1)[1:-1]))
    return np.searchsorted(edges, values, side="left")


def mutual_information_gap(
    codes: dict[str, np.ndarray], factors: dict[str, np.ndarray]
) -> tuple[float, dict[str, float]]:
    """Return the mutual information gap of codes and factors (Chen et al. 2018).

    The gap of a factor v is (I(c_best; v) - I(c_second; v)) / H(v), with the two codes that have
    the highest mutual information with it.

    Args:
        codes: two or more by name, int [n]; continuous codes are `binned` first.
        factors: by name, int [n]; continuous factors are `binned` first.

    Returns:
        The mean over the factors, from 0 to 1, and the gap of each factor.

    Raises:
        MetricError: a factor is constant.
    """
    from sklearn.metrics import mutual_info_score

    gaps = {}
    for name, factor in factors.items():
        entropy = mutual_info_score(factor, factor)
        if entropy <= 0:
            raise MetricError(f"the {name} is the same in all samples")
        *_, second, best = sorted(mutual_info_score(code, factor) for code in codes.values())
        gaps[name] = float((best - second) / entropy)
    return float(np.mean(list(gaps.values()))), gaps
