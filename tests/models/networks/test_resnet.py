"""Shapes, ranges, layers and blocks of the residual networks."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from errors import UserError
from models import layers
from models.networks import resnet

SIDES = {16: [8], 28: [14, 7], 32: [16, 8], 64: [32, 16, 8]}
LAYOUT = {"width": 8, "attention": 0, "initializer": "he"}


def kinds(network, kind):
    return [x for x in network._flatten_layers() if isinstance(x, kind)]


@pytest.mark.parametrize("side", SIDES)
def test_map_sides_are_halved_down_to_8_or_7(side):
    assert resnet.map_sides((side, side, 3)) == SIDES[side]
    for attention in (0, *SIDES[side]):
        assert resnet.map_sides((side, side, 3), attention) == SIDES[side]


@pytest.mark.slow
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("side", [28, 32, 64])
@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16"])
def test_networks_outputs_have_shape_range_and_dtype(side, channels, precision, policy):
    policy(precision)
    layout = {**LAYOUT, "attention": SIDES[side][-1]}
    network = resnet.generator((side, side, channels), 6, norm="batch", **layout)
    z = 50 * np.random.default_rng(0).normal(size=(2, 6)).astype(np.float32)
    images = np.asarray(network(z, training=True))
    assert network.output_shape == (None, side, side, channels)
    assert images.shape == (2, side, side, channels)
    assert images.dtype == np.float32
    assert np.abs(images).max() <= 1
    assert images.std() > 0.05
    assert not np.allclose(images[0], images[1], atol=0.05)

    trunk = resnet.trunk((side, side, channels), norm="layer", **layout)
    features = trunk(images)
    assert trunk.input_shape == (None, side, side, channels)
    assert features.shape == (2, 8)
    assert features.dtype == tf.float32
    assert (features.numpy() >= 0).all()
    assert features.numpy().std() > 0


@pytest.mark.parametrize("shape", [(30, 30, 1), (28, 32, 1), (8, 8, 1), (512, 512, 3)])
@pytest.mark.parametrize("network", ["generator", "trunk"])
def test_networks_for_an_unsupported_image_size_raise_in_one_line(network, shape):
    with pytest.raises(UserError, match=r"of 16, 28, 32, 56, .* or 448 pixels, got") as error:
        build(network, shape)
    assert f"{shape[0]}x{shape[1]}" in str(error.value)
    assert "\n" not in str(error.value)


def build(network, shape, norm="none", **changes):
    layout = {**LAYOUT, "norm": norm, **changes}
    if network == "generator":
        return resnet.generator(shape, 6, **layout)
    return resnet.trunk(shape, **layout)


@pytest.mark.parametrize(("side", "attention"), [(32, 4), (32, 32), (28, 8), (64, 12), (28, -7)])
@pytest.mark.parametrize("network", ["generator", "trunk"])
def test_attention_without_a_map_of_its_side_raises_in_one_line(network, side, attention):
    sides = " or ".join(map(str, SIDES[side]))
    with pytest.raises(
        UserError, match=f"{sides} for images of {side}x{side}, got {attention}$"
    ) as error:
        build(network, (side, side, 3), attention=attention)
    assert str(error.value).startswith("attention: expected 0 ")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("side", SIDES)
def test_generator_has_a_block_per_doubling(side):
    doublings = {16: 2, 28: 2, 32: 3, 64: 4}[side]
    network = build("generator", (side, side, 3), norm="batch")
    assert len(kinds(network, keras.layers.Add)) == doublings
    assert len(kinds(network, keras.layers.UpSampling2D)) == 2 * doublings
    assert len(kinds(network, keras.layers.BatchNormalization)) == 2 * doublings + 1
    convolutions = kinds(network, keras.layers.Conv2D)
    assert len(convolutions) == 3 * doublings + 1
    assert [c.filters for c in convolutions] == [8] * 3 * doublings + [3]
    # The last batch norm cancels the biases of all blocks.
    assert [c.use_bias for c in convolutions] == [False] * 3 * doublings + [True]
    (dense,) = kinds(network, keras.layers.Dense)
    assert dense.units == {28: 7 * 7 * 8}.get(side, 4 * 4 * 8)


@pytest.mark.parametrize("side", SIDES)
def test_trunk_has_a_block_per_halving_and_two_more(side):
    halvings = len(SIDES[side])
    network = build("trunk", (side, side, 3), norm="batch")
    assert len(kinds(network, keras.layers.Add)) == halvings + 2
    assert len(kinds(network, keras.layers.AveragePooling2D)) == 2 * halvings
    assert len(kinds(network, keras.layers.BatchNormalization)) == 2 * (halvings + 1)
    convolutions = kinds(network, keras.layers.Conv2D)
    assert len(convolutions) == 3 * halvings + 4
    assert {c.filters for c in convolutions} == {8}
    # Only a convolution directly before a batch norm has no bias.
    assert sum(not c.use_bias for c in convolutions) == halvings + 1


def test_block_with_first_has_no_norms():
    x = keras.Input((8, 8, 3))
    for first, norms in ((True, 0), (False, 2)):
        h = resnet.block(x, layers.LayerFactory("layer", "he"), 3, down=True, first=first)
        assert len(kinds(keras.Model(x, h), layers.LayerNorm)) == norms


def test_trunk_features_are_sums_over_positions():
    network = build("trunk", (28, 28, 1))
    x = np.random.default_rng(0).uniform(-1, 1, (2, 28, 28, 1)).astype(np.float32)
    last = kinds(network, keras.layers.ReLU)[-1].output
    maps = keras.Model(network.input, last)(x)
    assert maps.shape == (2, 7, 7, 8)
    np.testing.assert_allclose(network(x), np.sum(maps, axis=(1, 2)), rtol=1e-5)


@pytest.mark.parametrize("network", ["generator", "trunk"])
@pytest.mark.parametrize("side", [28, 32])
def test_attention_is_applied_to_the_map_of_its_side(network, side):
    for attention in SIDES[side]:
        built = build(network, (side, side, 1), attention=attention)
        (attend,) = kinds(built, keras.layers.Attention)
        assert attend.output.shape == (None, attention**2, 1)
        without = [
            x.output.shape[1] for x in kinds(build(network, (side, side, 1)), keras.layers.Add)
        ]
        sums = [x.output.shape[1] for x in kinds(built, keras.layers.Add)]
        assert sorted(sums) == sorted([*without, attention])
    assert not kinds(build(network, (side, side, 1)), keras.layers.Attention)


@pytest.mark.smoke
def test_attention_with_a_nonzero_gamma_changes_outputs():
    for network, given in (("generator", (3, 6)), ("trunk", (3, 16, 16, 1))):
        built = build(network, (16, 16, 1), attention=8)
        x = np.random.default_rng(0).normal(size=given).astype(np.float32)
        before = np.asarray(built(x))
        (gamma,) = (layer for layer in built.layers if layer.name == "gamma")
        gamma.kernel.assign([[2.0]])
        assert np.abs(built(x) - before).max() > 1e-3


# Blocks, against the papers' order of operations.


def run_block(**options):
    """Apply a block without norms and with random weights to random maps.

    Returns:
        (3x3 convolutions of the main path, 1x1 convolutions of the shortcut, input, output).
    """
    x = keras.Input((8, 8, 3))
    width = 5 if options else 3
    model = keras.Model(x, resnet.block(x, layers.LayerFactory("none", "he"), width, **options))
    rng = np.random.default_rng(0)
    for weight in model.weights:
        weight.assign(rng.normal(size=weight.shape))
    maps = rng.normal(size=(2, 8, 8, 3)).astype(np.float32)
    convolutions = kinds(model, keras.layers.Conv2D)
    main = [c for c in convolutions if c.kernel_size == (3, 3)]
    shortcut = [c for c in convolutions if c.kernel_size == (1, 1)]
    return main, shortcut, maps, model(maps)


def convolve(x, layer):
    return tf.nn.conv2d(x, layer.kernel, 1, "SAME") + layer.bias


def halved(x):
    return (x[:, ::2, ::2] + x[:, 1::2, ::2] + x[:, ::2, 1::2] + x[:, 1::2, 1::2]) / 4


def doubled(x):
    return np.repeat(np.repeat(x, 2, axis=1), 2, axis=2)


def test_block_without_resampling_adds_to_its_input():
    (one, two), shortcut, x, found = run_block()
    expected = x + convolve(tf.nn.relu(convolve(tf.nn.relu(x), one)), two)
    assert not shortcut
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("first", [False, True])
def test_block_with_down_pools_after_its_convolutions(first):
    (one, two), (side,), x, found = run_block(down=True, first=first)
    h = convolve(x if first else tf.nn.relu(x), one)
    expected = halved(convolve(x, side)) + halved(convolve(tf.nn.relu(h), two))
    assert found.shape == (2, 4, 4, 5)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-3)


def test_block_with_up_convolves_the_upsampled_map():
    (one, two), (side,), x, found = run_block(up=True)
    h = convolve(doubled(tf.nn.relu(x)), one)
    expected = convolve(doubled(x), side) + convolve(tf.nn.relu(h), two)
    assert found.shape == (2, 16, 16, 5)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-3)
