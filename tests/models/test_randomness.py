"""Stateless seeds depend on the run's seed, the step and the random stream, and on nothing else."""

import numpy as np
import tensorflow as tf

from models.randomness import stateless_seed

ARGUMENTS = {"seed": 7, "step": 3, "stream": "latents 0"}


def numbers(**changes):
    seed = stateless_seed(**{**ARGUMENTS, **changes})
    return tf.random.stateless_normal([8], seed).numpy()


def test_stateless_seed_is_an_int32_pair():
    seed = stateless_seed(**ARGUMENTS)
    assert seed.shape == (2,)
    assert seed.dtype == tf.int32


def test_stateless_seed_with_equal_arguments_is_equal():
    np.testing.assert_array_equal(stateless_seed(**ARGUMENTS), stateless_seed(**ARGUMENTS))
    np.testing.assert_array_equal(numbers(), numbers())


def test_stateless_seed_with_any_changed_argument_differs():
    for change in ({"seed": 8}, {"step": 4}, {"stream": "latents 1"}):
        assert not np.isclose(numbers(), numbers(**change)).any(), change


def test_stateless_seed_over_many_arguments_is_unique():
    seeds = {
        tuple(stateless_seed(seed, step, stream).numpy())
        for seed in (0, 1, 2**31 - 1)
        for step in range(20)
        for stream in ("latents 0", "latents 1", "gp 0", "")
    }
    assert len(seeds) == 3 * 20 * 4


def test_stateless_seed_with_seed_and_step_swapped_differs():
    """Seed 1 at step 2 differs from seed 2 at step 1."""
    assert not np.isclose(numbers(seed=1, step=2), numbers(seed=2, step=1)).any()


def test_stateless_seed_with_a_variable_step_follows_its_value():
    step = tf.Variable(3, dtype=tf.int64)

    @tf.function
    def draw():
        return tf.random.stateless_normal([8], stateless_seed(7, step, "latents 0"))

    np.testing.assert_array_equal(draw(), numbers())
    step.assign(4)
    np.testing.assert_array_equal(draw(), numbers(step=4))
    assert not np.isclose(draw(), numbers()).any()
