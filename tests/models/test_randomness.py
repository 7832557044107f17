"""Stateless seeds: a function of the run's seed, the step and the purpose, and of nothing else."""

import numpy as np
import tensorflow as tf

from models.randomness import stateless_seed

PLACE = {"seed": 7, "step": 3, "purpose": "latents 0"}


def numbers(**changes):
    seed = stateless_seed(**{**PLACE, **changes})
    return tf.random.stateless_normal([8], seed).numpy()


def test_the_seed_is_what_stateless_operations_take():
    seed = stateless_seed(**PLACE)
    assert seed.shape == (2,)
    assert seed.dtype == tf.int32


def test_the_same_place_draws_the_same():
    np.testing.assert_array_equal(stateless_seed(**PLACE), stateless_seed(**PLACE))
    np.testing.assert_array_equal(numbers(), numbers())


def test_every_argument_changes_the_draw():
    for change in ({"seed": 8}, {"step": 4}, {"purpose": "latents 1"}):
        assert not np.isclose(numbers(), numbers(**change)).any(), change


def test_no_two_of_many_places_share_a_seed():
    seeds = {
        tuple(stateless_seed(seed, step, purpose).numpy())
        for seed in (0, 1, 2**31 - 1)
        for step in range(20)
        for purpose in ("latents 0", "latents 1", "gp 0", "")
    }
    assert len(seeds) == 3 * 20 * 4


def test_seed_and_step_are_no_sum():
    """Run 1 at step 2 is not run 2 at step 1."""
    assert not np.isclose(numbers(seed=1, step=2), numbers(seed=2, step=1)).any()


def test_a_variable_step_in_a_function_counts_as_its_number():
    step = tf.Variable(3, dtype=tf.int64)

    @tf.function
    def draw():
        return tf.random.stateless_normal([8], stateless_seed(7, step, "latents 0"))

    np.testing.assert_array_equal(draw(), numbers())
    step.assign(4)
    np.testing.assert_array_equal(draw(), numbers(step=4))
    assert not np.isclose(draw(), numbers()).any()
