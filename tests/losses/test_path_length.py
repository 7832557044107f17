"""Path lengths of generators with a known Jacobian."""

import numpy as np
import pytest
import tensorflow as tf

from losses.path_length import path_length_penalty, path_lengths


@pytest.fixture
def draw():
    rng = np.random.default_rng(0)
    return lambda *shape: tf.constant(rng.normal(size=shape), tf.float32)


def test_path_lengths_of_a_linear_generator_are_the_closed_form(draw):
    """G(w) = A mean(w) over layers, so the Jacobian of each layer is A / layers."""
    a, y, w = draw(3 * 4 * 2, 5), draw(6, 3, 4, 2), draw(6, 1, 5)

    def synthesise(w):
        return tf.reshape(tf.reduce_mean(w, axis=1) @ tf.transpose(a), [-1, 3, 4, 2])

    products = tf.reshape(y, [6, -1]).numpy() @ a.numpy()
    lengths = path_lengths(synthesise, w, y)
    np.testing.assert_allclose(lengths, np.linalg.norm(products, axis=1), rtol=1e-5)
    four = path_lengths(synthesise, tf.repeat(w, 4, axis=1), y)
    np.testing.assert_allclose(four, np.linalg.norm(products, axis=1) / 4, rtol=1e-5)


def test_path_lengths_of_an_orthogonal_generator_have_the_expected_mean_square(draw):
    """For orthonormal columns of J, |J^T y|² has the mean d s² over y ~ N(0, s²)."""
    q, _ = np.linalg.qr(draw(64, 8))
    q = tf.constant(q, tf.float32)
    y = draw(5000, 8, 8, 1) / 8
    lengths = path_lengths(
        lambda w: tf.reshape(w[:, 0] @ tf.transpose(q), [-1, 8, 8, 1]), draw(5000, 1, 8), y
    )
    assert np.mean(np.square(lengths)) == pytest.approx(8 / 64, rel=0.03)


def test_path_lengths_count_an_unused_layer_as_zero(draw):
    y, w = draw(6, 2, 2, 1), draw(6, 2, 4)
    lengths = path_lengths(lambda w: tf.reshape(3 * w[:, 1], [-1, 2, 2, 1]), w, y)
    norms = np.linalg.norm(tf.reshape(y, [6, -1]), axis=1)
    np.testing.assert_allclose(lengths, 3 * norms / np.sqrt(2), rtol=1e-5)


def test_path_length_penalty_is_the_squared_distance_from_the_mean():
    lengths = tf.constant([0.0, 1.0, 4.0])
    np.testing.assert_allclose(path_length_penalty(lengths, 1.5), [2.25, 0.25, 6.25])


def test_path_length_penalty_gradient_matches_finite_differences(draw):
    """The generator is a tanh(w); the gradient with respect to a is of second order."""
    y, w = draw(6, 2, 2, 1), draw(6, 1, 4)

    def mean_penalty(a):
        def synthesise(w):
            return tf.reshape(a * tf.tanh(w[:, 0]), [-1, 2, 2, 1])

        return tf.reduce_mean(path_length_penalty(path_lengths(synthesise, w, y), 0.7))

    a, step = tf.constant(1.3), 1e-2
    with tf.GradientTape() as tape:
        tape.watch(a)
        value = mean_penalty(a)
    difference = (mean_penalty(a + step) - mean_penalty(a - step)) / (2 * step)
    np.testing.assert_allclose(tape.gradient(value, a), difference, rtol=1e-3)


def test_path_lengths_of_a_constant_generator_are_zero_with_finite_gradient(draw):
    y, w, a = draw(6, 2, 2, 1), draw(6, 1, 4), tf.constant(0.0)
    with tf.GradientTape() as tape:
        tape.watch(a)
        lengths = path_lengths(lambda w: a * tf.reshape(w, [-1, 2, 2, 1]), w, y)
        value = tf.reduce_mean(path_length_penalty(lengths, 1.0))
    assert np.max(lengths) < 1e-15
    assert np.isfinite(tape.gradient(value, a))
