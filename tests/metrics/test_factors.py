"""Factors of known images, and the dependence of factors on codes."""

import colorsys
import math

import numpy as np
import pytest

from metrics.factors import (
    BINS,
    FACTORS,
    binned,
    brightness,
    circular_correlations,
    horizontal_position,
    hue,
    measured_stroke_thickness,
    mutual_information_gap,
    rank_correlations,
    saturation,
    slant,
    subject_size,
    vertical_position,
)
from metrics.measurement import MetricError


def bars(width=4.0, degrees=0.0, length=20, side=28, light=255, shift=(0.0, 0.0)):
    """A bar of `width` pixels, sheared to the right by degrees, with smooth edges, on black:
    uint8 [1, side, side, 1].
    """
    y, x = np.mgrid[:side, :side].astype(float)
    middle = (side - 1) / 2
    across = np.abs(x - shift[0] - middle - math.tan(math.radians(degrees)) * (middle - y))
    ink = np.clip(width / 2 + 0.5 - across, 0, 1)
    ink *= np.abs(y - shift[1] - middle) < length / 2
    return np.round(light * ink).astype(np.uint8)[None, ..., None]


def turned(images):
    return images.transpose(0, 2, 1, 3)


# Slant.


@pytest.mark.smoke
def test_slant_of_two_pixels_equals_value_by_hand():
    """From the lower left to the upper right: 45 degrees; twice as high: arctan 1/2."""
    images = np.zeros((3, 5, 5, 1), np.uint8)
    images[0, [3, 1], [1, 3]] = 200
    images[1, [4, 0], [1, 3]] = 7
    images[2, [1, 3], [1, 3]] = 200
    found = slant(images)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, [45, math.degrees(math.atan(0.5)), -45])


@pytest.mark.parametrize("degrees", [-40, -10, 0, 3, 25, 40])
def test_slant_of_a_sheared_bar_is_the_angle(degrees):
    images = bars(degrees=degrees, length=16)
    np.testing.assert_allclose(slant(images), degrees, atol=0.2)
    np.testing.assert_allclose(slant(images[:, :, ::-1]), -degrees, atol=0.2)
    np.testing.assert_allclose(slant(images[:, ::-1]), -degrees, atol=0.2)
    np.testing.assert_allclose(slant(images[:, ::-1, ::-1]), degrees, atol=0.2)


@pytest.mark.parametrize("degrees", [-20, 15])
def test_slant_is_independent_of_place_width_and_brightness(degrees):
    for images in (
        bars(degrees=degrees, length=16, shift=(3.0, 0.0)),
        bars(degrees=degrees, length=16, shift=(-2.0, 4.0)),
        bars(degrees=degrees, length=16, width=2),
        bars(degrees=degrees, length=16, width=7),
        bars(degrees=degrees, length=16, light=60),
    ):
        np.testing.assert_allclose(slant(images), degrees, atol=0.5)
    images = bars(degrees=degrees, light=250) // 50 * 50
    np.testing.assert_allclose(slant(images), slant(images // 50), rtol=1e-9)


def test_slant_of_blank_images_and_flat_strokes_is_0():
    images = np.concatenate([bars(degrees=10), np.zeros_like(bars()), turned(bars(width=1))])
    np.testing.assert_allclose(slant(images), [slant(images[:1])[0], 0, 0], atol=1e-9)
    assert not slant(np.zeros((2, 3, 3, 1), np.uint8)).any()
    assert slant(np.full((1, 4, 4, 1), 255, np.uint8)) == pytest.approx(0)


# Thickness.


def by_hand(width, length):
    """Four times the mean distance to the edge of a rectangle, which is lower at its ends."""
    return width * (1 - width / (3 * length))


@pytest.mark.parametrize("width", [2, 3, 4, 6])
@pytest.mark.parametrize("length", [12, 24])
def test_stroke_thickness_of_a_bar_is_its_width_except_at_its_ends(width, length):
    images = bars(width, length=length)
    np.testing.assert_allclose(measured_stroke_thickness(images), by_hand(width, length), rtol=0.02)
    np.testing.assert_allclose(
        measured_stroke_thickness(turned(images)), by_hand(width, length), rtol=0.02
    )
    np.testing.assert_allclose(measured_stroke_thickness(images), width, rtol=0.17)


def test_stroke_thickness_of_a_long_bar_is_its_width():
    widths = (2, 4, 6)
    found = [measured_stroke_thickness(bars(w, length=300, side=302))[0] for w in widths]
    np.testing.assert_allclose(found, widths, rtol=0.015)


def test_stroke_thickness_resolves_fractions_of_a_pixel():
    found = [measured_stroke_thickness(bars(w))[0] for w in (2.0, 2.5, 3.0, 3.5, 4.0)]
    assert (np.diff(found) > 0.3).all()


def test_stroke_thickness_at_the_border_counts_the_edge_there():
    images = np.zeros((2, 28, 28, 1), np.uint8)
    images[0, 4:24, :4] = images[1, 4:24, 10:14] = 255
    at_border, inside = measured_stroke_thickness(images)
    assert at_border == pytest.approx(inside, rel=0.05)


def test_stroke_thickness_of_a_slanted_bar_is_its_perpendicular_width():
    for degrees in (15, 30):
        across = 5 * math.cos(math.radians(degrees))
        found = measured_stroke_thickness(bars(5, degrees, length=20))
        np.testing.assert_allclose(found, by_hand(across, 20 / (across / 5)), rtol=0.08)


def test_stroke_thickness_of_blank_images_is_0_and_independent_of_the_batch():
    images = np.concatenate([bars(2), np.zeros_like(bars()), bars(6), bars(light=120)])
    found = measured_stroke_thickness(images)
    assert found.shape == (4,)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found[[1, 3]], 0)
    np.testing.assert_array_equal(found[::2], [*measured_stroke_thickness(bars(2)),
                                               *measured_stroke_thickness(bars(6))])  # fmt: skip


def test_stroke_thickness_and_slant_of_changed_digits_follow_the_change(mnist_test):
    import scipy.ndimage

    images = mnist_test[0][:200]
    thin, thick = (scipy.ndimage.grey_erosion(images, (1, 2, 2, 1)),
                   scipy.ndimage.grey_dilation(images, (1, 2, 2, 1)))  # fmt: skip
    found = [measured_stroke_thickness(x) for x in (thin, images, thick)]
    assert (found[1] > found[0]).mean() > 0.95
    assert (found[2] > found[1]).mean() > 0.95
    np.testing.assert_allclose(np.median(found[2] - found[1]), 1, atol=0.4)
    shear = [[1, 0, 0], [0.3, 1, -0.3 * 13.5], [0, 0, 1]]
    sheared = np.array([scipy.ndimage.affine_transform(x[..., 0], shear, order=1) for x in images])
    leant = np.tan(np.radians(slant(sheared[..., None]))) - np.tan(np.radians(slant(images)))
    np.testing.assert_allclose(np.median(leant), 0.3, atol=0.03)


# Colours, position and size.


def discs(x=0.0, y=0.0, radius=4.0, colour=(255, 0, 0), ground=(0, 0, 255), side=32):
    """A disc around (x, y), in pixels from the centre, uint8 [1, side, side, 3]."""
    down, right = np.mgrid[:side, :side] + 0.5 - side / 2
    inside = (right - x) ** 2 + (down - y) ** 2 < radius**2
    return np.where(inside[..., None], np.uint8(colour), np.uint8(ground))[None]


def test_colour_factors_of_one_colour_equal_those_of_colorsys():
    for colour in ((200, 100, 50), (10, 250, 30), (40, 40, 220), (90, 90, 90), (0, 0, 0)):
        image = np.broadcast_to(np.uint8(colour), (1, 4, 4, 3))
        _, expected, _ = colorsys.rgb_to_hsv(*(c / 255 for c in colour))
        assert saturation(image)[0] == pytest.approx(expected)
        assert brightness(image)[0] == pytest.approx(sum(colour) / 3 / 255)


def test_hue_is_the_angle_of_the_colour_and_turns_with_the_channels():
    for colour, angle in (
        ((255, 0, 0), 0), ((0, 255, 0), 2 * np.pi / 3), ((0, 0, 255), -2 * np.pi / 3),
        ((255, 255, 0), np.pi / 3), ((7, 7, 7), 0),
    ):  # fmt: skip
        image = np.broadcast_to(np.uint8(colour), (1, 4, 4, 3))
        assert hue(image)[0] == pytest.approx(angle, abs=1e-9)


def test_position_and_size_are_those_of_a_disc_on_a_plain_ground():
    """The root mean squared distance in a disc from its centre is radius / sqrt(2)."""
    image = discs(x=5, y=-3, radius=6)
    assert horizontal_position(image)[0] == pytest.approx(5 / 32, abs=2e-3)
    assert vertical_position(image)[0] == pytest.approx(-3 / 32, abs=2e-3)
    assert subject_size(image)[0] == pytest.approx(6 / 32 / math.sqrt(2), rel=0.03)
    other = discs(x=5, y=-3, radius=6, colour=(0, 90, 0), ground=(200, 200, 200))
    for factor in (horizontal_position, vertical_position, subject_size):
        np.testing.assert_allclose(factor(other), factor(image), rtol=1e-9)
        np.testing.assert_allclose(factor(np.zeros((2, 8, 8, 3), np.uint8)), 0)


def test_declared_factors_measure_images_of_their_channels():
    for name, factor in FACTORS.items():
        images = np.concatenate([discs(), discs(3, 1)])[..., : factor.channels]
        found = factor.measure(images)
        assert found.shape == (2,), name
        assert np.isfinite(found).all(), name


# Circular correlations.


def test_circular_correlation_of_a_code_with_its_own_angle_is_high_whatever_the_origin():
    """Half a turn, in which the cosine and the sine determine the code; no direction is special."""
    codes = np.random.default_rng(0).uniform(-1, 1, (2000, 2))
    values = [
        circular_correlations(codes, np.angle(np.exp(1j * (np.pi / 2 * codes[:, 0] + origin))))
        for origin in (0.0, 1.0, 3.0)
    ]
    assert min(own for own, _ in values) > 0.97
    np.testing.assert_allclose([own for own, _ in values], values[0][0], rtol=1e-6)
    assert max(other for _, other in values) < 4 * math.sqrt(2 / 2000)


def test_circular_correlation_equals_the_formula_of_mardia():
    rng = np.random.default_rng(1)
    angles, codes = rng.normal(0, 0.8, 300), rng.normal(size=(300, 1))
    codes[:, 0] += np.cos(angles)
    ranks = np.argsort(np.argsort(codes[:, 0])).astype(float)
    a, b = (np.corrcoef(ranks, f(angles))[0, 1] for f in (np.cos, np.sin))
    c = np.corrcoef(np.cos(angles), np.sin(angles))[0, 1]
    expected = math.sqrt((a * a + b * b - 2 * a * b * c) / (1 - c * c))
    assert circular_correlations(codes, angles) == pytest.approx([expected], rel=1e-9)


def test_circular_correlation_of_a_constant_raises():
    codes = np.arange(8.0).reshape(4, 2)
    with pytest.raises(MetricError, match=r"^the factor is the same in all samples$"):
        circular_correlations(codes, np.zeros(4))
    with pytest.raises(MetricError, match=r"^code 1 is the same in all samples$"):
        circular_correlations(np.stack([np.arange(4.0), np.zeros(4)], 1), np.arange(4.0))


# Rank correlations.


def test_rank_correlations_are_invariant_to_monotone_maps_and_signed():
    rng = np.random.default_rng(0)
    factor = rng.normal(size=2000)
    codes = np.stack([np.exp(factor), -(factor**3), rng.normal(size=2000)], axis=1)
    found = rank_correlations(codes, factor)
    assert all(type(value) is float for value in found)
    assert found[:2] == [pytest.approx(1), pytest.approx(-1)]
    assert abs(found[2]) < 4 / 2000**0.5


def test_rank_correlations_equal_values_by_hand():
    """1 - 6 sum d^2 / (n (n^2 - 1)), d being 0, 1, -1, 0."""
    codes = np.array([[0.1, 7.0], [0.3, 7.5], [0.2, 8.0], [0.9, 9.0]])
    assert rank_correlations(codes, np.array([1, 2, 3, 4])) == pytest.approx([0.8, 1.0])


@pytest.mark.parametrize("constant", ["factor", "code"])
def test_rank_correlations_of_a_constant_raise(constant):
    codes, factor = np.random.default_rng(0).normal(size=(9, 2)), np.arange(9.0)
    if constant == "factor":
        factor[:] = 3
    else:
        codes[:, 1] = 3
    of = {"factor": "the factor", "code": "code 1"}[constant]
    with pytest.raises(MetricError, match=f"^{of} is the same in all samples$"):
        rank_correlations(codes, factor)


# Mutual information.


def test_binned_values_fill_bins_equally_and_keep_the_order():
    values = np.random.default_rng(0).exponential(size=2000)
    found = binned(values)
    np.testing.assert_array_equal(np.bincount(found), np.full(BINS, 100))
    assert (np.diff(found[np.argsort(values)]) >= 0).all()
    np.testing.assert_array_equal(binned(np.exp(values)), found)


def test_binned_equal_values_share_a_bin():
    assert len(set(binned(np.full(50, 3.0)))) == 1
    values = np.repeat([0.0, 1.0, 2.0], 100)
    found = binned(values).reshape(3, 100)
    assert (found == found[:, :1]).all()
    assert len(set(found[:, 0])) == 3


def test_binned_values_with_a_rare_one_have_two_bins():
    assert len(set(binned(np.repeat([0.0, 1.0], [970, 30])))) == 2


EIGHT = np.arange(8).repeat(10)  # a factor of eight values, ln 8 nats


@pytest.mark.smoke
@pytest.mark.parametrize(
    ("codes", "gap"),
    [
        ({"v": EIGHT, "none": np.tile(np.arange(10), 8)}, 1),
        ({"v": (EIGHT * 3) % 8 + 5, "none": np.zeros(80, int)}, 1),
        ({"v": EIGHT, "v again": 7 - EIGHT}, 0),
        ({"none": np.tile(np.arange(10), 8), "as little": np.zeros(80, int)}, 0),
        # ln 8, ln 4 and ln 2 nats, in any order: the best less the second.
        ({"half": EIGHT // 2, "v": EIGHT, "quarter": EIGHT // 4}, 1 / 3),
        ({"quarter": EIGHT // 4, "half": EIGHT // 2}, 1 / 3),
        ({"none": np.zeros(80, int), "half": EIGHT // 2}, 2 / 3),
    ],
)
def test_mutual_information_gap_equals_value_by_hand(codes, gap):
    value, gaps = mutual_information_gap(codes, {"factor": EIGHT})
    assert type(value) is float
    assert value == pytest.approx(gap, abs=1e-9)
    assert gaps == {"factor": pytest.approx(gap, abs=1e-9)}


def test_mutual_information_gap_of_noisy_codes_is_that_of_the_frequencies():
    """From the joint frequencies, in numpy."""
    rng = np.random.default_rng(0)
    factor = rng.integers(0, 3, 500)
    codes = {
        "near": np.where(rng.random(500) < 0.8, factor, rng.integers(0, 3, 500)),
        "far": np.where(rng.random(500) < 0.4, factor, rng.integers(0, 5, 500)),
    }

    def known(code):
        joint = np.zeros((5, 3))
        np.add.at(joint, (code, factor), 1 / 500)
        return np.nansum(joint * np.log(np.maximum(joint, 1e-300) / (
            joint.sum(1, keepdims=True) * joint.sum(0) + 1e-300)))  # fmt: skip

    p = np.bincount(factor) / 500
    expected = (known(codes["near"]) - known(codes["far"])) / -(p @ np.log(p))
    assert 0.1 < expected < 0.9
    assert mutual_information_gap(codes, {"factor": factor})[0] == pytest.approx(expected)


def test_mutual_information_gap_is_the_mean_over_the_factors():
    codes = {"v": EIGHT, "half": EIGHT // 2}
    value, gaps = mutual_information_gap(codes, {"fine": EIGHT, "coarse": EIGHT // 2})
    assert gaps == {"fine": pytest.approx(1 / 3), "coarse": pytest.approx(0, abs=1e-9)}
    assert value == pytest.approx(1 / 6)


def test_mutual_information_gap_of_a_constant_factor_raises():
    codes = {"v": EIGHT, "half": EIGHT // 2}
    with pytest.raises(MetricError, match=r"^the slant is the same in all samples$"):
        mutual_information_gap(codes, {"thickness": EIGHT, "slant": np.full(80, 4)})
