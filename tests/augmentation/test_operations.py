"""Operations on images against numpy and scipy, with their gradients."""

import numpy as np
import pytest
import scipy.ndimage
import tensorflow as tf

from augmentation import operations
from augmentation.operations import affine_maps, resample

UNIT = np.array([[1.0, 0, 0], [0, 1, 0]])


def draws(n, k, seed=0):
    return np.random.default_rng(seed).uniform(size=(n, k)).astype(np.float32)


def pictures(n=6, height=8, width=16, channels=3):
    x = np.random.default_rng(1).uniform(-1, 1, (n, height, width, channels))
    return x.astype(np.float32)


def mapped(x, matrix):
    maps = np.broadcast_to(np.asarray(matrix, np.float32), (len(x), 2, 3))
    return resample(tf.constant(x), tf.constant(maps)).numpy()


# Colour.


def test_brightness_of_each_image_adds_its_draw():
    x, u = pictures(), draws(6, 1)[:, 0]
    expected = x + 0.3 * (2 * u[:, None, None, None] - 1)
    np.testing.assert_allclose(operations.brightness(x, u, 0.3), expected, atol=1e-6)


def test_saturation_of_each_pixel_scales_its_channels_about_their_mean():
    x, u = pictures(), draws(6, 1)[:, 0]
    gray = x.mean(3, keepdims=True)
    expected = gray + (0.5 + 2 * u[:, None, None, None]) * (x - gray)
    np.testing.assert_allclose(operations.saturation(x, u, (0.5, 2.5)), expected, atol=1e-6)


def test_saturation_of_gray_images_changes_nothing():
    x = pictures(channels=1)
    found = operations.saturation(x, draws(6, 1)[:, 0], (0.0, 2.0))
    np.testing.assert_allclose(found, x, atol=1e-6)


def test_contrast_of_each_image_scales_it_about_its_mean():
    x, u = pictures(), draws(6, 1)[:, 0]
    mean = x.mean((1, 2, 3), keepdims=True)
    expected = mean + (0.5 + u[:, None, None, None]) * (x - mean)
    np.testing.assert_allclose(operations.contrast(x, u, (0.5, 1.5)), expected, atol=1e-6)


# Translation and cutout.


def test_translation_shifts_by_whole_pixels_and_fills_with_zeros():
    """By -1, 0 or 1 of 8 rows and -2 to 2 of 16 columns."""
    x, u = pictures(), draws(6, 2)
    moved = operations.translation(x, u, 1 / 8).numpy()
    downs, rights = np.floor(u[:, 0] * 3).astype(int) - 1, np.floor(u[:, 1] * 5).astype(int) - 2
    assert len(set(zip(downs, rights, strict=True))) > 3
    for image, found, down, right in zip(x, moved, downs, rights, strict=True):
        expected = np.zeros_like(image)
        for i in range(8):
            for j in range(16):
                if 0 <= i - down < 8 and 0 <= j - right < 16:
                    expected[i, j] = image[i - down, j - right]
        np.testing.assert_allclose(found, expected, atol=1e-6)


def test_translation_of_uniform_draws_shifts_by_each_distance_equally_often():
    u = draws(9000, 2)
    x = np.zeros((9000, 8, 8, 1), np.float32)
    x[:, 4, 4] = 1
    places = np.argwhere(operations.translation(x, u, 1 / 8).numpy()[..., 0] > 0.5)[:, 1:]
    shifts, counts = np.unique(places - 4, axis=0, return_counts=True)
    assert sorted(map(tuple, shifts)) == [(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1)]
    np.testing.assert_allclose(counts / 9000, 1 / 9, atol=0.02)


@pytest.mark.parametrize("side", [8, 14])
def test_cutout_of_half_a_side_is_centred_at_any_pixel(side):
    """14 pixels: an odd half."""
    x, u = np.ones((500, side, side, 2), np.float32), draws(500, 2)
    u[:2] = [[0, 0], [1 - 1e-6, 1 - 1e-6]]
    found = operations.cutout(x, u, 1 / 2).numpy()
    length = side // 2
    for image, (down, right) in zip(found, u, strict=True):
        middles = [int(v * (side + (length + 1) % 2)) for v in (down, right)]
        expected = np.ones((side, side, 2))
        rows, columns = (slice(max(m - length // 2, 0), max(m - length // 2 + length, 0))
                         for m in middles)  # fmt: skip
        expected[rows, columns] = 0
        np.testing.assert_array_equal(image, expected)
    assert {0, 1} == set(np.unique(found))


# Resampling.


def test_resample_with_the_identity_changes_nothing():
    x = pictures(3, 7, 5, 2)
    np.testing.assert_allclose(mapped(x, UNIT), x, atol=1e-5)


def test_resample_shifted_by_a_pixel_repeats_the_edge():
    x = pictures(3, 7, 5, 2)
    down = mapped(x, UNIT + np.array([[0, 0, 2 / 6], [0, 0, 0]]))  # shifted up by a row
    np.testing.assert_allclose(down, np.concatenate([x[:, 1:], x[:, -1:]], 1), atol=1e-5)
    left = mapped(x, UNIT - np.array([[0, 0, 0], [0, 0, 2 / 4]]))  # shifted right by a column
    np.testing.assert_allclose(left, np.concatenate([x[:, :, :1], x[:, :, :-1]], 2), atol=1e-5)


def test_resample_by_a_quarter_turn_and_by_a_reflection_moves_whole_pixels():
    x = pictures(3, 6, 6, 2)
    turned = mapped(x, [[0, 1, 0], [-1, 0, 0]])
    np.testing.assert_allclose(turned, np.rot90(x, axes=(1, 2)), atol=1e-5)
    np.testing.assert_allclose(mapped(x, [[1, 0, 0], [0, -1, 0]]), x[:, :, ::-1], atol=1e-5)


def test_resample_by_any_map_agrees_with_scipy():
    x, rng = pictures(6, 9, 12, 2), np.random.default_rng(1)
    maps = UNIT + rng.uniform(-0.4, 0.4, (6, 2, 3))
    found = resample(tf.constant(x), tf.constant(maps, tf.float32)).numpy()
    half = np.array([4.0, 5.5])  # from the middle to the last pixel
    for image, m, copy in zip(x, maps, found, strict=True):
        matrix = half[:, None] * m[:, :2] / half
        offset = half * (1 + m[:, 2]) - matrix @ half
        for channel in range(x.shape[-1]):
            expected = scipy.ndimage.affine_transform(
                image[..., channel], matrix, offset, order=1, mode="nearest"
            )
            np.testing.assert_allclose(copy[..., channel], expected, atol=1e-4)


def test_affine_maps_of_two_rows_has_one_matrix_per_example():
    rows = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    found = affine_maps([[tf.constant(entry) for entry in row] for row in rows])
    np.testing.assert_array_equal(found, rows.transpose(2, 0, 1))


# Gradients.


@pytest.mark.parametrize("of_maps", [False, True], ids=["images", "maps"])
def test_gradient_of_resample_agrees_with_finite_differences(of_maps):
    x, rng = pictures(2, 7, 5, 2), np.random.default_rng(2)
    maps = (0.7 * UNIT + rng.uniform(-0.05, 0.05, (2, 2, 3))).astype(np.float32)
    weights = rng.normal(size=x.shape).astype(np.float32)
    start = maps if of_maps else x

    def value(given):
        result = resample(x, given) if of_maps else resample(given, maps)
        return tf.reduce_sum(weights * result)

    given = tf.constant(start)
    with tf.GradientTape() as tape:
        tape.watch(given)
        y = value(given)
    gradient = tape.gradient(y, given).numpy()
    direction = rng.normal(size=start.shape).astype(np.float32)
    step = 1e-4 if of_maps else 1e-2
    expected = (value(start + step * direction) - value(start - step * direction)) / (2 * step)
    np.testing.assert_allclose(np.sum(gradient * direction), expected, rtol=2e-2)
