"""Reconstruction errors against closed forms and scipy."""

import numpy as np
import scipy.special
import scipy.stats
import tensorflow as tf

from losses.reconstruction import (
    RECONSTRUCTIONS,
    bernoulli_nll,
    mean_squared_error,
    summed_squared_error,
)

X, Y = np.random.default_rng(0).uniform(-1, 1, (2, 5, 2, 3, 1))


def test_mean_squared_error_and_its_gradient_are_means_over_each_image():
    y = tf.constant(Y)
    with tf.GradientTape() as tape:
        tape.watch(y)
        error = mean_squared_error(tf.constant(X), y)
        total = tf.reduce_sum(error)
    np.testing.assert_allclose(error, [np.mean((X[k] - Y[k]) ** 2) for k in range(5)])
    np.testing.assert_allclose(tape.gradient(total, y), 2 * (Y - X) / 6)


def test_summed_squared_error_is_the_sum_over_each_image():
    expected = [np.sum((X[k] - Y[k]) ** 2) for k in range(5)]
    np.testing.assert_allclose(summed_squared_error(tf.constant(X), tf.constant(Y)), expected)


def test_summed_squared_error_is_minus_a_log_density_up_to_a_constant():
    log_density = scipy.stats.norm(Y, np.sqrt(0.5)).logpdf(X).sum((1, 2, 3))
    error = summed_squared_error(tf.constant(X), tf.constant(Y))
    np.testing.assert_allclose(error + 0.5 * 6 * np.log(np.pi), -log_density)


def test_bernoulli_nll_of_binary_pixels_is_that_of_scipy():
    x = np.where(X > 0, 1.0, -1.0)
    logits = tf.constant(3 * Y)
    with tf.GradientTape() as tape:
        tape.watch(logits)
        nll = bernoulli_nll(tf.constant(x), logits)
        total = tf.reduce_sum(nll)
    p = scipy.special.expit(3 * Y)
    np.testing.assert_allclose(nll, -scipy.stats.bernoulli(p).logpmf(x > 0).sum((1, 2, 3)))
    np.testing.assert_allclose(tape.gradient(total, logits), p - (x > 0))


def test_bernoulli_nll_of_a_gray_pixel_equals_value_by_hand():
    """For t = 1/4 and a logit of log 3 it is -(log(3/4) / 4 + 3 log(1/4) / 4)."""
    nll = bernoulli_nll(tf.constant([[[[-0.5]]]]), tf.constant([[[[np.log(3.0)]]]], tf.float32))
    np.testing.assert_allclose(nll, [-(np.log(0.75) + 3 * np.log(0.25)) / 4], rtol=1e-6)


def test_reconstructions_declare_logits_and_densities_correctly():
    """The mean of p(x|z) is -1 or 1 for large values of logits, and the value itself otherwise."""
    x, values = tf.ones([1, 2, 2, 1]), tf.fill([1, 2, 2, 1], 50.0)
    for reconstruction in RECONSTRUCTIONS.values():
        (error,) = reconstruction.make(x, values).numpy()
        assert (error < 1e-6) == reconstruction.of_logits
    assert {r.make: r.is_density for r in RECONSTRUCTIONS.values()} == {
        summed_squared_error: True,
        bernoulli_nll: False,
    }
