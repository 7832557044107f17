"""Slant and thickness of known strokes, and the dependence of factors on codes."""

import math

import numpy as np
import pytest

from metrics.factors import (
    BINS,
    FACTORS,
    binned,
    measured_stroke_thickness,
    mutual_information_gap,
    rank_correlations,
    slant,
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


def test_factors_are_slant_and_thickness():
    assert list(FACTORS.items()) == [("slant", slant), ("thickness", measured_stroke_thickness)]


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
