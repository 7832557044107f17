"""Stroke thickness of bars and digits, and ranks as targets of a uniform code."""

import numpy as np
import pytest
import scipy.ndimage
import scipy.stats
import tensorflow as tf

import data
from losses.guidance import stroke_thickness_target, uniform_ranks
from metrics import factors

LENGTH = 20


def bars(*widths, length=LENGTH, side=28, light=1.0, channels=1):
    """Return dark images [n, side, side, channels] with a vertical bar in the middle."""
    images = np.full((len(widths), side, side, channels), -1.0, np.float32)
    top = (side - length) // 2
    for image, width in zip(images, widths, strict=True):
        left = (side - width) // 2
        image[top : top + length, left : left + width] = light
    return images


def thickness(images):
    value = stroke_thickness_target(tf.constant(images))
    assert value.shape == images.shape[:1]
    assert value.dtype == tf.float32
    return value.numpy()


def by_hand(width, length=LENGTH):
    """Return 2 area / edges; the corner with both differences in one pixel counts sqrt 2."""
    return 2 * width * length / (2 * width + 2 * length - 2 + 2**0.5)


@pytest.mark.parametrize("width", [1, 2, 3, 4, 6, 9])
@pytest.mark.parametrize("turned", [False, True])
def test_stroke_thickness_of_bars_equals_value_by_hand(width, turned):
    x = bars(width)
    found = thickness(x.transpose(0, 2, 1, 3) if turned else x)
    np.testing.assert_allclose(found, by_hand(width), rtol=1e-5)


def test_stroke_thickness_is_the_width_up_to_the_ends_of_the_stroke():
    """Within 25% for widths of up to a quarter of the length; closer for longer bars."""
    widths = np.array([1, 2, 3, 4, 5])
    np.testing.assert_allclose(thickness(bars(*widths)), widths, rtol=0.25)
    long = thickness(bars(*widths, length=300, side=302))
    np.testing.assert_allclose(long, widths, rtol=0.02)


def test_stroke_thickness_increases_with_the_width_in_both_directions():
    widths = range(1, 13)
    for images in (bars(*widths), bars(*widths).transpose(0, 2, 1, 3)):
        assert (np.diff(thickness(images)) > 0.1).all()


def test_stroke_thickness_at_the_border_counts_the_edge_there():
    for x in (np.roll(bars(4), -12, axis=2), np.roll(bars(4), 12, axis=2)):
        assert (x[:, :, [0, -1]] > 0).any()
        np.testing.assert_allclose(thickness(x), by_hand(4), rtol=1e-5)
    np.testing.assert_allclose(thickness(bars(28, length=28)), by_hand(28, 28), rtol=1e-5)


def test_stroke_thickness_of_a_blank_image_is_zero():
    x = bars(3, 3, 3)
    x[1] = -1
    np.testing.assert_allclose(thickness(x), [by_hand(3), 0, by_hand(3)], rtol=1e-5)
    np.testing.assert_array_equal(thickness(np.full((2, 8, 8, 3), -1, np.float32)), [0, 0])


def test_stroke_thickness_is_independent_of_brightness_and_channels():
    expected = by_hand(4)
    for light in (-0.5, 0.0, 1.0):
        np.testing.assert_allclose(thickness(bars(4, light=light)), [expected], rtol=1e-5)
    np.testing.assert_allclose(thickness(bars(4, channels=3)), [expected], rtol=1e-5)
    one_channel = bars(4, channels=3)
    one_channel[..., 1:] = -1
    np.testing.assert_allclose(thickness(one_channel), [expected], rtol=1e-5)


def test_stroke_thickness_of_bfloat16_images_is_computed_in_float32():
    found = stroke_thickness_target(tf.cast(bars(1, 4, 9), tf.bfloat16))
    assert found.dtype == tf.float32
    np.testing.assert_allclose(found, [by_hand(1), by_hand(4), by_hand(9)], rtol=1e-5)


@pytest.mark.slow
def test_stroke_thickness_of_digits_correlates_with_that_of_the_metric():
    images = data.load("MNIST").test.images[:2000]
    estimated = thickness(images.astype(np.float32) / 127.5 - 1)
    measured = factors.measured_stroke_thickness(images)
    assert scipy.stats.spearmanr(estimated, measured).statistic > 0.97
    thick = scipy.ndimage.grey_dilation(images, (1, 3, 3, 1))
    assert (thickness(thick.astype(np.float32) / 127.5 - 1) > estimated).mean() > 0.99


# Ranks.


@pytest.mark.smoke
def test_uniform_ranks_equal_values_by_hand():
    found = uniform_ranks(tf.constant([3.0, -1.0, 2.0, 100.0]))
    assert found.dtype == tf.float32
    np.testing.assert_allclose(found, [0.25, -0.75, -0.25, 0.75], atol=1e-6)
    np.testing.assert_allclose(uniform_ranks(tf.constant([7.0])), [0.0])


@pytest.mark.parametrize("n", [2, 5, 256])
def test_uniform_ranks_are_evenly_spaced_and_keep_the_order(n):
    values = np.random.default_rng(n).exponential(size=n).astype(np.float32)
    found = uniform_ranks(tf.constant(values)).numpy()
    np.testing.assert_array_equal(np.argsort(found), np.argsort(values))
    np.testing.assert_allclose(np.diff(np.sort(found)), 2 / n, rtol=1e-4)
    assert -1 < found.min() < -1 + 2 / n
    assert 1 - 2 / n < found.max() < 1
    np.testing.assert_allclose(found.mean(), 0, atol=1e-6)
    again = uniform_ranks(tf.constant(np.exp(values)))  # the order is all that counts
    np.testing.assert_array_equal(found, again)


def test_uniform_ranks_of_ties_are_adjacent():
    found = uniform_ranks(tf.constant([2.0, 0.0, 2.0, 0.0, 1.0])).numpy()
    assert sorted(found) == pytest.approx([-0.8, -0.4, 0.0, 0.4, 0.8])
    assert sorted(found[[1, 3]]) == pytest.approx([-0.8, -0.4])
    assert found[4] == pytest.approx(0)
    all_tied = uniform_ranks(tf.zeros(4))
    assert sorted(all_tied.numpy()) == pytest.approx([-0.75, -0.25, 0.25, 0.75])


def test_guidance_compiled_by_xla_agrees_with_eager():
    x = np.random.default_rng(0).uniform(-1, 1, (7, 8, 8, 1)).astype(np.float32)
    x[3] = -1

    def both(x):
        value = stroke_thickness_target(x)
        return value, uniform_ranks(value)

    plain, compiled = both(tf.constant(x)), tf.function(both, jit_compile=True)(tf.constant(x))
    for one, other in zip(plain, compiled, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)
    assert plain[0][3] == 0
    assert float(plain[1][3]) == pytest.approx(1 / 7 - 1)
