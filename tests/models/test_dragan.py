"""DRAGAN: its default penalty, and the points of its gradients in Kodali et al. 2017."""

import numpy as np

from models import DRAGAN


def test_default_penalty_is_dragan_of_weight_10(linear, pictures, take_step):
    """A linear D has the gradient norm |w|: the penalty is 10 (|w| - 1)²."""
    model = linear(DRAGAN, d_norm="none")
    assert list(model.penalties()) == ["dragan"]
    w = model.kernel.numpy()
    scalars = take_step(model, pictures(5))
    expected = 10 * (np.linalg.norm(w) - 1) ** 2
    np.testing.assert_allclose(scalars["d_loss_dragan"], expected, rtol=1e-5)
    assert {"d_loss_real", "d_loss_fake", "d_accuracy_real", "d_accuracy_fake"} <= set(scalars)


def test_penalty_is_computed_at_perturbed_real_images(linear, pictures, take_step):
    """Each pixel is between x and x + std / 2, with new draws in each step."""
    looked = []

    class Spy(DRAGAN):
        def discriminate(self, inputs, batch):
            looked.append(np.array(inputs))
            return super().discriminate(inputs, batch)

    model = linear(Spy, d_norm="none")
    x = pictures(5)
    around = []
    for _ in range(2):
        looked.clear()
        take_step(model, x)
        real, _, perturbed, _ = looked  # the last are those of G's update
        np.testing.assert_array_equal(real, x)
        around.append((perturbed - x) / (0.5 * x.std()))
    for shares in around:
        assert shares.min() > -1e-5
        assert shares.max() < 1
        assert shares.std() > 0.1
        assert np.diff(np.sort(shares.ravel())).min() > 0  # one draw per pixel, not per example
    assert not np.isclose(*around, atol=1e-4).any()
