"""Terms of a loss, their weights and their sum."""

import dataclasses

import tensorflow as tf

from models.scalars import ScalarGroup


@dataclasses.dataclass(frozen=True)
class Term:
    """One term of a loss: the mean over the examples of weight x value.

    Attributes:
        value: [b], unreduced.
        weight: a number, or a tensor that broadcasts to the value.
    """

    value: tf.Tensor
    weight: float | tf.Tensor = 1.0

    def mean(self) -> tf.Tensor:
        """Return the mean of weight x value, a float32 scalar."""
        return tf.reduce_mean(tf.cast(self.weight * self.value, tf.float32))


Terms = dict[str, Term | tf.Tensor]  # a plain tensor [b] has the weight 1


def merged(*groups: Terms) -> Terms:
    """Return the terms of all groups, in their order.

    Raises:
        ValueError: two terms have the same name.
    """
    terms = {}
    for group in groups:
        if repeated := terms.keys() & group.keys():
            raise ValueError(f"several terms of a loss are named {', '.join(sorted(repeated))}")
        terms |= group
    return terms


def total(terms: Terms, name: str, group: ScalarGroup) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
    """Return the sum of the terms, and the scalars to log: the sum, and each of several terms.

    Args:
        terms: name -> term.
        name: name of the sum.
        group: scalar group of the terms.
    """
    means = {
        key: (term if isinstance(term, Term) else Term(term)).mean() for key, term in terms.items()
    }
    loss = tf.add_n(list(means.values()))
    return loss, {name: loss, **(group.named(means) if len(means) > 1 else {})}
