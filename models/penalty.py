"""Regularisers of the discriminator as terms of its loss."""

import dataclasses
import functools
from collections.abc import Callable

import tensorflow as tf

from models.randomness import Batch
from models.terms import Term


@dataclasses.dataclass(frozen=True)
class Penalty:
    """Regulariser of the discriminator.

    Attributes:
        weight: weight of its mean.
        function: (real, fake, batch, **statistics) -> [b]; real and fake are inputs of the
            discriminator.
        interval: N: it is computed every N steps, scaled by N (lazy regularization, Karras et al.
            2020, appendix B).
        statistics: real -> further arguments by name, which depend on the global batch.
    """

    weight: float
    function: Callable
    interval: int = 1
    statistics: Callable[..., dict] = lambda real: {}

    def term(self, real, fake, batch: Batch, step: tf.Tensor) -> Term:
        """Return the term of a step; 0 in steps that lazy regularization skips.

        The statistics are computed in each step: replicas cannot communicate within tf.cond.
        """
        statistics = self.statistics(real)
        value = functools.partial(self.function, real, fake, batch, **statistics)
        if self.interval == 1:
            return Term(value(), self.weight)
        due = tf.equal(step % self.interval, 0)
        nothing = functools.partial(tf.zeros, tf.shape(batch.x)[:1])
        return Term(tf.cond(due, value, nothing), self.weight * self.interval)
