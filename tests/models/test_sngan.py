"""SNGAN: the hinge loss, and kernels whose largest singular value is near 1."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from models import SNGAN, layers


def kernels(network):
    """Yield the normalised kernels of a network as matrices [inputs, outputs]."""
    for layer in layers.spectral_layers(network):
        kernel = np.asarray(layer.normalised_kernel(tf.convert_to_tensor(layer.kernel)), np.float64)
        yield kernel.reshape(-1, kernel.shape[-1])


@pytest.mark.parametrize("network", [pytest.param("dcgan", marks=pytest.mark.slow), "mlp"])
def test_kernels_of_d_in_training_have_a_largest_singular_value_near_1(network, tiny, batches, fit):
    """All kernels of D are normalised in training, and none of G."""
    model = tiny("sngan", network=network)
    model.compile()
    images, labels = batches(10)
    fit(model, images, labels)
    found = list(kernels(model.discriminator))
    every = [v for v in model.discriminator.trainable_variables if v.path.endswith("kernel")]
    assert len(found) == len(every) > 1
    for matrix in found:
        np.testing.assert_allclose(np.linalg.svd(matrix, compute_uv=False)[0], 1, atol=0.1)
    raw = [np.linalg.norm(np.asarray(v).reshape(-1, v.shape[-1]), 2) for v in every]
    assert max(abs(sigma - 1) for sigma in raw) > 0.2  # the raw kernels are not normalised
    assert not layers.spectral_layers(model.generator)


def test_step_logs_the_hinge_loss(linear, pictures, take_step):
    """Scores of 0.25 for all: D's terms are 0.75 and 1.25, G's -0.25."""
    still = {name: keras.optimizers.SGD(0.0) for name in ("discriminator", "generator")}
    model = linear(SNGAN, still)
    model.discriminator.set_weights([np.zeros((4, 1)), np.array([0.25])])
    scalars = take_step(model, pictures(5))
    assert scalars["d_loss_real"] == 0.75
    assert scalars["d_loss_fake"] == 1.25
    assert scalars["g_loss"] == -0.25


def test_step_with_scores_beyond_the_margin_does_not_move_d(linear, pictures, take_step):
    """D(x) = 1.5 at real images, and D(G(z)) = -1.5 at fake ones."""
    sgd = {"discriminator": keras.optimizers.SGD(1.0), "generator": keras.optimizers.SGD(0.0)}
    model = linear(SNGAN, sgd)
    model.discriminator.set_weights([np.full((4, 1), 1.0), np.array([0.0])])
    model.generator.set_weights([np.zeros((3, 4)), np.full(4, np.arctanh(-0.375))])
    x = np.full((5, 2, 2, 1), 0.375, np.float32)
    scalars = take_step(model, x)
    assert (scalars["d_loss"], scalars["discriminator_gradient_norm"]) == (0, 0)
    np.testing.assert_array_equal(model.kernel, np.ones((4, 1)))
    take_step(model, x / 2)
    assert not np.allclose(model.kernel, 1)
