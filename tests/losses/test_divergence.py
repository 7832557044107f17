"""KL divergence of a Gaussian posterior: closed form, Monte Carlo estimate, gradient."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from losses.divergence import gaussian_kl, with_free_bits

tfd = tfp.distributions
RNG = np.random.default_rng(0)
MEAN, LOG_VARIANCE = RNG.normal(size=(2, 6, 3)).astype(np.float32)


def test_gaussian_kl_is_the_closed_form_and_not_negative():
    kl = gaussian_kl(MEAN, LOG_VARIANCE)
    formula = (MEAN**2 + np.exp(LOG_VARIANCE) - LOG_VARIANCE - 1) / 2
    np.testing.assert_allclose(kl, formula, rtol=1e-5, atol=1e-6)
    assert (kl.numpy() >= 0).all()
    np.testing.assert_allclose(gaussian_kl(tf.zeros((1, 2)), tf.zeros((1, 2))), [[0, 0]], atol=1e-7)


def test_gaussian_kl_agrees_with_a_monte_carlo_estimate():
    deviation = np.exp(LOG_VARIANCE / 2)
    posterior, prior = tfd.Normal(MEAN, deviation), tfd.Normal(0.0, 1.0)
    z = posterior.sample(200_000, seed=[1, 2])
    ratios = (posterior.log_prob(z) - prior.log_prob(z)).numpy()
    tolerance = 5 * ratios.std(0) / np.sqrt(len(ratios))
    difference = np.abs(ratios.mean(0) - gaussian_kl(MEAN, LOG_VARIANCE).numpy())
    assert (difference < tolerance + 1e-4).all()


def test_gaussian_kl_gradient_is_the_closed_form():
    mean, log_variance = tf.constant(MEAN), tf.constant(LOG_VARIANCE)
    with tf.GradientTape() as tape:
        tape.watch([mean, log_variance])
        total = tf.reduce_sum(gaussian_kl(mean, log_variance))
    mean_gradient, variance_gradient = tape.gradient(total, [mean, log_variance])
    np.testing.assert_allclose(mean_gradient, MEAN, rtol=1e-5)
    np.testing.assert_allclose(
        variance_gradient, (np.exp(LOG_VARIANCE) - 1) / 2, rtol=1e-4, atol=1e-6
    )


@pytest.mark.parametrize(("free_bits", "total"), [(0.0, 3.5), (0.5, 3.5), (1.0, 4.0), (5.0, 10.0)])
def test_free_bits_are_a_floor_of_the_batch_mean_per_dimension(free_bits, total):
    """The means are 0.5 and 3. Only the mean is compared with the floor, not each image."""
    kl = tf.constant([[0.0, 1.0], [1.0, 5.0]])
    assert float(with_free_bits(kl, free_bits)) == total


def test_free_bits_below_the_floor_have_no_gradient():
    kl = tf.constant([[0.0, 1.0], [1.0, 5.0]])
    with tf.GradientTape() as tape:
        tape.watch(kl)
        loss = with_free_bits(kl, 1.0)
    np.testing.assert_array_equal(tape.gradient(loss, kl), [[0, 0.5], [0, 0.5]])
