"""Seeds for stateless draws: a function of the run's seed, the step and the purpose."""

import zlib

import tensorflow as tf


def stateless_seed(seed: int, step: tf.Tensor | int, purpose: str) -> tf.Tensor:
    """An int32 [2] seed for tf.random.stateless_* and TFP, different for each argument.

    A draw keyed in this way has no state: a resumed run repeats the interrupted one's.
    """
    key = tf.constant([seed, zlib.crc32(purpose.encode()) & 0x7FFFFFFF], tf.int32)
    return tf.random.experimental.stateless_fold_in(key, tf.cast(step, tf.int32))
