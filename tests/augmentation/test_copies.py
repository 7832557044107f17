"""Transformed copies: each change at its limit, all of them together, and their strength."""

import colorsys

import numpy as np
import pytest
import tensorflow as tf

from augmentation import copies, streams
from augmentation.changes import CHANGES
from augmentation.copies import FUNCTIONS, affine_copies
from augmentation.operations import resample

LIMITS = {name: option.default for c in CHANGES.values() for name, option in c.options.items()}
PHOTO = dict.fromkeys(("crop", "flip", "light", "colour"), 1.0)


def pictures(b=3, height=7, width=5, channels=2):
    rng = np.random.default_rng(0)
    return rng.uniform(-1, 1, (b, height, width, channels)).astype(np.float32)


def mapped(x, matrix):
    maps = np.broadcast_to(np.asarray(matrix, np.float32), (len(x), 2, 3))
    return resample(tf.constant(x), tf.constant(maps)).numpy()


def constant(value):
    """Return a `uniform` whose draws are this row for each example."""
    return lambda stream, shape: tf.broadcast_to(tf.constant(value, tf.float32), shape)


def by_stream(**draws):
    """Return a `uniform` whose draws are a row for each change."""
    return lambda stream, shape: tf.broadcast_to(
        tf.constant(draws[stream.split()[-1]], tf.float32), shape
    )


def changed(x, name, u, strength=1.0, **limits):
    """Return the copies by one change with the draws u."""
    return copies.copies(
        tf.constant(x), by_stream(**{name: u}), "s", {name: strength}, {**LIMITS, **limits}
    ).numpy()


def test_affine_copies_of_draws_of_one_half_are_the_images():
    x = pictures()
    found = affine_copies(tf.constant(x), constant([0.5] * 6), LIMITS)
    np.testing.assert_allclose(found, x, atol=1e-5)


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
    found = affine_copies(tf.constant(x), constant(u), LIMITS)
    np.testing.assert_allclose(found, mapped(x, matrix), atol=1e-5)
    np.testing.assert_allclose(changed(x, "affine", u), found, atol=1e-6)
    upright = affine_copies(tf.constant(x), constant(u), LIMITS, upright=True)
    np.testing.assert_allclose(upright, x if which in (0, 1) else found, atol=1e-5)


@pytest.mark.parametrize("upright", [False, True])
def test_affine_copies_have_one_map_per_image_composed_of_all_changes(upright, monkeypatch):
    """The copy at p is the image at H R S p plus a shift: shear, rotation, scale and stretch."""
    monkeypatch.setattr(copies, "resample", lambda x, maps: maps)
    drawn = {}

    def uniform(stream, shape):
        drawn[stream] = np.random.default_rng(0).uniform(size=shape).astype(np.float32)
        return tf.constant(drawn[stream])

    maps = affine_copies(tf.constant(pictures(b=50)), uniform, LIMITS, upright).numpy()
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
    compiled = tf.function(lambda x: affine_copies(x, uniform, LIMITS), jit_compile=True)
    np.testing.assert_allclose(compiled(x), affine_copies(x, uniform, LIMITS), atol=1e-5)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_each_declared_change_has_a_function_whose_strength_of_zero_changes_nothing(name):
    x = pictures(channels=3)
    u = np.random.default_rng(1).uniform(size=FUNCTIONS[name][1])
    np.testing.assert_array_equal(changed(x, name, u, strength=0.0), x)
    assert list(FUNCTIONS) == list(CHANGES)


def test_crops_are_resized_squares_within_the_image():
    """A side of 0.55 at the top right, then half way to it by the strength."""
    x = pictures(height=12, width=12)
    for strength, side in ((1.0, 0.55), (0.5, 0.775)):
        found = changed(x, "crop", [0.0, 0.0, 1.0], strength)
        off = 1 - side
        expected = mapped(x, [[side, 0, -off], [0, side, off]])
        np.testing.assert_allclose(found, expected, atol=1e-5)
    np.testing.assert_allclose(changed(x, "crop", [1.0, 0.3, 0.8]), x, atol=1e-5)
    corner = changed(x, "crop", [0.0, 0.0, 0.0])
    np.testing.assert_allclose(corner[:, 0, 0], x[:, 0, 0], atol=1e-5)


def test_mirrored_copies_are_mirrored_below_one_half():
    x = pictures()
    np.testing.assert_array_equal(changed(x, "flip", [0.49]), x[:, :, ::-1])
    np.testing.assert_array_equal(changed(x, "flip", [0.51]), x)


def test_light_scales_about_black_then_about_the_mean():
    x = pictures(channels=3)
    brighter = (x + 1) * 1.4 - 1
    np.testing.assert_allclose(changed(x, "light", [1.0, 0.5]), brighter, atol=1e-5)
    mean = x.mean((1, 2, 3), keepdims=True)
    lower = mean + 0.8 * (x - mean)
    np.testing.assert_allclose(changed(x, "light", [0.5, 0.0], strength=0.5), lower, atol=1e-5)


def test_colours_are_less_saturated_then_rotated_then_gray():
    x = pictures(channels=3)
    gray = x.mean(-1, keepdims=True)
    np.testing.assert_allclose(
        changed(x, "colour", [0.0, 0.5, 1.0]), gray + 0.2 * (x - gray), atol=1e-5
    )
    np.testing.assert_allclose(
        changed(x, "colour", [0.5, 0.5, 0.1]), np.broadcast_to(gray, x.shape), atol=1e-5
    )
    np.testing.assert_allclose(changed(x, "colour", [0.5, 0.5, 0.1], strength=0.4), x, atol=1e-5)


def test_hue_of_a_third_of_a_turn_exchanges_the_channels():
    """Red becomes green; the mean of the channels and gray stay."""
    x = pictures(channels=3)
    turned = changed(x, "colour", [0.5, 1.0, 1.0], copy_hue=2 * np.pi / 3)
    np.testing.assert_allclose(turned, np.roll(x, 1, axis=-1), atol=1e-5)
    red = np.zeros((1, 2, 2, 3), np.float32)
    red[..., 0] = 1
    green = changed(red, "colour", [0.5, 1.0, 1.0], copy_hue=2 * np.pi / 3)[0, 0, 0]
    assert colorsys.rgb_to_hsv(*green)[0] == pytest.approx(1 / 3, abs=1e-5)
    small = changed(x, "colour", [0.5, 1.0, 1.0])
    np.testing.assert_allclose(small.mean(-1), x.mean(-1), atol=1e-5)
    np.testing.assert_allclose(
        np.linalg.norm(small - small.mean(-1, keepdims=True), axis=-1),
        np.linalg.norm(x - x.mean(-1, keepdims=True), axis=-1),
        atol=1e-5,
    )


def test_copies_apply_the_selected_changes_in_the_order_of_their_declaration():
    x = pictures(channels=3)
    draws = {"crop": [0.2, 0.4, 0.9], "flip": [0.1], "light": [0.9, 0.2]}
    draws["colour"] = [0.8, 0.7, 0.9]
    expected = x
    for name, u in draws.items():
        expected = changed(expected, name, u)
    found = copies.copies(
        tf.constant(x), by_stream(**draws), "s", dict(reversed(PHOTO.items())), LIMITS
    )
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_copies_draw_from_a_stream_per_change_and_differ_within_the_batch():
    x, drawn = np.repeat(pictures(1, channels=3), 8, 0), []

    def uniform(stream, shape):
        drawn.append(stream)
        return tf.random.stateless_uniform(shape, [len(drawn), 0])

    found = copies.copies(tf.constant(x), uniform, streams.COPIES[0], PHOTO, LIMITS).numpy()
    assert drawn == [f"copies a {name}" for name in PHOTO]
    assert len(np.unique(found.reshape(8, -1), axis=0)) == 8


def test_copies_are_differentiable_and_compile():
    x = tf.constant(pictures(channels=3))
    draws = {"crop": [0.2, 0.4, 0.9], "flip": [0.1], "light": [0.9, 0.2]}
    draws["colour"] = [0.8, 0.7, 0.9]

    def of(x):
        return copies.copies(x, by_stream(**draws), "s", PHOTO, LIMITS)

    with tf.GradientTape() as tape:
        tape.watch(x)
        value = tf.reduce_sum(of(x) ** 2)
    gradient = tape.gradient(value, x).numpy()
    assert np.isfinite(gradient).all()
    assert np.abs(gradient).max() > 0
    np.testing.assert_allclose(tf.function(of, jit_compile=True)(x), of(x), atol=1e-5)
