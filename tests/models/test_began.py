"""BEGAN against sections 3.1 to 3.4 of Berthelot et al. 2017, calculated in numpy."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from models import BEGAN

SMALL = {"width": 6, "depth": 1, "hidden_dim": 3, "noise_dim": 4}


def make(cls=BEGAN, optimizers=None, k=None, **changes):
    keras.utils.set_random_seed(0)
    model = cls((2, 2, 1), **{"network": "mlp", **SMALL, **changes})
    model.compile(optimizers=optimizers)
    if k is not None:
        model.k.assign(k)
    return model


def spy(scores, fakes):
    """Return a BEGAN that records the mean scores (L(x), L(G(z))), and the generated images."""

    class Spy(BEGAN):
        def fake_inputs(self, batch):
            fakes.append(super().fake_inputs(batch))
            return fakes[-1]

        def after_discriminator_update(self, real, fake, batch):
            scores.append(tuple(np.mean(np.array(x["d"], np.float64)) for x in (real, fake)))
            return super().after_discriminator_update(real, fake, batch)

    return Spy


def reconstruction_loss(model, v):
    """Return the mean of |v - D(v)| over all pixels: section 3.1."""
    v = np.asarray(v, np.float64)
    return np.abs(v - np.asarray(model.discriminator(v), np.float64)).mean()


def test_discriminator_is_an_autoencoder_with_a_code(tiny, batches):
    for network in ("mlp", "dcgan"):
        model = tiny("began", network=network, hidden_dim=7)
        x = batches(1)[0][0].astype(np.float32) / 127.5 - 1
        assert model.discriminator(x).shape == x.shape
        trunk, code, decoder = model.discriminator.layers
        assert code(trunk(x)).shape == (4, 7)
        assert decoder(np.zeros((4, 7))).shape == x.shape
        assert np.abs(model.discriminator(100 * x)).max() > 1  # the last layer is linear
        assert len(model.discriminate(x, None)["d"].shape) == 1


def test_step_logs_the_losses_of_the_reconstructions(pictures, take_step):
    """D minimises L(x) - k L(G(z)), and G minimises L(G(z)) against the updated D."""
    scores, fakes = [], []
    model = make(spy(scores, fakes), k=0.4)
    before = make()
    before.discriminator.set_weights(model.discriminator.get_weights())
    x = pictures(5)
    scalars = take_step(model, x)
    real, fake = reconstruction_loss(before, x), reconstruction_loss(before, fakes[0])
    np.testing.assert_allclose(scores[0], (real, fake), rtol=1e-5)
    np.testing.assert_allclose(scalars["d_loss_real"], real, rtol=1e-5)
    np.testing.assert_allclose(scalars["d_loss_fake"], -0.4 * fake, rtol=1e-5)
    np.testing.assert_allclose(scalars["d_loss"], real - 0.4 * fake, rtol=1e-5)
    np.testing.assert_allclose(scalars["g_loss"], reconstruction_loss(model, fakes[0]), rtol=1e-5)
    assert not any("accuracy" in name for name in scalars)


def test_first_step_with_k_0_omits_generated_images(pictures, take_step):
    model = make()
    assert float(model.k) == 0
    scalars = take_step(model, pictures(5))
    assert scalars["d_loss_fake"] == 0
    assert scalars["d_loss"] == scalars["d_loss_real"] > 0


@pytest.mark.parametrize(("gamma", "lambda_k", "clipped"), [(1.0, 0.1, False), (0.7, 4.0, True)])
def test_k_after_each_step_follows_the_balance_of_the_scores(gamma, lambda_k, clipped, take_step):
    """K + lambda (gamma L(x) - L(G(z))), clipped to [0, 1]; M = L(x) + |gamma L(x) - L(G(z))|.

    The images alternate between bright ones, which D reconstructs badly, and gray ones.
    """
    scores, fakes = [], []
    model = make(spy(scores, fakes), k=0.5, gamma=gamma, lambda_k=lambda_k)
    k, seen = 0.5, []
    for step in range(6):
        real = np.full((5, 2, 2, 1), 0.9 * (step % 2), np.float32)
        scalars = take_step(model, real)
        real, fake = scores[step]
        np.testing.assert_allclose(scalars["d_loss_fake"], -k * fake, rtol=1e-4, atol=1e-6)
        balance = gamma * real - fake
        k = min(max(k + lambda_k * balance, 0.0), 1.0)
        seen.append(k)
        np.testing.assert_allclose(float(model.k), k, atol=1e-5)
        np.testing.assert_allclose(scalars["k"], k, atol=1e-5)
        np.testing.assert_allclose(scalars["convergence"], real + abs(balance), rtol=1e-4)
    assert {np.sign(step) for step in np.diff([0.5, *seen])} >= {-1, 1}
    assert {0.0, 1.0} <= set(seen) if clipped else 0 < min(seen) < max(seen) < 1


def test_discriminator_gradient_is_that_with_k_before_the_step(pictures, take_step):
    """Gradient descent uses k before its update, which is large here."""
    scores, fakes = [], []
    sgd = {"discriminator": keras.optimizers.SGD(0.5), "generator": keras.optimizers.SGD(0.0)}
    model = make(spy(scores, fakes), sgd, k=0.7, lambda_k=100.0)
    x = pictures(5)
    weights = model.discriminator.trainable_variables
    before = [v.numpy() for v in weights]
    take_step(model, x)
    assert float(model.k) in (0, 1)
    moved = [v.numpy() for v in weights]

    def stepped(k):
        model.discriminator.set_weights(before)
        with tf.GradientTape() as tape:
            real, fake = (
                tf.reduce_mean(tf.abs(v - model.discriminator(v, training=True)))
                for v in (tf.constant(x), tf.stop_gradient(fakes[0]))
            )
            loss = real - k * fake
        gradients = tape.gradient(loss, weights)
        return [w - 0.5 * g.numpy() for w, g in zip(before, gradients, strict=True)]

    for found, expected in zip(moved, stepped(0.7), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)
    for other in (0.0, 1.0):
        assert not np.allclose(moved[0], stepped(other)[0], atol=1e-4)


@pytest.mark.slow
def test_generator_against_a_fixed_discriminator_lowers_the_reconstruction_loss(pictures, fit):
    """With a trained and fixed D the reconstruction loss of generated images falls."""
    rng = np.random.default_rng(0)
    # Images of one dimension: from all dark to all bright.
    x = np.broadcast_to(rng.uniform(-0.9, 0.9, (200, 16, 1, 1, 1)), (200, 16, 2, 2, 1))
    x = x.astype(np.float32)
    still = keras.optimizers.SGD(0.0)
    model = make(optimizers={"generator": still}, d_learning_rate=3e-3, lambda_k=1e-9)
    logs = fit(model, x, np.zeros((200, 16), int))
    assert logs[-1]["d_loss_real"] < 0.3 * logs[0]["d_loss_real"]
    other = make(optimizers={"discriminator": keras.optimizers.SGD(0.0)}, g_learning_rate=3e-3)
    other.discriminator.set_weights(model.discriminator.get_weights())
    logs = fit(other, x, np.zeros((200, 16), int))
    assert logs[-1]["g_loss"] < 0.6 * logs[0]["g_loss"]
    noise = rng.normal(size=(50, 4)).astype(np.float32)
    spread, first = (np.std(m.generator(noise), axis=(1, 2, 3)) for m in (other, make()))
    assert spread.mean() < first.mean()


@pytest.mark.slow
def test_fit_of_1500_steps_reaches_the_equilibrium(fit):
    """Gamma = E L(G(z)) / E L(x), section 3.3, over the last steps."""
    rng = np.random.default_rng(0)
    x = rng.uniform(-0.9, 0.9, (1500, 16, 2, 2, 1)).astype(np.float32)

    class Logged(BEGAN):
        def after_discriminator_update(self, real, fake, batch):
            means = {"real": tf.reduce_mean(real["d"]), "fake": tf.reduce_mean(fake["d"])}
            return super().after_discriminator_update(real, fake, batch) | means

    model = make(Logged, lambda_k=0.05, g_learning_rate=2e-3, d_learning_rate=2e-3, gamma=0.5)
    logs = fit(model, x, np.zeros((1500, 16), int))[-500:]
    ratio = np.mean([log["fake"] for log in logs]) / np.mean([log["real"] for log in logs])
    assert 0.45 < ratio < 0.55
    ks = [log["k"] for log in logs]
    assert 0 < np.mean(ks) < 1


def test_k_in_the_state_is_saved_and_restored(pictures, take_step, tmp_path):
    model = make(k=0.3)
    assert model.state()["own"]["k"] is model.k.value
    take_step(model, pictures(5))
    assert float(model.k) not in (0, 0.3)
    path = tf.train.Checkpoint(**model.state()).save(str(tmp_path / "checkpoint"))
    model.save_weights(tmp_path / "model.weights.h5")
    other = make()
    tf.train.Checkpoint(**other.state()).restore(path).assert_consumed()
    assert float(other.k) == float(model.k)
    another = make()
    another.load_weights(tmp_path / "model.weights.h5")
    assert float(another.k) == float(model.k)
