"""Affine copies: each change at its limit, and all of them together."""

import numpy as np
import pytest
import tensorflow as tf

from augmentation import copies
from augmentation.copies import affine_copies
from augmentation.operations import resample


def pictures(b=3, height=7, width=5, channels=2):
    rng = np.random.default_rng(0)
    return rng.uniform(-1, 1, (b, height, width, channels)).astype(np.float32)


def mapped(x, matrix):
    maps = np.broadcast_to(np.asarray(matrix, np.float32), (len(x), 2, 3))
    return resample(tf.constant(x), tf.constant(maps)).numpy()


def constant(value):
    """Return a `uniform` whose draws are this row for each example."""
    return lambda stream, shape: tf.broadcast_to(tf.constant(value, tf.float32), shape)


def test_affine_copies_of_draws_of_one_half_are_the_images():
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
def test_affine_copies_at_the_limit_of_one_change_have_its_matrix(which, matrix):
    x, u = pictures(), np.full(6, 0.5)
    u[which] = 1.0
    found = affine_copies(tf.constant(x), constant(u))
    np.testing.assert_allclose(found, mapped(x, matrix), atol=1e-5)
    upright = affine_copies(tf.constant(x), constant(u), upright=True)
    np.testing.assert_allclose(upright, x if which in (0, 1) else found, atol=1e-5)


@pytest.mark.parametrize("upright", [False, True])
def test_affine_copies_have_one_map_per_image_composed_of_all_changes(upright, monkeypatch):
    """The copy at p is the image at H R S p plus a shift: shear, rotation, scale and stretch."""
    monkeypatch.setattr(copies, "resample", lambda x, maps: maps)
    drawn = {}

    def uniform(stream, shape):
        drawn[stream] = np.random.default_rng(0).uniform(size=shape).astype(np.float32)
        return tf.constant(drawn[stream])

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


def test_affine_copies_compiled_by_xla_agree_with_eager():
    x = tf.constant(pictures())
    uniform = constant([0.1, 0.9, 0.3, 0.8, 0.2, 0.7])
    compiled = tf.function(lambda x: affine_copies(x, uniform), jit_compile=True)
    np.testing.assert_allclose(compiled(x), affine_copies(x, uniform), atol=1e-5)
