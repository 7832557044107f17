"""Stateless draws: a function of the run's seed, the step and the purpose."""

import dataclasses
import zlib
from collections.abc import Callable

import tensorflow as tf


def stateless_seed(seed: int, step: tf.Tensor | int, purpose: str) -> tf.Tensor:
    """An int32 [2] seed for tf.random.stateless_* and TFP, different for each argument.

    A draw keyed in this way has no state: a resumed run repeats the interrupted one's.
    """
    key = tf.constant([seed, zlib.crc32(purpose.encode()) & 0x7FFFFFFF], tf.int32)
    return tf.random.experimental.stateless_fold_in(key, tf.cast(step, tf.int32))


def length(x: tf.Tensor) -> int | tf.Tensor:
    """How many examples x [n, ...] has: a number where that is known before the step runs, so that
    XLA sees static shapes within conditions too, else a tensor."""
    return tf.shape(x)[0] if x.shape[0] is None else x.shape[0]


@dataclasses.dataclass(frozen=True)
class Growth:
    """Size of the images that a growing model is trained at.

    Attributes:
        stage: number of doublings of the smallest size.
        alpha: weight of the images of that size beside those of the size before, a scalar in
            (0, 1]; None for the smallest size.
    """

    stage: int
    alpha: tf.Tensor | None


@dataclasses.dataclass(frozen=True)
class Batch:
    """What one update is made from.

    Attributes:
        x: images [b, h, w, c] in [-1, 1].
        labels: int [b], or None.
        seed: purpose -> an int32 [2] stateless seed of this update.
        latents: name -> [b, d], inputs of the generator.
        growth: size of the images of a growing model; None for full images.
    """

    x: tf.Tensor
    labels: tf.Tensor | None
    seed: Callable[[str], tf.Tensor]
    latents: dict[str, tf.Tensor] = dataclasses.field(default_factory=dict)
    growth: Growth | None = None

    def uniform(self, purpose: str, shape) -> tf.Tensor:
        """float32 draws in [0, 1) of this update."""
        return tf.random.stateless_uniform(shape, self.seed(purpose), alg="philox")

    def normal(self, purpose: str, shape) -> tf.Tensor:
        """float32 draws of N(0, 1) of this update."""
        return tf.random.stateless_normal(shape, self.seed(purpose), alg="philox")
