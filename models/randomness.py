"""Stateless random numbers, keyed by the seed of the run, the step and the random stream."""

import dataclasses
import zlib
from collections.abc import Callable, Sequence

import tensorflow as tf

import replicas
from models.latents import Latents


def stateless_seed(seed: int, step: tf.Tensor | int, stream: str) -> tf.Tensor:
    """Return an int32 [2] seed for tf.random.stateless_* and TensorFlow Probability.

    It depends only on these arguments, so a resumed run has the same random numbers as an
    uninterrupted one.

    Args:
        seed: seed of the run.
        step: training step.
        stream: name of the random stream.
    """
    key = tf.constant([seed, zlib.crc32(stream.encode()) & 0x7FFFFFFF], tf.int32)
    return tf.random.experimental.stateless_fold_in(key, tf.cast(step, tf.int32))


def length(x: tf.Tensor) -> int | tf.Tensor:
    """Return the number of examples n of x [n, ...]: an int if it is static, else a scalar tensor.

    XLA requires static shapes within conditions, so an int is preferred.
    """
    return tf.shape(x)[0] if x.shape[0] is None else x.shape[0]


@dataclasses.dataclass(frozen=True)
class Growth:
    """Image size at a step of progressive growing.

    Attributes:
        stage: number of doublings of the smallest size.
        alpha: weight of the images of that size, a scalar in (0, 1]; 1 - alpha is the weight of
            those of the previous size. None for the smallest size.
    """

    stage: int
    alpha: tf.Tensor | None


@dataclasses.dataclass(frozen=True)
class Batch:
    """Inputs of one update; b is the number of images of a replica.

    The random draws of a replica are its rows of those of the global batch, so their values do not
    depend on the number of replicas.

    Attributes:
        x: real images [b, h, w, c] in [-1, 1].
        labels: int [b], or None.
        seed: name of a random stream -> int32 [2], the stateless seed of this update.
        latents: name -> [b, d], the generator's inputs.
        growth: size of the images of a growing model; None for full images.
    """

    x: tf.Tensor
    labels: tf.Tensor | None
    seed: Callable[[str], tf.Tensor]
    latents: dict[str, tf.Tensor] = dataclasses.field(default_factory=dict)
    growth: Growth | None = None

    def uniform(self, stream: str, shape) -> tf.Tensor:
        """Return float32 draws of U[0, 1), of a shape [b, ...], from a random stream."""
        return self._draw(tf.random.stateless_uniform, stream, shape)

    def normal(self, stream: str, shape) -> tf.Tensor:
        """Return float32 draws of N(0, 1), of a shape [b, ...], from a random stream."""
        return self._draw(tf.random.stateless_normal, stream, shape)

    def latents_of(self, prior: Latents, stream: str) -> dict[str, tf.Tensor]:
        """Return draws from a prior, name -> [b, d], from a random stream."""
        n = length(self.x) * replicas.count()
        return replicas.rows(prior.draw(n, self.seed(stream)))

    def _draw(self, function: Callable, stream: str, shape) -> tf.Tensor:
        """Return the replica's rows of the draws for the global batch."""
        first, *others = shape if isinstance(shape, Sequence) else tf.unstack(shape)
        shape = [first * replicas.count(), *others]
        return replicas.rows(function(shape, self.seed(stream), alg="philox"))
