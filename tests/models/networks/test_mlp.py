"""Shapes, ranges and layers of the fully connected networks."""

import keras
import numpy as np
import pytest

from models.networks import mlp

LAYOUT = {"width": 4, "depth": 2, "norm": "none", "initializer": "xavier"}


def dense_units(network):
    return [x.units for x in network._flatten_layers() if isinstance(x, keras.layers.Dense)]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("side", [28, 32, 64, 128])
@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16"])
def test_generator_images_have_shape_range_and_dtype(side, channels, precision, policy):
    policy(precision)
    network = mlp.generator((side, side, channels), 6, **LAYOUT)
    z = 50 * np.random.default_rng(0).normal(size=(2, 6)).astype(np.float32)
    images = np.asarray(network(z))
    assert network.output_shape == (None, side, side, channels)
    assert images.shape == (2, side, side, channels)
    assert images.dtype == np.float32
    assert np.abs(images).max() <= 1
    assert images.std() > 0.05
    assert not np.allclose(images[0], images[1], atol=0.05)


@pytest.mark.parametrize("shape", [(28, 28, 1), (32, 32, 3), (30, 17, 3)])
def test_networks_accept_images_of_any_size(shape):
    assert mlp.generator(shape, 6, **LAYOUT).output_shape == (None, *shape)
    trunk = mlp.trunk(shape, **LAYOUT)
    assert trunk.input_shape == (None, *shape)
    assert trunk.output_shape == (None, 4)


@pytest.mark.parametrize("depth", [1, 3])
def test_depth_is_the_number_of_hidden_layers(depth):
    layout = {**LAYOUT, "depth": depth}
    assert dense_units(mlp.generator((28, 28, 1), 6, **layout)) == [4] * depth + [784]
    assert dense_units(mlp.trunk((28, 28, 1), **layout)) == [4] * depth


def test_networks_of_the_first_gan_keep_layers_and_weights():
    """Saved runs depend on them."""
    hidden = ["Dense", "LeakyReLU", "Dense", "LeakyReLU"]
    network = mlp.generator((28, 28, 1), 6, **LAYOUT)
    kinds = [type(layer).__name__ for layer in network.layers]
    assert kinds == ["InputLayer", *hidden, "Dense", "Reshape", "Activation"]
    shapes = [(6, 4), (4,), (4, 4), (4,), (4, 784), (784,)]
    assert [weight.shape for weight in network.weights] == shapes
    trunk = mlp.trunk((28, 28, 1), **LAYOUT)
    kinds = [type(layer).__name__ for layer in trunk.layers]
    assert kinds == ["InputLayer", "Flatten", *hidden]
    assert [weight.shape for weight in trunk.weights] == [(784, 4), (4,), (4, 4), (4,)]


def test_norm_follows_every_layer_but_the_trunks_first_and_the_output():
    layout = {**LAYOUT, "norm": "batch", "depth": 3}
    normalised = ["Dense", "BatchNorm", "LeakyReLU"]
    network = mlp.generator((28, 28, 1), 6, **layout)
    kinds = [type(layer).__name__ for layer in network.layers]
    assert kinds == ["InputLayer", *3 * normalised, "Dense", "Reshape", "Activation"]
    trunk = mlp.trunk((28, 28, 1), **layout)
    kinds = [type(layer).__name__ for layer in trunk.layers]
    assert kinds == ["InputLayer", "Flatten", "Dense", "LeakyReLU", *2 * normalised]
    for built, biases in ((network, [False] * 3 + [True]), (trunk, [True, False, False])):
        dense = [x for x in built.layers if isinstance(x, keras.layers.Dense)]
        assert [x.use_bias for x in dense] == biases
