"""Weights that change over a training: (step, period) -> a share of the full weight, in [0, 1].

The step counts from 0 and the period is in steps; both may be tensors.
"""

import tensorflow as tf


def linear(step, period) -> tf.Tensor:
    """min(step / period, 1)."""
    return tf.minimum(tf.cast(step, tf.float32) / tf.cast(period, tf.float32), 1.0)


def cyclical(step, period) -> tf.Tensor:
    """Over each period from 0 on a line to 1 at its half, then 1: Fu et al. 2019, "Cyclical
    Annealing Schedule: A Simple Approach to Mitigating KL Vanishing", equation 6, with R = 0.5."""
    within = tf.cast(tf.cast(step, tf.int64) % tf.cast(period, tf.int64), tf.float32)
    return tf.minimum(2.0 * within / tf.cast(period, tf.float32), 1.0)


SCHEDULES = {"linear": linear, "cyclical": cyclical}
