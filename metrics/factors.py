"""Factors of variation measured in images, and their dependence on latent codes.

`FACTORS` has the factors of gray images of strokes, and those of colour images of a subject.
"""

import dataclasses
from collections.abc import Callable

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


def mean_colour(images: np.ndarray) -> np.ndarray:
    """Return the mean colour of each image, float64 [n, 3] from 0 to 1."""
    return np.asarray(images, np.float64).mean((1, 2)) / 255.0


def brightness(images: np.ndarray) -> np.ndarray:
    """Return the mean of the channels over an image.

    Args:
        images: uint8 [n, h, w, 3].

    Returns:
        float64 [n], from 0 to 1.
    """
    return mean_colour(images).mean(1)


def saturation(images: np.ndarray) -> np.ndarray:
    """Return the saturation of the mean colour, (max - min) / max of its channels.

    Args:
        images: uint8 [n, h, w, 3].

    Returns:
        float64 [n], from 0 to 1; 0 for black.
    """
    colour = mean_colour(images)
    high = colour.max(1)
    return (high - colour.min(1)) / np.where(high > 0, high, 1.0)


def hue(images: np.ndarray) -> np.ndarray:
    """Return the hue of the mean colour: arctan2(sqrt(3) (g - b), 2 r - g - b).

    Args:
        images: uint8 [n, h, w, 3].

    Returns:
        Angles in radians, float64 [n], from -pi to pi; 0 is red, and gray images.
    """
    r, g, b = mean_colour(images).T
    return np.arctan2(np.sqrt(3.0) * (g - b), 2.0 * r - g - b)


def subject_moments(images: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the position and the size of the subject of each image.

    The weight of a pixel is the distance of its colour from the mean colour of the border, the
    outermost pixels. The position is the mean of the weighted positions, the size the root of
    their mean squared distance from it.

    Args:
        images: uint8 [n, h, w, 3].

    Returns:
        x to the right, y downwards, and the size, float64 [n] each, in shares of the height, from
        the centre; 0 for an image of one colour.
    """
    x = np.asarray(images, np.float64) / 255.0
    height, width = x.shape[1:3]
    inside = np.zeros((height, width), bool)
    inside[1:-1, 1:-1] = True
    border = x[:, ~inside].mean(1)
    weights = np.linalg.norm(x - border[:, None, None], axis=-1)
    total = weights.sum((1, 2))
    weights = weights / np.where(total > 0, total, 1.0)[:, None, None]
    down, right = (np.mgrid[:height, :width].astype(np.float64) + 0.5) / height
    down, right = down - 0.5, right - width / height / 2
    means = [(weights * place).sum((1, 2)) for place in (right, down)]
    squares = (weights * (right**2 + down**2)).sum((1, 2))
    return *means, np.sqrt(np.maximum(squares - means[0] ** 2 - means[1] ** 2, 0.0))


def horizontal_position(images: np.ndarray) -> np.ndarray:
    """Return the horizontal position of the subject; see `subject_moments`."""
    return subject_moments(images)[0]


def vertical_position(images: np.ndarray) -> np.ndarray:
    """Return the vertical position of the subject; see `subject_moments`."""
    return subject_moments(images)[1]


def subject_size(images: np.ndarray) -> np.ndarray:
    """Return the size of the subject; see `subject_moments`."""
    return subject_moments(images)[2]


@dataclasses.dataclass(frozen=True)
class Factor:
    """Factor of variation.

    Attributes:
        measure: images uint8 [n, h, w, c] -> float [n].
        meaning: description with the unit.
        channels: number of channels of the images that have it.
        angle: whether it is an angle in radians.
    """

    measure: Callable[[np.ndarray], np.ndarray]
    meaning: str
    channels: int = 3
    angle: bool = False

    @property
    def correlation(self) -> str:
        """Name of the correlation of the factor with a code."""
        return "circular-linear correlation" if self.angle else "rank correlation"


FACTORS = {
    "slant": Factor(slant, "slant of gray samples, by image moments", channels=1),
    "thickness": Factor(
        measured_stroke_thickness,
        "stroke thickness of gray samples, by a distance transform",
        channels=1,
    ),
    "brightness": Factor(brightness, "mean brightness of colour samples"),
    "saturation": Factor(saturation, "saturation of the mean colour of colour samples"),
    "hue": Factor(hue, "hue of the mean colour of colour samples", angle=True),
    "horizontal_position": Factor(
        horizontal_position,
        "horizontal position of the subject of colour samples, weighted by the distance from the "
        "mean colour of the border",
    ),
    "vertical_position": Factor(
        vertical_position, "vertical position of the subject of colour samples"
    ),
    "size": Factor(subject_size, "size of the subject of colour samples"),
}


def require_varied(codes: np.ndarray, factor: np.ndarray) -> None:
    """Raise MetricError if a factor [n] or one of the codes [n, k] is constant."""
    if np.ptp(factor) == 0:
        raise MetricError("the factor is the same in all samples")
    if len(constant := np.flatnonzero(np.ptp(codes, axis=0) == 0)):
        raise MetricError(f"code {constant[0]} is the same in all samples")


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

    require_varied(codes, factor)
    return [float(spearmanr(code, factor).statistic) for code in codes.T]


def circular_correlations(codes: np.ndarray, angles: np.ndarray) -> list[float]:
    """Return the circular-linear correlation of the ranks of each code with an angle.

    The multiple correlation coefficient of the ranks with the cosine and the sine of the angle,
    after Mardia 1976, "Linear-circular correlation coefficients and rhythmometry".

    Args:
        codes: float [n, k].
        angles: radians, float [n].

    Returns:
        k correlations, from 0 to 1; about sqrt(2 / n) for an independent code.

    Raises:
        MetricError: the angle or a code is constant.
    """
    from scipy.stats import rankdata

    require_varied(codes, angles)
    ranks = rankdata(codes, axis=0)
    ranks -= ranks.mean(0)
    plane = np.stack([np.ones(len(angles)), np.cos(angles), np.sin(angles)], axis=1)
    fitted = plane @ np.linalg.lstsq(plane, ranks, rcond=None)[0]
    return np.sqrt((fitted**2).sum(0) / (ranks**2).sum(0)).tolist()


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
