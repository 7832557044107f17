"""Adam by one kernel against Keras' Adam and against the equations of its paper."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from models import adam
from models.adam import FusedAdam

RATES = {"learning_rate": 0.01, "beta_1": 0.5, "beta_2": 0.9}


def updated(optimizer, steps=20, shapes=((3, 4), (5,)), jit=False):
    """Return the variables, and those of the optimizer, after steps with random gradients."""
    random = np.random.default_rng(0)
    variables = [keras.Variable(random.normal(size=s), name=str(s)) for s in shapes]
    optimizer.build(variables)

    @tf.function(jit_compile=jit)
    def apply(gradients):
        optimizer.apply(gradients, variables)

    for _ in range(steps):
        apply([tf.constant(random.normal(size=shape), tf.float32) for shape in shapes])
    state = [(v.path.partition("/")[2], v.numpy()) for v in optimizer.variables]
    return [v.numpy() for v in variables], state


@pytest.mark.parametrize("jit", [False, True], ids=["graph", "XLA"])
def test_updates_and_variables_are_those_of_keras(jit):
    found, state = updated(FusedAdam(**RATES), jit=jit)
    expected, of_keras = updated(keras.optimizers.Adam(**RATES))
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-6)
    for (name, value), (expected_name, right) in zip(state, of_keras, strict=True):
        assert name == expected_name
        np.testing.assert_allclose(value, right, rtol=1e-6, atol=1e-7)


def test_update_is_that_of_the_paper():
    """Kingma and Ba 2015, section 2.1: epsilon hat, one variable, by hand in float64."""
    variable = keras.Variable([1.0, -2.0])
    optimizer = FusedAdam(**RATES, epsilon=1e-3)
    optimizer.build([variable])
    theta, m, v = np.array([1.0, -2.0]), np.zeros(2), np.zeros(2)
    for t, g in enumerate(([0.5, -1.0], [0.25, 2.0], [-1.0, 0.0]), start=1):
        optimizer.apply([tf.constant(g)])
        g = np.array(g)
        m, v = 0.5 * m + 0.5 * g, 0.9 * v + 0.1 * g**2
        rate = 0.01 * np.sqrt(1 - 0.9**t) / (1 - 0.5**t)
        theta -= rate * m / (np.sqrt(v) + 1e-3)
        np.testing.assert_allclose(variable, theta, rtol=1e-6)


def test_without_the_kernel_it_is_keras(monkeypatch):
    monkeypatch.setattr(adam, "has_kernel", lambda: False)
    found, state = updated(FusedAdam(**RATES))
    expected, of_keras = updated(keras.optimizers.Adam(**RATES))
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_array_equal(a, b)
    for (_, value), (_, right) in zip(state, of_keras, strict=True):
        np.testing.assert_array_equal(value, right)


@pytest.mark.parametrize(
    ("kinds", "has"), [(["CPU"], True), (["CPU", "GPU", "GPU"], True), (["CPU", "TPU"], False)]
)
def test_kernel_exists_on_cpus_and_gpus(monkeypatch, kinds, has):
    devices = [tf.config.LogicalDevice(f"{kind}:{k}", kind) for k, kind in enumerate(kinds)]
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda: devices)
    assert adam.has_kernel() is has


def test_amsgrad_is_that_of_keras():
    found, _ = updated(FusedAdam(**RATES, amsgrad=True))
    expected, _ = updated(keras.optimizers.Adam(**RATES, amsgrad=True))
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_array_equal(a, b)


def test_loss_scale_that_overflows_skips_the_update():
    variable = keras.Variable([1.0])
    optimizer = keras.optimizers.LossScaleOptimizer(FusedAdam(**RATES), initial_scale=4.0)
    optimizer.build([variable])
    optimizer.apply([tf.constant([np.inf], tf.float32)])
    assert (float(variable[0]), float(optimizer.dynamic_scale)) == (1.0, 2.0)
    optimizer.apply([tf.constant([1.0])])
    assert float(variable[0]) == pytest.approx(0.99, rel=1e-5)


def test_scheduled_attribute_is_a_tensor():
    """beta_2 may be a tensor while an update is traced."""
    variable = keras.Variable([1.0])
    optimizer = FusedAdam(**RATES)
    optimizer.build([variable])
    optimizer.beta_2 = tf.constant(0.99)
    optimizer.apply([tf.constant([2.0])])
    np.testing.assert_allclose(optimizer.variables[3], [0.04], rtol=1e-5)
