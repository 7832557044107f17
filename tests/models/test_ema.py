"""Exponential moving averages of weights, by hand."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from models.ema import ExponentialMovingAverage, averaging_rate


def network(value):
    model = keras.Sequential([keras.Input((2,)), keras.layers.BatchNormalization()])
    model.set_weights([np.full(w.shape, value, np.float32) for w in model.weights])
    return model


def test_follow_returns_a_frozen_copy_of_the_network():
    one = network(3.0)
    average = ExponentialMovingAverage().follow(one)
    assert average is not one
    assert not average.trainable_variables
    for mean, weight in zip(average.get_weights(), one.get_weights(), strict=True):
        np.testing.assert_array_equal(mean, weight)


def test_update_moves_each_average_towards_its_own_network():
    ema = ExponentialMovingAverage()
    networks = [network(1.0), network(-1.0)]
    averages = [ema.follow(one) for one in networks]
    for one in networks:
        one.set_weights([5.0 * w for w in one.get_weights()])
    ema.update(tf.constant(10**6, tf.int64), 0.75)
    for average, expected in zip(averages, (2.0, -2.0), strict=True):
        assert len(average.weights) == 4  # batch norm statistics too
        for mean in average.get_weights():
            np.testing.assert_allclose(mean, expected, rtol=1e-6)
    for one, expected in zip(networks, (5.0, -5.0), strict=True):
        for weight in one.get_weights():
            np.testing.assert_array_equal(weight, expected)


@pytest.mark.parametrize(("step", "rate"), [(0, 0.9), (1, 9 / 11), (40, 9 / 50), (10**6, 0.1)])
def test_averaging_rate_at_a_step_falls_to_one_minus_the_decay(step, rate):
    found = averaging_rate(tf.constant(step, tf.int64), 0.9)
    assert float(found) == pytest.approx(rate, rel=1e-5)
