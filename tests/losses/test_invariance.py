"""Copies of images at other places: by hand, beside scipy, and within their limits."""

import numpy as np
import pytest
import scipy.ndimage
import tensorflow as tf

from losses import invariance
from losses.invariance import affine_copies, resample

UNIT = np.array([[1.0, 0, 0], [0, 1, 0]])


def pictures(b=3, height=7, width=5, channels=2):
    rng = np.random.default_rng(0)
    return rng.uniform(-1, 1, (b, height, width, channels)).astype(np.float32)


def mapped(x, matrix):
    maps = np.broadcast_to(np.asarray(matrix, np.float32), (len(x), 2, 3))
    return resample(tf.constant(x), tf.constant(maps)).numpy()


def constant(value):
    """A `uniform` that gives this row to each example."""
    return lambda purpose, shape: tf.broadcast_to(tf.constant(value, tf.float32), shape)


def test_the_unit_map_changes_nothing():
    x = pictures()
    np.testing.assert_allclose(mapped(x, UNIT), x, atol=1e-5)


def test_a_shift_by_a_pixel_repeats_the_edge():
    x = pictures()
    down = mapped(x, UNIT + np.array([[0, 0, 2 / 6], [0, 0, 0]]))  # what stood a row below
    np.testing.assert_allclose(down, np.concatenate([x[:, 1:], x[:, -1:]], 1), atol=1e-5)
    left = mapped(x, UNIT - np.array([[0, 0, 0], [0, 0, 2 / 4]]))  # what stood a column to the left
    np.testing.assert_allclose(left, np.concatenate([x[:, :, :1], x[:, :, :-1]], 2), atol=1e-5)


def test_a_quarter_turn_and_a_mirror():
    x = pictures(height=6, width=6)
    turned = mapped(x, [[0, 1, 0], [-1, 0, 0]])
    np.testing.assert_allclose(turned, np.rot90(x, axes=(1, 2)), atol=1e-5)
    np.testing.assert_allclose(mapped(x, [[1, 0, 0], [0, -1, 0]]), x[:, :, ::-1], atol=1e-5)


def test_any_map_is_that_of_scipy():
    x, rng = pictures(b=6, height=9, width=12), np.random.default_rng(1)
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


def test_without_a_change_a_copy_is_its_image():
    x = pictures()
    np.testing.assert_allclose(affine_copies(tf.constant(x), constant([0.5] * 6)), x, atol=1e-5)


@pytest.mark.parametrize(
    ("which", "matrix"),
    [
        (0, [[np.cos(0.35), np.sin(0.35), 0], [-np.sin(0.35), np.cos(0.35), 0]]),
        (1, [[1, 0, 0], [0.3, 1, 0]]),
        (2, [[np.exp(0.1), 0, 0], [0, np.exp(0.1), 0]]),
        (3, [[np.exp(-0.2), 0, 0], [0, np.exp(0.2), 0]]),
        (4, [[1, 0, 0.14], [0, 1, 0]]),
        (5, [[1, 0, 0], [0, 1, 0.14]]),
    ],
    ids=["rotation", "shear", "size", "stretch", "down", "right"],
)
def test_each_change_at_its_limit(which, matrix):
    x, u = pictures(), np.full(6, 0.5)
    u[which] = 1.0
    found = affine_copies(tf.constant(x), constant(u))
    np.testing.assert_allclose(found, mapped(x, matrix), atol=1e-5)
    upright = affine_copies(tf.constant(x), constant(u), upright=True)
    np.testing.assert_allclose(upright, x if which in (0, 1) else found, atol=1e-5)


@pytest.mark.parametrize("upright", [False, True])
def test_each_image_is_seen_through_a_map_of_its_own_that_is_of_the_changes_in_turn(
    upright, monkeypatch
):
    """Shift, stretch and resize, turn, shear: what stands at p stood at H R S p."""
    monkeypatch.setattr(invariance, "resample", lambda x, maps: maps)
    drawn = {}

    def uniform(purpose, shape):
        drawn[purpose] = np.random.default_rng(0).uniform(size=shape).astype(np.float32)
        return tf.constant(drawn[purpose])

    maps = affine_copies(tf.constant(pictures(b=50)), uniform, upright).numpy()
    (u,) = drawn.values()
    assert list(drawn) == ["upright copies" if upright else "affine copies"]
    for m, (turn, shear, size, stretch, *shift) in zip(maps, 2 * u - 1, strict=True):
        turn, shear = (0, 0) if upright else (0.35 * turn, 0.3 * shear)
        h = np.array([[1, 0], [shear, 1]])
        r = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
        s = np.exp(0.1 * size) * np.diag([np.exp(-0.2 * stretch), np.exp(0.2 * stretch)])
        np.testing.assert_allclose(m[:, :2], h @ r @ s, atol=1e-5)
        np.testing.assert_allclose(m[:, 2], 0.14 * np.array(shift), atol=1e-6)
        assert np.linalg.det(m[:, :2]) == pytest.approx(np.exp(0.2 * size), rel=1e-4)
    assert len(np.unique(maps.reshape(50, -1), axis=0)) == 50


def test_it_compiles_and_agrees():
    x = tf.constant(pictures())
    uniform = constant([0.1, 0.9, 0.3, 0.8, 0.2, 0.7])
    compiled = tf.function(lambda x: affine_copies(x, uniform), jit_compile=True)
    np.testing.assert_allclose(compiled(x), affine_copies(x, uniform), atol=1e-5)
