"""Bounds of likelihoods: by hand, in order, and tight where they are exact."""

import numpy as np
import pytest
import scipy.stats

from metrics.likelihood import bits_per_dimension, elbo, importance_weighted_bound
from metrics.measurement import MetricError


def test_bounds_equal_values_by_hand():
    """Weights 1 and 3 of one image, 2 and 2 of another."""
    log_weights = np.log([[1.0, 2.0], [3.0, 2.0]])
    np.testing.assert_allclose(elbo(log_weights), [np.log(3) / 2, np.log(2)])
    np.testing.assert_allclose(importance_weighted_bound(log_weights), [np.log(2), np.log(2)])


def test_bounds_of_more_samples_rise_to_the_likelihood():
    """Z is N(0, 1) and x is N(z, 1), so that x is N(0, 2); q is off the posterior N(x/2, 1/2)."""
    rng, x = np.random.default_rng(0), np.array([-1.0, 0.3, 2.0])
    q = scipy.stats.norm(x / 2 + 0.4, 0.9)
    z = q.rvs((20_000, 3), random_state=rng)
    norm = scipy.stats.norm
    log_weights = norm.logpdf(z) + norm.logpdf(x, z) - q.logpdf(z)
    exact = norm.logpdf(x, scale=np.sqrt(2))
    few = importance_weighted_bound(log_weights[:, None].reshape(10, -1)).reshape(2000, 3).mean(0)
    many = importance_weighted_bound(log_weights)
    assert (elbo(log_weights) < few - 0.05).all()
    assert (few < many).all()
    np.testing.assert_allclose(many, exact, atol=0.02)
    kl = np.log(np.sqrt(0.5) / 0.9) + (0.81 + 0.16) - 0.5
    np.testing.assert_allclose(elbo(log_weights), exact - kl, atol=0.03)


def test_importance_weighted_bound_of_very_unlikely_images_is_finite():
    np.testing.assert_allclose(importance_weighted_bound(np.full((5, 2), -1e5)), [-1e5, -1e5])


def test_bits_per_dimension_are_of_cells_of_eight_bits():
    """A uniform density over [-1, 1) is 1/2 per dimension: 255 cells, so log2 of 255."""
    nats = 12 * np.log(0.5)
    assert bits_per_dimension(nats, 12) == pytest.approx(np.log2(255))
    assert bits_per_dimension(nats + 12 * np.log(2), 12) == pytest.approx(np.log2(255) - 1)


def test_bounds_of_weights_that_are_not_finite_raise():
    for bound in (elbo, importance_weighted_bound):
        with pytest.raises(MetricError):
            bound(np.array([[0.0], [np.nan]]))
