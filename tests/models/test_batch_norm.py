"""Batch norm by the fused kernel against Keras' layer and against its formula."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from models.layers import BatchNorm, plain

SHAPES = [(64, 7, 7, 8), (2, 3, 5, 4), (64, 50), (2, 3)]


def pair(shape, dtype="float32", mean=2.0, deviation=3.0, **options):
    """Return the fused layer, Keras' float32 layer with the same weights, and inputs [*shape]."""
    rng = np.random.default_rng(0)
    made = [
        BatchNorm(momentum=0.9, epsilon=1e-5, dtype=dtype, **options),
        keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, dtype="float32", **options),
    ]
    for layer in made:
        layer.build(shape)
    for name in ("gamma", "beta", "moving_mean", "moving_variance"):
        value = rng.uniform(0.5, 2.0, shape[-1:])
        for layer in made:
            if getattr(layer, name) is not None:
                getattr(layer, name).assign(value)
    x = tf.constant(
        rng.normal(mean, deviation, shape), keras.dtype_policies.get(dtype).compute_dtype
    )
    return (*made, x)


def outputs_and_gradients(layer, x, jit=False):
    @tf.function(jit_compile=jit)
    def run(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = tf.cast(layer(x, training=True), tf.float32)
            loss = tf.reduce_sum(tf.sin(y) * tf.cast(x, tf.float32))
        return y, tape.gradient(loss, [x, *(v.value for v in layer.trainable_variables)])

    y, gradients = run(x)
    return y, [tf.cast(g, tf.float32) for g in gradients]


@pytest.mark.parametrize("options", [{}, {"center": False, "scale": False}], ids=["plain", "bare"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_training_equals_keras_to_rounding(shape, options):
    """Outputs, gradients, and the moving variance, whose n / (n - 1) is undone."""
    fused, expected, x = pair(shape, **options)
    (y, gradients), (y_keras, of_keras) = (outputs_and_gradients(f, x) for f in (fused, expected))
    np.testing.assert_allclose(y, y_keras, rtol=1e-5, atol=1e-5)
    for found, right in zip(gradients, of_keras, strict=True):
        np.testing.assert_allclose(found, right, rtol=1e-4, atol=1e-5 * np.abs(right).max())
    np.testing.assert_allclose(fused.moving_mean, expected.moving_mean, rtol=1e-5)
    np.testing.assert_allclose(fused.moving_variance, expected.moving_variance, rtol=1e-5)


def test_epsilon_is_that_of_keras_where_it_dominates():
    """With variances of 1e-6, far below epsilon."""
    fused, expected, x = pair((64, 7, 7, 8), mean=0.0, deviation=1e-3)
    np.testing.assert_allclose(
        fused(x, training=True), expected(x, training=True), rtol=1e-5, atol=2e-5
    )


@pytest.mark.parametrize("shape", [(64, 7, 7, 8), (64, 50)], ids=str)
@pytest.mark.parametrize(("dtype", "digits"), [("mixed_bfloat16", 6), ("mixed_float16", 9)])
def test_16_bit_activations_have_statistics_in_float32(dtype, digits, shape):
    """Of the same inputs, outputs are within 2^-digits of the float32 result, and remain 16-bit."""
    fused, expected, x = pair(shape, dtype)
    assert fused(x, training=True).dtype == x.dtype
    fused, expected, x = pair(shape, dtype)
    y, gradients = outputs_and_gradients(fused, x)
    y_keras, of_keras = outputs_and_gradients(expected, tf.cast(x, tf.float32))
    scale = np.maximum(np.abs(y_keras), 1.0)
    np.testing.assert_array_less(np.abs(y - y_keras) / scale, 2.0**-digits)
    for found, right in zip(gradients, of_keras, strict=True):
        deviation = np.abs(found - right).max() / np.abs(right).max()
        assert deviation < 2.0 ** -(digits - 1)
    np.testing.assert_allclose(fused.moving_mean, expected.moving_mean, rtol=1e-5)
    np.testing.assert_allclose(fused.moving_variance, expected.moving_variance, rtol=1e-5)


@pytest.mark.parametrize("jit", [False, True], ids=["graph", "XLA"])
def test_second_order_gradients_are_those_of_the_formula(jit):
    fused, _, x = pair((5, 3, 3, 4))
    weights = [v.value for v in fused.trainable_variables]

    def formula(x):
        mean = tf.reduce_mean(x, [0, 1, 2])
        variance = tf.reduce_mean(tf.square(x - mean), [0, 1, 2])
        return (x - mean) * tf.math.rsqrt(variance + 1e-5) * weights[0] + weights[1]

    def squared_gradient(layer):
        @tf.function(jit_compile=jit)
        def run(x):
            with tf.GradientTape() as outer:
                outer.watch(x)
                with tf.GradientTape() as tape:
                    tape.watch(x)
                    value = tf.reduce_sum(tf.sin(layer(x)))
                norm = tf.reduce_sum(tf.square(tape.gradient(value, x)))
            return outer.gradient(norm, [x, *weights])

        return run(x)

    found = squared_gradient(lambda x: fused(x, training=True))
    for gradient, right in zip(found, squared_gradient(formula), strict=True):
        np.testing.assert_allclose(gradient, right, rtol=1e-3, atol=1e-5 * np.abs(right).max())


@pytest.mark.parametrize("training", [False, None])
def test_inference_is_that_of_keras(training):
    fused, expected, x = pair((4, 3, 3, 2))
    before = fused.get_weights()
    found = fused(x, training=training)
    np.testing.assert_array_equal(found, expected(x, training=training))
    assert all(np.array_equal(a, b) for a, b in zip(before, fused.get_weights(), strict=True))


@pytest.mark.parametrize(("shape", "options"), [((4, 3, 5), {}), ((4, 3, 3, 2), {"axis": 1})])
def test_other_shapes_and_axes_are_those_of_keras(shape, options):
    x = np.random.default_rng(0).normal(2.0, 3.0, shape).astype(np.float32)
    fused, expected = BatchNorm(**options), keras.layers.BatchNormalization(**options)
    np.testing.assert_array_equal(fused(x, training=True), expected(x, training=True))


def test_frozen_layer_is_that_of_keras():
    frozen, expected, x = pair((4, 3, 3, 2))
    frozen.trainable = expected.trainable = False
    np.testing.assert_array_equal(frozen(x, training=True), expected(x, training=True))


def test_plain_copy_has_layers_of_keras_only_and_the_same_outputs():
    """In nested networks too."""
    inner = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4), BatchNorm()])
    x = keras.Input((3,))
    network = keras.Model(x, BatchNorm(center=False)(inner(x)))
    random = np.random.default_rng(0)
    network.set_weights([random.uniform(0.5, 2.0, w.shape) for w in network.weights])
    copy = plain(network)
    assert "gan_zoo" not in json.dumps(copy.get_config(), default=str)
    batch = random.normal(size=(5, 3)).astype(np.float32)
    np.testing.assert_array_equal(copy(batch), network(batch))
    copy.set_weights([0 * w for w in copy.get_weights()])
    assert np.abs(network(batch)).max() > 0
