"""Shapes, ranges and layers of the convolutional networks."""

import keras
import numpy as np
import pytest

from errors import UserError
from models import layers
from models.networks import dcgan, stages

SIDES = {28: (7, 2), 32: (4, 3), 64: (4, 4), 128: (4, 5)}
LAYOUT = {"width": 4, "kernel_size": 4, "dense_units": 0, "initializer": "normal"}


def count(network, kind):
    return sum(isinstance(layer, kind) for layer in network._flatten_layers())


@pytest.mark.parametrize("side", SIDES)
def test_stages_returns_the_smallest_side_and_the_halvings(side):
    assert stages((side, side, 3)) == SIDES[side]


def test_channels_double_up_to_eight_times_the_width():
    assert [dcgan.channels(4, halving) for halving in range(1, 7)] == [4, 8, 16, 32, 32, 32]


@pytest.mark.parametrize("side", [28, 32])
def test_dense_units_add_a_dense_layer_to_both_networks(side):
    layout = {**LAYOUT, "dense_units": 5}
    trunk = dcgan.trunk((side, side, 1), norm="both", **layout)
    assert trunk.output_shape == (None, 5)
    network = dcgan.generator((side, side, 1), 6, norm="batch", **layout)
    assert network.output_shape == (None, side, side, 1)
    dense = [x for x in network._flatten_layers() if isinstance(x, keras.layers.Dense)]
    base, halvings = SIDES[side]
    assert [x.units for x in dense] == [5, base * base * dcgan.channels(4, halvings)]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16"])
def test_generator_images_have_shape_range_and_dtype(side, channels, precision, policy):
    policy(precision)
    network = dcgan.generator(
        (side, side, channels), 6, norm="batch", **{**LAYOUT, "initializer": "he"}
    )
    z = 50 * np.random.default_rng(0).normal(size=(2, 6)).astype(np.float32)
    images = np.asarray(network(z, training=True))
    assert network.output_shape == (None, side, side, channels)
    assert images.shape == (2, side, side, channels)
    assert images.dtype == np.float32
    assert np.abs(images).max() <= 1
    assert images.std() > 0.05
    assert not np.allclose(images[0], images[1], atol=0.05)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("side", SIDES)
def test_trunk_features_are_the_flattened_smallest_map(side, channels):
    base, halvings = SIDES[side]
    trunk = dcgan.trunk((side, side, channels), norm="batch", **LAYOUT)
    features = base * base * dcgan.channels(4, halvings)
    assert trunk.input_shape == (None, side, side, channels)
    assert trunk.output_shape == (None, features)
    x = np.random.default_rng(0).uniform(-1, 1, (2, side, side, channels)).astype(np.float32)
    assert np.asarray(trunk(x)).shape == (2, features)


@pytest.mark.parametrize("kernel_size", [2, 3, 5])
def test_networks_with_other_kernel_sizes_have_the_same_shapes(kernel_size):
    layout = {**LAYOUT, "kernel_size": kernel_size}
    network = dcgan.generator((28, 28, 1), 6, norm="batch", **layout)
    assert network.output_shape == (None, 28, 28, 1)
    assert dcgan.trunk((28, 28, 1), norm="none", **layout).output_shape == (None, 7 * 7 * 8)


@pytest.mark.parametrize("shape", [(30, 30, 1), (28, 32, 1), (32, 28, 3), (8, 8, 1), (512, 512, 3)])
@pytest.mark.parametrize("network", ["generator", "trunk"])
def test_networks_for_an_unsupported_image_size_raise_in_one_line(network, shape):
    build = {
        "generator": lambda: dcgan.generator(shape, 6, norm="batch", **LAYOUT),
        "trunk": lambda: dcgan.trunk(shape, norm="none", **LAYOUT),
    }[network]
    with pytest.raises(UserError, match=r"of 16, 28, 32, 56, .* or 448 pixels, got") as error:
        build()
    assert f"{shape[0]}x{shape[1]}" in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("norm", "batch_norms", "spectral"),
    [("none", 0, False), ("batch", 3, False), ("spectral", 0, True), ("both", 3, True)],
)
def test_trunk_has_the_layers_of_its_norm(norm, batch_norms, spectral):
    trunk = dcgan.trunk((64, 64, 1), norm=norm, **LAYOUT)
    convolutions = [x for x in trunk._flatten_layers() if isinstance(x, keras.layers.Conv2D)]
    assert len(convolutions) == 4
    assert [c.filters for c in convolutions] == [4, 8, 16, 32]
    assert count(trunk, keras.layers.BatchNormalization) == batch_norms
    assert len(layers.spectral_layers(trunk)) == (4 if spectral else 0)
    # The first convolution has a bias, and the others where no batch norm follows to remove it.
    assert [c.use_bias for c in convolutions] == [True] + 3 * [batch_norms == 0]


@pytest.mark.parametrize("norm", ["none", "batch", "spectral", "both"])
def test_trunk_dense_layer_has_the_norm_of_the_convolutions(norm):
    trunk = dcgan.trunk((64, 64, 1), norm=norm, **{**LAYOUT, "dense_units": 5})
    spectral, batch_norm = norm in ("spectral", "both"), norm in ("batch", "both")
    (dense,) = (x for x in trunk._flatten_layers() if isinstance(x, keras.layers.Dense))
    assert isinstance(dense, layers.SpectralDense) == spectral
    assert dense.use_bias == (not batch_norm)
    assert count(trunk, keras.layers.BatchNormalization) == 4 * batch_norm
    assert len(layers.spectral_layers(trunk)) == 5 * spectral


def test_generator_normalises_all_layers_but_the_output():
    network = dcgan.generator((64, 64, 3), 6, norm="batch", **LAYOUT)
    transposed = [
        x for x in network._flatten_layers() if isinstance(x, keras.layers.Conv2DTranspose)
    ]
    assert [x.filters for x in transposed] == [16, 8, 4, 3]
    assert [x.use_bias for x in transposed] == [False, False, False, True]
    assert count(network, keras.layers.BatchNormalization) == 4
    assert count(network, keras.layers.ReLU) == 4


def test_generator_without_norms_has_biases():
    network = dcgan.generator((28, 28, 1), 6, norm="none", **{**LAYOUT, "dense_units": 5})
    kernels = [x for x in network._flatten_layers() if hasattr(x, "kernel")]
    assert [x.use_bias for x in kernels] == [True] * 4
    assert count(network, keras.layers.BatchNormalization) == 0


def test_trunk_with_layer_norm_keeps_the_biases():
    trunk = dcgan.trunk((64, 64, 1), norm="layer", **{**LAYOUT, "dense_units": 5})
    assert count(trunk, layers.LayerNorm) == 4
    assert [type(layer).__name__ for layer in trunk.layers[:5]] == [
        "InputLayer", "Conv2D", "LeakyReLU", "Conv2D", "LayerNorm",
    ]  # fmt: skip
    assert all(x.use_bias for x in trunk._flatten_layers() if hasattr(x, "kernel"))


def test_generator_with_a_pattern_common_to_all_latents_keeps_their_differences():
    """Each unit of the smallest map is normalised separately.

    A large pattern common to all latents therefore does not reduce their differences.
    """
    network = dcgan.generator((28, 28, 1), 6, norm="batch", **LAYOUT)
    z = np.random.default_rng(0).normal(size=(64, 6)).astype(np.float32)
    alone = np.std(network(z, training=True), axis=0)
    z[:, 0] += 100.0  # the same for all latents: adds the first row of the kernel
    np.testing.assert_allclose(np.std(network(z, training=True), axis=0), alone, rtol=0.05)


def test_networks_keep_layers_and_weights():
    """Saved runs depend on them."""
    layout = {**LAYOUT, "dense_units": 5, "norm": "batch"}
    network = dcgan.generator((28, 28, 1), 6, **layout)
    assert [type(layer).__name__ for layer in network.layers] == [
        "InputLayer", "Dense", "BatchNorm", "ReLU",
        "Dense", "BatchNorm", "ReLU", "Reshape", "Conv2DTranspose",
        "BatchNorm", "ReLU", "Conv2DTranspose", "Activation",
    ]  # fmt: skip
    assert [weight.shape for weight in network.weights] == [
        (6, 5), *4 * [(5,)], (5, 392), *4 * [(392,)], (4, 4, 4, 8), *4 * [(4,)], (4, 4, 1, 4), (1,),
    ]  # fmt: skip
    trunk = dcgan.trunk((28, 28, 1), **layout)
    assert [type(layer).__name__ for layer in trunk.layers] == [
        "InputLayer", "Conv2D", "LeakyReLU", "Conv2D", "BatchNorm", "LeakyReLU",
        "Flatten", "Dense", "BatchNorm", "LeakyReLU",
    ]  # fmt: skip
    assert [weight.shape for weight in trunk.weights] == [
        (4, 4, 1, 4), (4,), (4, 4, 4, 8), *4 * [(8,)], (392, 5), *4 * [(5,)],
    ]  # fmt: skip
