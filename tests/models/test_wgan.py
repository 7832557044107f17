"""WGAN against algorithm 1 of Arjovsky et al. 2017 in numpy."""

import keras
import numpy as np
import pytest

from models import WGAN


def rms_step(w, gradient, mean_square, rate=5e-5):
    """Return the weights and the mean square after a step of RMSProp."""
    mean_square = 0.99 * mean_square + 0.01 * gradient**2
    return w - rate * gradient / (np.sqrt(mean_square) + 1e-8), mean_square


def test_two_steps_equal_algorithm_1(linear, pictures, take_step):
    """The critic is f(x) = w x + b, whose gradient with respect to w is x: five critic updates on
    fresh images, each clipped, and one of G = tanh(z A + a) against the last critic.
    """
    drawn = []

    class Spy(WGAN):
        def draw(self, batch):
            drawn.append(super().draw(batch))
            return drawn[-1]

    model = linear(Spy)
    assert model.hp.n_critic == 5
    # Near the clip, so that updates are clipped.
    w = np.array([0.00998, -0.00995, 0.002, -0.0101])
    model.discriminator.set_weights([w[:, None], np.zeros(1)])
    kernel, bias = (x.astype(np.float64) for x in model.generator.get_weights())
    of_w, of_kernel, of_bias, clipped = 0.0, 0.0, 0.0, 0
    for step in range(2):
        drawn.clear()
        x = pictures(5, 6, seed=step).astype(np.float64)
        take_step(model, x.astype(np.float32))
        assert len(drawn) == 5
        for k in range(5):
            z = drawn[k]["noise"].numpy().astype(np.float64)
            fake = np.tanh(z @ kernel + bias)
            up = fake.mean(0) - x[k].reshape(6, 4).mean(0)
            w, of_w = rms_step(w, up, of_w)
            clipped += np.sum(np.abs(w) > 0.01)
            w = np.clip(w, -0.01, 0.01)
        down = -w * (1 - fake**2) / 6
        kernel, of_kernel = rms_step(kernel, z.T @ down, of_kernel)
        bias, of_bias = rms_step(bias, down.sum(0), of_bias)
        np.testing.assert_allclose(model.kernel.numpy()[:, 0], w, atol=1e-6)
        found = model.generator.get_weights()
        np.testing.assert_allclose(found[0], kernel, atol=1e-6)
        np.testing.assert_allclose(found[1], bias, atol=1e-6)
    assert clipped > 0


@pytest.mark.slow
def test_generator_moves_by_its_learning_rate_from_the_first_step(batches, take_step):
    """RMSProp moves a weight by about the learning rate per step, unless its gradient is 0.

    The networks and the clip are the defaults.
    """
    model = WGAN((28, 28, 1), width=8, dense_units=16, n_critic=2)
    model.compile()
    images, _ = batches(10, n_critic=2)
    before = [v.numpy() for v in model.generator.trainable_variables]
    for x in images:
        take_step(model, x)
    for old, v in zip(before, model.generator.trainable_variables, strict=True):
        share = np.median(np.abs(v.numpy() - old)) / (len(images) * model.hp.g_learning_rate)
        assert share > 0.2, v.path


@pytest.mark.parametrize("clip", [0.01, 0.1])
def test_weights_of_the_critic_after_a_step_are_within_the_clip(clip, tiny, batches, take_step):
    """Gains, biases and kernels of the critic are clipped, and those of G are not."""
    model = tiny("wgan", clip=clip, initializer="he", n_critic=2)
    model.compile(optimizers={"discriminator": keras.optimizers.SGD(1.0)})
    images, labels = batches(1, n_critic=2)
    take_step(model, images[0], labels[0])
    weights = [v.numpy() for v in model.discriminator.trainable_variables]
    assert len(weights) > 5
    for weight in weights:
        assert np.abs(weight).max() <= np.float32(clip)
    assert any(np.abs(weight).max() == np.float32(clip) for weight in weights)
    assert any(np.abs(v.numpy()).max() > 0.5 for v in model.generator.trainable_variables)


def test_step_logs_the_difference_of_mean_scores(linear, pictures, take_step):
    model = linear(WGAN, n_critic=1)
    x = pictures(5)
    before = model.discriminator.get_weights()
    scalars = take_step(model, x)
    after = model.discriminator.get_weights()

    def mean_score(images, weights):
        return float(np.mean(np.asarray(images).reshape(5, 4) @ weights[0] + weights[1]))

    real, fake = mean_score(x, before), mean_score(model.fakes[0], before)
    np.testing.assert_allclose(scalars["d_loss"], fake - real, rtol=1e-4)
    g_loss = -mean_score(model.fakes[0], after)
    np.testing.assert_allclose(scalars["g_loss"], g_loss, rtol=1e-4, atol=1e-6)
    assert not any("accuracy" in name for name in scalars)
