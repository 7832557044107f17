"""Adversarial losses as pairs by name: what the discriminator and what the generator minimise.

A pair is given logits, never probabilities, and returns [batch] terms by name, unreduced.
"""

import dataclasses
from collections.abc import Callable

import tensorflow as tf

Terms = dict[str, tf.Tensor]


@dataclasses.dataclass(frozen=True)
class AdversarialLoss:
    """One game between a discriminator D and a generator G.

    Attributes:
        discriminator: (d_real [b], d_fake [b]) -> terms that D minimises.
        generator: (d_real [b] or None, d_fake [b]) -> terms that G minimises.
        boundary: the score above which D holds an image for real, or None where scores have no
            such meaning.
        generator_sees_real: whether the generator's terms need d_real.
    """

    discriminator: Callable[[tf.Tensor, tf.Tensor], Terms]
    generator: Callable[[tf.Tensor | None, tf.Tensor], Terms]
    boundary: float | None = 0.0
    generator_sees_real: bool = False


def cross_entropy(logits: tf.Tensor, target: float) -> tf.Tensor:
    """-t log sigmoid(l) - (1 - t) log(1 - sigmoid(l)) of logits [b] for a target t in [0, 1]."""
    return target * tf.nn.softplus(-logits) + (1.0 - target) * tf.nn.softplus(logits)


def non_saturating(real_label: float = 1.0) -> AdversarialLoss:
    """D: -log D(x) - log(1 - D(G(z))); G: -log D(G(z)). Goodfellow et al. 2014, section 3.

    Args:
        real_label: D's target for real images; below 1 it is the one-sided label smoothing of
            Salimans et al. 2016, section 3.4.
    """
    return AdversarialLoss(
        discriminator=lambda d_real, d_fake: {
            "real": cross_entropy(d_real, real_label),
            "fake": cross_entropy(d_fake, 0.0),
        },
        generator=lambda _, d_fake: {"adversarial": cross_entropy(d_fake, 1.0)},
    )


def minimax(real_label: float = 1.0) -> AdversarialLoss:
    """D: as non_saturating; G: log(1 - D(G(z))). Goodfellow et al. 2014, equation 1."""
    return dataclasses.replace(
        non_saturating(real_label),
        generator=lambda _, d_fake: {"adversarial": -cross_entropy(d_fake, 0.0)},
    )


LOSSES = {"non_saturating": non_saturating, "minimax": minimax}
