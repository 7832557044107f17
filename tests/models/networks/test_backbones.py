"""Contract of the backbones: signatures, norms, classes, gradients, export."""

import inspect

import keras
import numpy as np
import pytest
import tensorflow as tf

from models import layers
from models.networks import dcgan, mlp, resnet
from models.norms import NORMS

MODULES = {"mlp": mlp, "dcgan": dcgan, "resnet": resnet}
OWN = {
    "mlp": {"width": 8, "depth": 2},
    "dcgan": {"width": 4, "kernel_size": 4, "dense_units": 6},
    "resnet": {"width": 8, "attention": 8},
}
SHAPE = (16, 16, 1)
CLASSES = 3

backbones = pytest.mark.parametrize("name", MODULES)


def generator(name, latent_dim=5, norm="batch", num_classes=0, shape=SHAPE):
    options = {"norm": norm, "num_classes": num_classes, "initializer": "he", **OWN[name]}
    return MODULES[name].generator(shape, latent_dim, **options)


def trunk(name, norm="none", shape=SHAPE):
    return MODULES[name].trunk(shape, norm=norm, initializer="he", **OWN[name])


def count(network, kind):
    return sum(isinstance(layer, kind) for layer in network._flatten_layers())


def set_gamma(network, value=0.7):
    """Set gamma of self-attention, whose initial value 0 disables it."""
    for layer in network._flatten_layers():
        if layer.name == "gamma":
            layer.kernel.assign([[value]])


def joined(labels, seed=0):
    """Return latents [n, 5 + CLASSES]: the same noise for each label, then the one-hot label."""
    z = np.random.default_rng(seed).normal(size=5).astype(np.float32)
    return np.hstack([np.tile(z, (len(labels), 1)), np.eye(CLASSES, dtype=np.float32)[labels]])


def gains_and_biases(network):
    """Return the kernels [classes, channels] of the layers whose input is the label."""
    return [
        layer.kernel
        for layer in network._flatten_layers()
        if isinstance(layer, keras.layers.Dense) and not layer.use_bias
        if layer.kernel.shape[0] == CLASSES
    ]


def randomise_gains_and_biases(network):
    rng = np.random.default_rng(0)
    for kernel in gains_and_biases(network):
        kernel.assign(kernel + 0.3 * rng.normal(size=kernel.shape))


@backbones
def test_signatures_differ_only_in_the_options_of_the_backbone(name):
    for function, first in (
        ("generator", ["image_shape", "latent_dim"]),
        ("trunk", ["image_shape"]),
    ):
        parameters = inspect.signature(getattr(MODULES[name], function)).parameters
        common = [*first, "norm", "initializer", *OWN[name]]
        optional = {"num_classes": 0, "activation": "tanh"} if function == "generator" else {}
        common += optional
        assert set(parameters) == set(common)
        assert [p.name for p in parameters.values() if p.kind != p.KEYWORD_ONLY] == first
        defaults = {p.name: p.default for p in parameters.values() if p.default != p.empty}
        assert defaults == optional


# Norms.


@backbones
@pytest.mark.parametrize("norm", ["layer", "spectral", "both", "instance"])
def test_generator_with_another_norm_than_batch_or_none_raises(name, norm):
    with pytest.raises(ValueError, match="expected one of none, batch for a generator") as error:
        generator(name, norm=norm)
    assert norm in str(error.value)
    assert count(generator(name, norm="none"), keras.layers.BatchNormalization) == 0
    assert count(generator(name), keras.layers.BatchNormalization) > 0


@backbones
def test_trunk_with_an_unknown_norm_raises(name):
    with pytest.raises(ValueError, match=r"expected one of none, batch, layer, .* got 'instance'"):
        trunk(name, norm="instance")


@backbones
def test_networks_without_a_norm_have_biases_except_in_attention(name):
    for network in (generator(name, norm="none"), trunk(name)):
        linear = [x for x in network._flatten_layers() if hasattr(x, "kernel")]
        bare = [x for x in linear if not x.use_bias]
        attention = 5 if name == "resnet" else 0  # f, g, h, gamma, v
        assert len(bare) == attention
        assert len(linear) > attention


@backbones
@pytest.mark.parametrize("norm", NORMS)
def test_trunk_has_the_layers_of_its_norm(name, norm):
    network = trunk(name, norm)
    norms = {"mlp": 1, "dcgan": 2, "resnet": 4}[name]
    kernels = {"mlp": 2, "dcgan": 3, "resnet": 7 + 4}[name]
    normalised = {
        "none": [],
        "batch": [keras.layers.BatchNormalization],
        "layer": [layers.LayerNorm],
        "spectral": [],
        "both": [keras.layers.BatchNormalization],
    }[norm]
    assert sum(count(network, kind) for kind in normalised) == (norms if normalised else 0)
    others = {keras.layers.BatchNormalization, layers.LayerNorm} - set(normalised)
    assert sum(count(network, kind) for kind in others) == 0
    spectral = norm in ("spectral", "both")
    assert len(layers.spectral_layers(network)) == (kernels if spectral else 0)


# Classes.


@backbones
def test_generator_with_classes_and_without_batch_norm_raises(name):
    with pytest.raises(ValueError, match="requires 'batch', got 'none'") as error:
        generator(name, 5 + CLASSES, norm="none", num_classes=CLASSES)
    assert "\n" not in str(error.value)


@backbones
@pytest.mark.parametrize("training", [False, True])
def test_generator_with_classes_initially_equals_the_unconditional_one(name, training):
    """All gains are 1 and all biases 0."""
    keras.utils.set_random_seed(0)
    plain = generator(name)
    keras.utils.set_random_seed(0)
    network = generator(name, 5 + CLASSES, num_classes=CLASSES)
    z = np.random.default_rng(0).normal(size=(4, 5)).astype(np.float32)
    labels = np.eye(CLASSES, dtype=np.float32)[[0, 1, 2, 1]]
    images = network(np.hstack([z, labels]), training=training)
    np.testing.assert_allclose(images, plain(z, training=training), atol=1e-6)
    norms = count(plain, keras.layers.BatchNormalization)
    assert count(network, keras.layers.BatchNormalization) == norms
    rows = [kernel.numpy() for kernel in gains_and_biases(network)]
    assert len(rows) == 2 * norms
    assert sorted(row.mean() for row in rows) == [0] * norms + [1] * norms
    assert all(np.ptp(row) == 0 for row in rows)
    own = [x for x in network._flatten_layers() if isinstance(x, keras.layers.BatchNormalization)]
    assert not any(x.scale or x.center for x in own)
    assert {x.momentum for x in own} == {0.9}


@pytest.mark.smoke
@backbones
def test_generator_gains_and_biases_of_a_class_change_only_its_images(name):
    network = generator(name, 5 + CLASSES, num_classes=CLASSES)
    before = np.asarray(network(joined([0, 1, 2])))
    np.testing.assert_allclose(before[0], before[2], atol=1e-6)
    last_gain = [k for k in gains_and_biases(network) if np.all(k.numpy() == 1)][-1]
    last_bias = [k for k in gains_and_biases(network) if np.all(k.numpy() == 0)][-1]
    for kernel in (last_gain, last_bias):
        value = kernel.numpy()
        value[1] += 0.5
        kernel.assign(value)
        after = np.asarray(network(joined([0, 1, 2])))
        np.testing.assert_allclose(after[[0, 2]], before[[0, 2]], atol=1e-6)
        assert np.abs(after[1] - before[1]).max() > 1e-3
        before = after


@backbones
def test_generator_label_feeds_the_norms_only(name):
    network = generator(name, 5 + CLASSES, num_classes=CLASSES)
    (first,) = (
        x for x in network._flatten_layers() if hasattr(x, "kernel") and x.kernel.shape[0] == 5
    )
    assert isinstance(first, keras.layers.Dense)
    randomise_gains_and_biases(network)
    z = tf.constant(joined([0, 1, 2]))
    with tf.GradientTape() as tape:
        tape.watch(z)
        value = tf.reduce_sum(network(z) ** 2)
    gradient = tape.gradient(value, z).numpy()
    assert (np.abs(gradient).max(axis=0) > 0).all()


# Gradients.


def penalty_gradients(network, x):
    """Return the weights' gradients of a score and its squared gradient norm at x (WGAN-GP)."""
    with tf.GradientTape() as outer:
        with tf.GradientTape() as inner:
            inner.watch(x)
            score = tf.reduce_sum(tf.cast(network(x, training=True), tf.float32) ** 2, axis=1)
        gradient = inner.gradient(score, x)
        penalty = tf.reduce_sum(gradient**2, axis=[1, 2, 3])
        loss = tf.reduce_mean(0.1 * score + penalty)
    return outer.gradient(loss, network.trainable_variables)


def assert_gradients_agree(network, found, expected):
    largest = max(np.abs(gradient).max() for gradient in expected)
    for variable, one, two in zip(network.trainable_variables, found, expected, strict=True):
        scale = np.abs(two).max()
        assert scale > 1e-5 * largest, variable.path
        np.testing.assert_allclose(one, two, atol=2e-3 * scale, err_msg=variable.path)


@pytest.mark.slow
@backbones
@pytest.mark.parametrize("norm", ["none", "layer", "spectral"])
def test_trunk_second_order_gradients_reach_all_weights_and_agree_with_xla(name, norm):
    network = trunk(name, norm)
    set_gamma(network)
    x = tf.constant(np.random.default_rng(0).uniform(-1, 1, (6, *SHAPE)), tf.float32)
    compiled = tf.function(penalty_gradients, jit_compile=True)
    assert_gradients_agree(network, compiled(network, x), penalty_gradients(network, x))


@pytest.mark.slow
def test_generator_gradients_reach_all_weights_and_agree_with_xla():
    network = generator("resnet", 5 + CLASSES, num_classes=CLASSES)
    set_gamma(network)
    noise = np.random.default_rng(0).normal(size=(6, 5)).astype(np.float32)
    z = tf.constant(np.hstack([noise, joined([0, 1, 2, 0, 1, 2])[:, 5:]]))
    weights = tf.random.stateless_normal((6, *SHAPE), [0, 1])

    def gradients():
        with tf.GradientTape() as tape:
            value = tf.reduce_sum(weights * network(z, training=True))
        return tape.gradient(value, network.trainable_variables)

    assert_gradients_agree(network, tf.function(gradients, jit_compile=True)(), gradients())


# Export.


LOAD = """
import sys
import keras, numpy as np
for name in sys.argv[1:]:
    generator = keras.models.load_model(name + ".keras")
    np.save(name + ".images.npy", generator(np.load(name + ".npy")))
assert not [name for name in sys.modules if name.split(".")[0] in ("models", "losses", "training")]
"""


@pytest.mark.slow
@pytest.mark.smoke
def test_generator_saved_loads_without_this_package(python, tmp_path):
    """A plain copy, as made for the EMA of G, is loaded in a process without this package."""
    expected = {}
    for name in MODULES:
        network = generator(name, 5 + CLASSES, num_classes=CLASSES)
        set_gamma(network)
        randomise_gains_and_biases(network)
        z = joined([0, 1, 2])
        network(z, training=True)
        copy = layers.plain(network)
        np.save(tmp_path / f"{name}.npy", z)
        copy.save(tmp_path / f"{name}.keras")
        expected[name] = np.asarray(network(z))
        assert np.abs(expected[name][0] - expected[name][1]).max() > 1e-3
    done = python("-c", LOAD, *MODULES, cwd=tmp_path, zoo=False)
    assert done.code == 0, done.err
    for name, images in expected.items():
        found = np.load(tmp_path / f"{name}.images.npy")
        np.testing.assert_allclose(found, images, atol=1e-5, err_msg=name)
