"""Autoencoder, VAE and beta-VAE: their losses, and the solutions of linear ones."""

import keras
import numpy as np
import pytest
import scipy.special
import scipy.stats
import tensorflow as tf

from errors import UserError
from losses.divergence import gaussian_kl
from models import inputs
from models.abilities import LIKELIHOOD
from models.autoencoder import Autoencoder
from models.base import ACTIVE
from models.vae import VAE, BetaVAE

SHAPE = (2, 2, 1)


def images(n=6, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, (n, *SHAPE)).astype(np.float32)


class Linear:
    """Encoder and decoder of one linear layer each, for calculations by hand."""

    def build_encoder(self):
        x = keras.Input(self.image_shape)
        h = keras.layers.Flatten()(x)
        heads = {name: keras.layers.Dense(self.hp.latent_dim, name=name)(h) for name in self.heads}
        return keras.Model(x, heads)

    def build_decoder(self):
        z = keras.Input((self.hp.latent_dim,))
        return keras.Model(z, keras.layers.Reshape(self.image_shape)(keras.layers.Dense(4)(z)))


@pytest.fixture(scope="module")
def any_range():
    """Let images be of any range, such as Gaussian ones."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inputs, "TOLERANCE", np.inf)
        yield


@pytest.fixture
def linear():
    """(model class, **hyperparameters) -> a compiled model with linear networks."""

    def build(cls, rate=1e-3, **hyperparameters):
        keras.utils.set_random_seed(0)
        made = type(f"Linear{cls.__name__}", (Linear, cls), {})
        model = made(SHAPE, **{"latent_dim": 3, "network": "mlp", **hyperparameters})
        model.compile(optimizers={"autoencoder": keras.optimizers.Adam(rate)})
        return model

    return build


def gradients_of(model, x):
    batch = model.make_batch(tf.constant(x), 0, "train", 0)
    with tf.GradientTape() as tape:
        _, terms = model.forward(batch, training=True)
        loss = model.total_loss(terms, training=True)
    variables = [v for v in model.trainable_variables if "log_variance" not in v.path]
    return float(loss), tape.gradient(loss, variables)


def test_vae_without_noise_and_divergence_equals_an_autoencoder(linear, monkeypatch):
    monkeypatch.setattr(VAE, "infer_codes", lambda self, output, batch: output["mean"])
    plain, vae = linear(Autoencoder), linear(BetaVAE, beta=0.0)
    shared = [v for v in vae.trainable_variables if "log_variance" not in v.path]
    for target, source in zip(shared, plain.trainable_variables, strict=True):
        target.assign(source)
    (loss, found), (same, others) = gradients_of(plain, images()), gradients_of(vae, images())
    assert loss == same
    for mine, other in zip(found, others, strict=True):
        np.testing.assert_array_equal(mine, other)


def test_autoencoder_minimises_the_summed_squared_error(linear, take_step):
    model, x = linear(Autoencoder), images()
    y = model.reconstruct(x)
    expected = np.mean(np.sum((x - y) ** 2, axis=(1, 2, 3)))
    scalars = take_step(model, x)
    assert scalars["loss"] == scalars["reconstruction_loss"] == pytest.approx(expected, rel=1e-5)
    assert "kl_loss" not in scalars


@pytest.mark.parametrize("beta", [0.0, 0.5, 3.0])
def test_beta_vae_minimises_the_reconstruction_loss_and_beta_times_the_divergence(
    linear, take_step, beta
):
    """The noise depends on seed, step and random stream."""
    model, x = linear(BetaVAE, beta=beta), images()
    found = model.encoder(x)
    epsilon = model.make_batch(tf.constant(x), 0, "train", 0).normal("encoder", (6, 3))
    z = found["mean"] + tf.exp(found["log_variance"] / 2) * epsilon
    error = np.mean(np.sum((x - model.decoder(z)) ** 2, axis=(1, 2, 3)))
    kl = np.mean(np.sum(gaussian_kl(found["mean"], found["log_variance"]), axis=1))
    scalars = take_step(model, x)
    assert scalars["reconstruction_loss"] == pytest.approx(error, rel=1e-5)
    assert scalars["kl_loss"] == pytest.approx(kl, rel=1e-5)
    assert scalars["loss"] == pytest.approx(error + beta * kl, rel=1e-5)
    assert scalars["kl_weight"] == beta


def test_free_bits_change_the_loss_and_not_the_logged_divergence(linear, take_step):
    plain = take_step(linear(VAE), images())
    free = take_step(linear(VAE, free_bits=10.0), images())
    assert free["kl_loss"] == plain["kl_loss"] < 30
    assert free["loss"] == pytest.approx(plain["reconstruction_loss"] + 30, rel=1e-5)


def test_kl_weight_follows_its_schedule_per_step(linear, take_step):
    model = linear(BetaVAE, beta=2.0, beta_schedule="linear", beta_warmup_epochs=2)
    model.before_training(images_per_epoch=5 * len(images()), images=100 * len(images()))
    found = [take_step(model, images())["kl_weight"] for _ in range(12)]
    np.testing.assert_allclose(found, [0.2 * min(step, 10) for step in range(12)], rtol=1e-6)

    model = linear(BetaVAE, beta=2.0, beta_schedule="cyclical", beta_warmup_epochs=1)
    model.before_training(images_per_epoch=4 * len(images()), images=100 * len(images()))
    found = [take_step(model, images())["kl_weight"] for _ in range(6)]
    np.testing.assert_allclose(found, [0, 1, 2, 2, 0, 1])


@pytest.mark.parametrize("schedule", ["linear", "cyclical"])
def test_loss_of_a_test_set_has_the_full_kl_weight(linear, schedule):
    """The length of an epoch is not needed; beta may be an int."""
    scheduled = linear(BetaVAE, beta=2, beta_schedule=schedule)
    x = tf.constant(images())
    found = scheduled.validate(x)
    assert found["loss"] == found["reconstruction_loss"] + 2 * found["kl_loss"]
    assert linear(BetaVAE, beta=2).validate(x) == found


def test_step_of_a_schedule_without_the_epoch_length_raises(linear, take_step):
    model = linear(BetaVAE, beta_schedule="linear")
    with pytest.raises(ValueError, match=r"^the schedule of beta requires model\.before_"):
        take_step(model, images())


# Bernoulli pixels.


def test_bernoulli_pixels_are_drawn_in_each_step(linear):
    model = linear(VAE, reconstruction="bernoulli")
    x = tf.constant(np.full((400, *SHAPE), 0.5, np.float32))  # a probability of 3/4
    first, second, same = (model.make_batch(x, 0, "train", step).x.numpy() for step in (0, 1, 0))
    assert set(np.unique(first)) == {-1.0, 1.0}
    assert np.mean(first == 1) == pytest.approx(0.75, abs=0.04)
    np.testing.assert_array_equal(first, same)
    assert np.mean(first != second) == pytest.approx(2 * 0.75 * 0.25, abs=0.04)


@pytest.mark.parametrize("binarisation", ["none", "threshold"])
def test_bernoulli_pixels_without_draws_are_kept_or_thresholded(linear, binarisation):
    model, x = linear(VAE, reconstruction="bernoulli", binarisation=binarisation), images()
    expected = x if binarisation == "none" else np.where(x > 0, 1, -1)
    np.testing.assert_array_equal(model.make_batch(tf.constant(x), 0, "train", 0).x, expected)


def test_images_of_bernoulli_logits_are_probabilities(linear):
    model = linear(VAE, reconstruction="bernoulli")
    z = tf.random.normal((5, 3), seed=1)
    p = scipy.special.expit(model.decoder(z).numpy())
    np.testing.assert_allclose(model.generate({"noise": z}), 2 * p - 1, rtol=1e-4, atol=1e-6)


def test_likelihood_of_images_that_are_not_binary_is_lacking(linear):
    model = linear(VAE, reconstruction="bernoulli", binarisation="none")
    reason = "LinearVAE has no likelihood with binarisation=none; use threshold or sampled"
    assert model.lacks(LIKELIHOOD) == reason
    with pytest.raises(UserError, match=reason):
        model.log_weights(images(), 2)


def test_posterior_is_of_the_images_of_the_losses(linear):
    model, x = linear(VAE, reconstruction="bernoulli"), images()
    total = float(tf.reduce_mean(tf.reduce_sum(model.posterior_kl(x), axis=1)))
    assert float(model.validate(tf.constant(x))["kl_loss"]) == pytest.approx(total, rel=1e-5)


# Images that are not trained on.


def test_validate_of_uint8_and_of_equal_floats_has_the_same_draws(linear):
    model = linear(VAE)
    levels = np.arange(256, dtype=np.uint8).reshape(64, *SHAPE)
    found = [
        float(model.validate(tf.constant(x))["loss"])
        for x in (levels, levels / np.float32(127.5) - 1, np.float32(levels / 127.5 - 1))
    ]
    np.testing.assert_allclose(found, found[0], rtol=1e-5)


def test_evaluate_returns_means_over_all_images(linear):
    """In batches of four, four and two; the draws are the same in each evaluation."""
    model, x = linear(VAE), images(10)
    batches = tf.data.Dataset.from_tensor_slices(x).batch(4)
    found = model.evaluate(batches, return_dict=True, verbose=0)
    by_hand = [model.validate(tf.constant(x[k : k + 4])) for k in (0, 4, 8)]
    for name, value in found.items():
        parts = [float(scalars[name]) for scalars in by_hand]
        assert value == pytest.approx(np.average(parts, weights=[4, 4, 2]), rel=1e-5)
    assert set(found) == {"loss", "reconstruction_loss", "kl_loss"}
    assert model.evaluate(batches, return_dict=True, verbose=0) == found
    assert int(model.step) == 0


@pytest.mark.slow
def test_evaluate_during_a_training_keeps_its_means_and_state(linear, state_of):
    model = linear(VAE)
    data = tf.data.Dataset.from_tensor_slices(images()).batch(3)

    class Testing(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            before = state_of(self.model)
            self.model.evaluate(data, verbose=0)
            after = state_of(self.model)
            assert all(np.array_equal(after[key], before[key]) for key in before)
            assert before.keys() == after.keys()

    alone = linear(VAE).fit(data, verbose=0).history
    tested = model.fit(data, callbacks=[Testing()], verbose=0).history
    assert tested == alone
    validated = linear(VAE).fit(data, validation_data=data, verbose=0).history
    assert {name: validated[name] for name in alone} == alone
    assert set(validated) - set(alone) == {"val_loss", "val_reconstruction_loss", "val_kl_loss"}


# Linear models.


class Gaussian:
    """Images x = W z + noise of variance 1/2, in four dimensions, with two latents."""

    rotation = scipy.stats.ortho_group(4, seed=3).rvs()
    variances = np.array([6.0, 3.0, 0.5, 0.5])
    covariance = rotation @ np.diag(variances) @ rotation.T
    principal = rotation[:, :2]

    @classmethod
    def draw(cls, n, seed):
        x = np.random.default_rng(seed).multivariate_normal(np.zeros(4), cls.covariance, n)
        return x.reshape(n, *SHAPE).astype(np.float32)


@pytest.fixture(scope="module")
def fitted(any_range):
    """Linear VAE of Gaussian images, with two latents more than needed."""
    keras.utils.set_random_seed(0)
    model = type("LinearVAE", (Linear, VAE), {})(SHAPE, latent_dim=4, network="mlp")
    rate = keras.optimizers.schedules.CosineDecay(5e-2, 1500)
    model.compile(optimizers={"autoencoder": keras.optimizers.Adam(rate)}, steps_per_execution=50)
    data = tf.data.Dataset.from_tensor_slices(Gaussian.draw(51_200, 0)).repeat().batch(256)
    model.fit(data, steps_per_epoch=1500, verbose=0)
    return model


@pytest.mark.slow
def test_linear_vae_recovers_the_principal_subspace(fitted):
    """W W^T = U (L - 1/2) U^T (Tipping and Bishop 1999; Lucas et al. 2019)."""
    axes, lengths, _ = np.linalg.svd(fitted.decoder.layers[1].kernel.numpy().T)
    angles = np.linalg.svd(Gaussian.principal.T @ axes[:, :2])[1]
    assert (angles > 0.995).all(), angles
    np.testing.assert_allclose(lengths**2, [5.5, 2.5, 0, 0], atol=0.2)


@pytest.mark.slow
def test_bounds_of_a_linear_vae_equal_the_likelihood(fitted):
    """The true posterior of a linear VAE is Gaussian, so that the bounds are tight."""
    x = Gaussian.draw(500, 1)
    exact = scipy.stats.multivariate_normal(np.zeros(4), Gaussian.covariance)
    weights = fitted.log_weights(x, 100).numpy()
    assert weights.shape == (100, 500)
    bound = scipy.special.logsumexp(weights, axis=0) - np.log(100)
    assert bound.mean() == pytest.approx(exact.logpdf(x.reshape(500, 4)).mean(), abs=0.05)
    assert weights.mean() == pytest.approx(bound.mean(), abs=0.05)


def test_superfluous_latents_of_a_linear_vae_collapse(fitted):
    kl = np.mean(fitted.posterior_kl(Gaussian.draw(2000, 1)), axis=0)
    order = fitted.active_dimensions()
    assert (kl[order[:2]] > 0.5).all()
    assert (kl[order[2:]] < ACTIVE).all()


@pytest.mark.slow
def test_active_units_with_a_large_beta_fall_to_0(linear, any_range):
    model = linear(BetaVAE, rate=2e-2, beta=50.0)
    data = tf.data.Dataset.from_tensor_slices(Gaussian.draw(128, 0)).repeat().batch(128)
    assert model.fit(data, steps_per_epoch=1, verbose=0).history["active_units"] == [3.0]
    model.fit(data, steps_per_epoch=600, verbose=0)
    assert model.fit(data, steps_per_epoch=1, verbose=0).history["active_units"] == [0.0]
    assert (np.mean(model.posterior_kl(Gaussian.draw(500, 1)), axis=0) < ACTIVE).all()


# The plain autoencoder's samples.


def test_sample_of_an_autoencoder_is_of_a_gaussian_fitted_to_its_codes(linear, any_range):
    model = linear(Autoencoder, latent_dim=4, rate=0.0)
    data = tf.data.Dataset.from_tensor_slices(Gaussian.draw(512 * 400, 0)).batch(512)
    model.fit(data, verbose=0)
    codes = model.encode(Gaussian.draw(50_000, 1))
    network = model.generator_network()
    latents = model.latents.draw(50_000, 0)["noise"]
    drawn = keras.Model(network.input, network.get_layer("fitted_gaussian").output)(latents).numpy()
    np.testing.assert_allclose(drawn.mean(0), codes.mean(0), atol=0.1)
    scale = np.abs(np.cov(codes.T)).max()
    np.testing.assert_allclose(np.cov(drawn.T), np.cov(codes.T), atol=0.05 * scale)
    np.testing.assert_allclose(network(latents[:5]), model.decoder(drawn[:5]), atol=1e-4)

    # The latents are principal axes in descending order.
    axes = network.get_layer("fitted_gaussian").kernel.numpy()
    lengths = np.linalg.norm(axes, axis=1)
    assert (np.diff(lengths) <= 0).all()
    assert lengths[0] ** 2 == pytest.approx(np.linalg.eigvalsh(np.cov(codes.T))[-1], rel=0.1)
    assert model.active_dimensions() == [0, 1, 2, 3]


def test_fitted_gaussian_forgets_the_first_codes(linear):
    """The rate of step t is 1 - min(0.99, (1 + t) / (10 + t))."""
    model, x = linear(Autoencoder, rate=0.0), images()
    model.train_step(tf.constant(x))
    codes = model.encode(x)
    np.testing.assert_allclose(model.code_mean, 0.9 * codes.mean(0), rtol=1e-5, atol=1e-6)
    centred = codes - 0.9 * codes.mean(0)
    expected = 0.1 * np.eye(3) + 0.9 * centred.T @ centred / 6
    np.testing.assert_allclose(model.code_covariance, expected, rtol=1e-4, atol=1e-5)
