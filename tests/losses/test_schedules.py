"""Schedules at given steps, by hand."""

import numpy as np
import pytest
import tensorflow as tf

from losses.schedules import SCHEDULES

STEPS = [0, 1, 5, 9, 10, 11, 15, 25, 30]
SHARES = {
    "linear": [0, 0.1, 0.5, 0.9, 1, 1, 1, 1, 1],
    "cyclical": [0, 0.2, 1, 1, 0, 0.2, 1, 1, 0],
}


def test_schedules_are_all_tested():
    assert set(SHARES) == {name for name, choice in SCHEDULES.items() if choice.make}


@pytest.mark.parametrize("name", SHARES)
@pytest.mark.parametrize("kind", [int, lambda step: tf.constant(step, tf.int64)])
def test_schedule_over_ten_steps_has_the_shares_by_hand(name, kind):
    found = [float(SCHEDULES[name].make(kind(step), 10)) for step in STEPS]
    np.testing.assert_allclose(found, SHARES[name], rtol=1e-6)


@pytest.mark.parametrize("name", SHARES)
def test_schedule_at_a_large_step_is_exact(name):
    step = tf.constant(2**31 + 7, tf.int64)
    expected = {"linear": 1, "cyclical": 2 * ((2**31 + 7) % 10**6) / 10**6}[name]
    np.testing.assert_allclose(SCHEDULES[name].make(step, 10**6), min(expected, 1), rtol=1e-6)
