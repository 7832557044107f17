"""Schedules of a weight: (step, period) -> share of the full weight, in [0, 1].

The step counts from 0 and the period is in steps; both may be tensors.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fields import Choice, Choices, field

if TYPE_CHECKING:
    import tensorflow as tf

SCHEDULES = Choices(Choice, Choice(name="constant"))

WARMUP = {
    "beta_warmup_epochs": field(
        10, "epochs of the linear warm-up, or of one cycle", group="loss", at_least=1
    )
}


@SCHEDULES.add("linear", options=WARMUP)
def linear(step, period) -> tf.Tensor:
    """min(step / period, 1)."""
    import tensorflow as tf

    return tf.minimum(tf.cast(step, tf.float32) / tf.cast(period, tf.float32), 1.0)


@SCHEDULES.add("cyclical", options=WARMUP)
def cyclical(step, period) -> tf.Tensor:
    """Rise linearly from 0 to 1 over the first half of each period, then stay at 1.

    Fu et al. 2019, "Cyclical Annealing Schedule: A Simple Approach to Mitigating KL Vanishing",
    with R = 0.5.
    """
    import tensorflow as tf

    within = tf.cast(tf.cast(step, tf.int64) % tf.cast(period, tf.int64), tf.float32)
    return tf.minimum(2.0 * within / tf.cast(period, tf.float32), 1.0)
