"""Validation losses, posteriors and bounds of the likelihood of real images."""

import keras
import numpy as np
import pytest

from evaluation import subject
from evaluation.validation import validation_losses
from metrics.measurement import Measurement
from models.autoencoder import Autoencoder
from models.vae import VAE
from tests.evaluation.cases import LIKELIHOODS, POSTERIORS, Bare, measure, reference_of


def small(cls, **hyperparameters):
    keras.utils.set_random_seed(0)
    return cls((4, 4, 1), network="mlp", width=8, depth=1, latent_dim=3, **hyperparameters)


def posteriors_of(model, data):
    return measure(model, reference_of(data), POSTERIORS)


def likelihoods_of(model, data, samples=5):
    return measure(model, reference_of(data), LIKELIHOODS, likelihood_samples=samples)


def test_posterior_metrics_are_those_of_the_test_images(unlabelled):
    model = small(VAE)
    found = posteriors_of(model, unlabelled)
    x = unlabelled.test.images / np.float32(127.5) - 1
    said = model.encoder(x)
    kl = (said["mean"] ** 2 + np.exp(said["log_variance"]) - said["log_variance"] - 1).numpy() / 2
    assert found["kl_loss"].value == pytest.approx(kl.sum(1).mean(), rel=1e-4)
    units = found["active_units"]
    assert units.value == (kl.mean(0) > 0.01).sum() > 0
    assert units.protocol["kl_of_dimensions"] == pytest.approx(
        sorted(kl.mean(0), reverse=True), abs=1e-4
    )
    assert (units.protocol["dimensions"], units.protocol["above"]) == (3, 0.01)
    assert "collapsed" not in units.protocol
    protocol = {"split": "test", "n_real": 120, "seed": 0, "codes": "draws of the posterior"}
    assert found["reconstruction_loss"].protocol == protocol


def test_posterior_that_is_not_finite_is_na_with_reason(unlabelled):
    model = small(VAE)
    head = model.encoder.get_layer("mean")
    head.set_weights([np.full_like(w, np.nan) for w in head.get_weights()])
    for metric in posteriors_of(model, unlabelled).values():
        assert metric.value is None
        assert "finite" in metric.protocol["reason"]


@pytest.mark.filterwarnings("error:Your input ran out of data")
def test_validation_losses_of_a_split_do_not_run_out_of_data(unlabelled):
    model = subject.of_model("model", small(VAE), {})
    losses = validation_losses(model, reference_of(unlabelled))
    assert losses["loss"] == pytest.approx(losses["reconstruction_loss"] + losses["kl_loss"])


def test_active_units_of_a_collapsed_posterior_are_0_and_reported(unlabelled):
    model = small(VAE)
    for name in ("mean", "log_variance"):
        head = model.encoder.get_layer(name)
        head.set_weights([np.zeros_like(w) for w in head.get_weights()])
    found = posteriors_of(model, unlabelled)
    assert found["kl_loss"].value == 0
    assert found["active_units"].value == 0
    assert found["active_units"].protocol["collapsed"]


def test_posterior_metrics_of_a_model_without_posterior_are_na_with_reason(unlabelled):
    found = posteriors_of(small(Autoencoder), unlabelled)
    assert found["reconstruction_loss"].value > 0
    assert found["reconstruction_loss"].protocol["codes"] == "as encoded"
    reason = {"reason": "Autoencoder has no posterior of codes"}
    assert found["kl_loss"] == found["active_units"] == Measurement(None, reason)
    found = posteriors_of(Bare((4, 4, 1)), unlabelled)
    assert [metric.value for metric in found.values()] == [None] * 3
    assert found["reconstruction_loss"].protocol["reason"] == "Bare has no validation loss"


def test_bounds_of_n_draws_record_their_number_and_likelihood(unlabelled):
    found = likelihoods_of(small(VAE), unlabelled, samples=7)
    assert list(found) == list(LIKELIHOODS)
    assert found["elbo"].value < found["importance_weighted_bound"].value
    protocol = {"split": "test", "n_real": 120, "samples": 7, "seed": 0}
    protocol["likelihood"] = "N(y, 1/2)"
    assert found["elbo"].protocol == {**protocol, "unit": "nats"}
    bits = np.log2(127.5) - found["importance_weighted_bound"].value / (16 * np.log(2))
    assert found["bits_per_dimension"].value == pytest.approx(bits)
    assert found["bits_per_dimension"].protocol == {**protocol, "dequantisation": "none"}
    one = likelihoods_of(small(VAE), unlabelled, samples=1)
    assert one["elbo"].value == one["importance_weighted_bound"].value


@pytest.mark.parametrize(
    ("told", "constant"),
    [
        ({}, 8 * np.log(np.pi)),  # of 16 pixels
        ({"reconstruction": "bernoulli", "binarisation": "threshold"}, 0.0),
    ],
)
def test_elbo_is_minus_the_losses_minus_a_constant(unlabelled, told, constant):
    model = small(VAE, **told)
    losses, bounds = posteriors_of(model, unlabelled), likelihoods_of(model, unlabelled, 200)
    loss = losses["reconstruction_loss"].value + losses["kl_loss"].value
    assert bounds["elbo"].value == pytest.approx(-loss - constant, rel=0.02)


def test_log_weights_are_a_function_of_the_seed():
    x = np.random.default_rng(0).uniform(-1, 1, (3, 4, 4, 1)).astype(np.float32)
    for model in (small(VAE), small(VAE, reconstruction="bernoulli")):
        first, same, other = (model.log_weights(x, 2, seed).numpy() for seed in (1, 1, 2))
        np.testing.assert_array_equal(first, same)
        assert not np.allclose(first, other)


def test_bits_per_dimension_of_binary_images_are_na_with_reason(unlabelled):
    found = likelihoods_of(small(VAE, reconstruction="bernoulli"), unlabelled)
    assert found["elbo"].value < 0
    assert found["bits_per_dimension"].value is None
    assert "Bernoulli" in found["bits_per_dimension"].protocol["reason"]


def test_bounds_of_a_model_without_likelihood_are_na_with_reason(unlabelled):
    reason = {"reason": "Autoencoder has no likelihood"}
    found = likelihoods_of(small(Autoencoder), unlabelled)
    assert found == dict.fromkeys(LIKELIHOODS, Measurement(None, reason))
