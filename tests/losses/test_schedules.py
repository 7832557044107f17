"""Schedules at given steps."""

import numpy as np
import pytest
import tensorflow as tf

from losses.schedules import SCHEDULES

STEPS = [0, 1, 5, 9, 10, 11, 15, 25, 30]
SHARES = {
    "linear": [0, 0.1, 0.5, 0.9, 1, 1, 1, 1, 1],
    "cyclical": [0, 0.2, 1, 1, 0, 0.2, 1, 1, 0],
}


def test_every_schedule_but_the_constant_one_makes_a_function():
    assert [name for name, schedule in SCHEDULES.items() if schedule.make] == list(SHARES)
    assert [name for name, schedule in SCHEDULES.items() if not schedule.make] == ["constant"]


@pytest.mark.parametrize("name", SHARES)
@pytest.mark.parametrize("kind", [int, lambda step: tf.constant(step, tf.int64)])
def test_a_schedule_of_ten_steps(name, kind):
    found = [float(SCHEDULES[name].make(kind(step), 10)) for step in STEPS]
    np.testing.assert_allclose(found, SHARES[name], rtol=1e-6)


@pytest.mark.parametrize("name", SHARES)
def test_a_long_training_is_counted_exactly(name):
    step = tf.constant(2**31 + 7, tf.int64)
    expected = {"linear": 1, "cyclical": 2 * ((2**31 + 7) % 10**6) / 10**6}[name]
    np.testing.assert_allclose(SCHEDULES[name].make(step, 10**6), min(expected, 1), rtol=1e-6)
