"""What continuous codes mean: factors measured in images of strokes, beside the codes that made
them."""

import numpy as np

from metrics.measurement import MetricError

BINS = 20  # of equally many samples, for mutual information
ENLARGED = 4  # times, before distances are measured in whole pixels


def slant(images: np.ndarray) -> np.ndarray:
    """The angle of strokes, light on dark, in degrees from upright; positive leans to the right.

    With the central moments of the gray levels it is arctan(mu_11 / mu_02), y upwards: the shear
    that makes x and y uncorrelated. An image without strokes has 0.

    Args:
        images: uint8 [n, h, w, 1].

    Returns:
        float64 [n].
    """
    ink = np.asarray(images, np.float64)[..., 0]
    area = ink.sum((1, 2))
    area[area == 0] = 1.0
    y, x = np.mgrid[: ink.shape[1], : ink.shape[2]].astype(np.float64)
    x = x - ((ink * x).sum((1, 2)) / area)[:, None, None]
    y = ((ink * y).sum((1, 2)) / area)[:, None, None] - y
    return np.degrees(np.arctan2((ink * x * y).sum((1, 2)), (ink * y * y).sum((1, 2))))


def measured_stroke_thickness(images: np.ndarray) -> np.ndarray:
    """Mean width of the strokes, light on dark, in pixels: the estimate that evaluation uses.

    Strokes are the pixels above half of white. Across a stroke of width t the distance to its
    nearest edge rises to t / 2 and falls again: its mean is t / 4.

    Training uses another estimator, `losses.guidance.stroke_thickness_target`, from areas and
    edges. The two are separate on purpose: a model trained with one is measured by the other.

    Args:
        images: uint8 [n, h, w, 1].

    Returns:
        float64 [n]; 0 for an image without strokes.
    """
    import scipy.ndimage

    def thickness(image: np.ndarray) -> float:
        large = scipy.ndimage.zoom(
            image.astype(np.float32), ENLARGED, order=1, mode="grid-constant", grid_mode=True
        )
        inside = np.pad(large > 127.5, 1)
        if not inside.any():
            return 0.0
        # From a pixel's centre to the edge is half a pixel less than to the next one's centre.
        distance = scipy.ndimage.distance_transform_edt(inside)[inside] - 0.5
        return 4.0 * float(distance.mean()) / ENLARGED

    return np.array([thickness(image) for image in np.asarray(images)[..., 0]])


FACTORS = {"slant": slant, "thickness": measured_stroke_thickness}


def rank_correlations(codes: np.ndarray, factor: np.ndarray) -> list[float]:
    """Spearman's rank correlation of each code, float [n, k], with a factor [n]: k of them.

    Raises:
        MetricError: the factor, or a code, is the same in all samples.
    """
    from scipy.stats import spearmanr

    if np.ptp(factor) == 0 or (np.ptp(codes, axis=0) == 0).any():
        raise MetricError("a code, or what it is held against, is the same in all samples")
    return [float(spearmanr(code, factor).statistic) for code in codes.T]


def binned(values: np.ndarray) -> np.ndarray:
    """The bin of each value [n], int [n]: BINS of about as many values each, and equal values in
    one."""
    edges = np.unique(np.quantile(values, np.linspace(0, 1, BINS + 1)[1:-1]))
    return np.searchsorted(edges, values, side="left")


def mutual_information_gap(
    codes: dict[str, np.ndarray], factors: dict[str, np.ndarray]
) -> tuple[float, dict[str, float]]:
    """How much more the best code knows of a factor than the second best, as a share of all there
    is to know: (I(c_best; v) - I(c_second; v)) / H(v), Chen et al. 2018, equation 6.

    Args:
        codes, factors: by name, int [n], continuous ones as `binned` has them; two codes at least.

    Returns:
        The mean over the factors, from 0 to 1, and the gap of each.

    Raises:
        MetricError: a factor is the same in all samples.
    """
    from sklearn.metrics import mutual_info_score

    gaps = {}
    for name, factor in factors.items():
        entropy = mutual_info_score(factor, factor)
        if entropy <= 0:
            raise MetricError(f"the {name} is the same in all samples")
        known = sorted(mutual_info_score(code, factor) for code in codes.values())
        gaps[name] = float((known[-1] - known[-2]) / entropy)
    return float(np.mean(list(gaps.values()))), gaps
