"""WGAN-GP against algorithm 1 of Gulrajani et al. 2017 in numpy."""

import numpy as np
import pytest
import tensorflow as tf

from models import WGANGP


class Adam:
    """Kingma and Ba 2015, algorithm 1, with the paper's betas of 0 and 0.9."""

    def __init__(self, rate=1e-4):
        self.rate, self.v, self.t = rate, 0.0, 0

    def step(self, w, gradient):
        self.t += 1
        self.v = 0.9 * self.v + 0.1 * gradient**2
        return w - self.rate * gradient / (np.sqrt(self.v / (1 - 0.9**self.t)) + 1e-7)


def test_two_steps_equal_algorithm_1(linear, pictures, take_step):
    """The critic f(x) = w x + b has the gradient norm |w|, and its loss the gradient
    mean G(z) - mean x + 10 * 2 (|w| - 1) w / |w|; then G = tanh(z A + a) is updated.
    """
    drawn = []

    class Spy(WGANGP):
        def draw(self, batch):
            drawn.append(super().draw(batch))
            return drawn[-1]

    model = linear(Spy, d_norm="none")
    assert model.hp.n_critic == 5
    w = model.kernel.numpy().astype(np.float64)[:, 0]
    kernel, bias = (x.astype(np.float64) for x in model.generator.get_weights())
    of_w, of_kernel, of_bias = Adam(), Adam(), Adam()
    for step in range(2):
        drawn.clear()
        x = pictures(5, 6, seed=step).astype(np.float64)
        scalars = take_step(model, x.astype(np.float32))
        assert len(drawn) == 5
        for k in range(5):
            z = drawn[k]["noise"].numpy().astype(np.float64)
            fake = np.tanh(z @ kernel + bias)
            norm = np.linalg.norm(w)
            penalty = 10 * (norm - 1) ** 2
            difference = fake.mean(0) - x[k].reshape(6, 4).mean(0)
            loss = difference @ w + penalty
            w = of_w.step(w, difference + 20 * (norm - 1) * w / norm)
        np.testing.assert_allclose(scalars["d_loss_gradient"], penalty, rtol=1e-4)
        np.testing.assert_allclose(scalars["d_loss"], loss, rtol=1e-4)
        down = -w * (1 - fake**2) / 6
        kernel, bias = of_kernel.step(kernel, z.T @ down), of_bias.step(bias, down.sum(0))
        np.testing.assert_allclose(model.kernel.numpy()[:, 0], w, atol=2e-6)
        found = model.generator.get_weights()
        np.testing.assert_allclose(found[0], kernel, atol=2e-6)
        np.testing.assert_allclose(found[1], bias, atol=2e-6)


def test_penalty_is_computed_at_one_random_interpolate_per_pair(linear, pictures, take_step):
    looked = []

    class Spy(WGANGP):
        def discriminate(self, inputs, batch):
            looked.append(np.array(inputs, np.float64))
            return super().discriminate(inputs, batch)

    model = linear(Spy, d_norm="none")
    x = pictures(5, 6)
    take_step(model, x)
    # Real images, fakes and interpolates in each update of the critic, and the fakes of G's.
    assert len(looked) == 5 * 3 + 1
    weights = []
    for k in range(5):
        real, fake, between = looked[3 * k : 3 * k + 3]
        np.testing.assert_array_equal(real, x[k])
        np.testing.assert_array_equal(fake, model.fakes[k])
        e = np.sum((between - fake) * (real - fake), (1, 2, 3))
        e /= np.sum((real - fake) ** 2, (1, 2, 3))
        one_each = e[:, None, None, None]
        np.testing.assert_allclose(between, one_each * real + (1 - one_each) * fake, atol=1e-6)
        weights.append(e)
    weights = np.concatenate(weights)
    assert weights.min() >= 0
    assert weights.max() < 1
    assert abs(weights.mean() - 0.5) < 0.2
    assert weights.std() > 0.15


@pytest.mark.parametrize("norm", [3.0, 0.2])
def test_fit_brings_the_gradient_norm_to_1_from_either_side(norm, linear, pictures, fit):
    """Generated images are the real ones, so that the penalty alone has a gradient."""

    class Perfect(WGANGP):
        def fake_inputs(self, batch):
            return 0.0 * super().fake_inputs(batch) + batch.x

        def after_discriminator_update(self, real, fake, batch):
            return {"norm": tf.norm(self.kernel)}

    model = linear(Perfect, n_critic=1, d_norm="none", d_learning_rate=0.02)
    model.discriminator.set_weights([np.full((4, 1), norm / 2), np.zeros(1)])
    norms = [log["norm"] for log in fit(model, pictures(150, 5), np.zeros((150, 5), int))]
    assert abs(norms[-1] - 1) < 0.05
    assert abs(norms[-1] - 1) < abs(norms[10] - 1) < abs(norm - 1)
