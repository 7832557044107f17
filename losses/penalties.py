"""Gradient penalties by name: regularisers of the discriminator's gradient norm.

A penalty is (critic, real, fake, uniform, **statistics) -> float32 [b], unreduced and unweighted:

    critic: images [b, ...] -> scores [b]; each depends on its own image only (no batch norm).
    real, fake: images [b, ...] of one shape.
    uniform: (name of a random stream, shape) -> a float32 tensor in [0, 1). Penalties draw no
        random numbers of their own.
    statistics: what PenaltyChoice.statistics returns for the real images.

A gradient norm is the Euclidean norm of a score's gradient over all axes of its image. It is
computed in float32 whatever the precision of the networks.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING

import replicas
from fields import Choice, Choices, field

if TYPE_CHECKING:
    import tensorflow as tf

Critic = Callable[["tf.Tensor"], "tf.Tensor"]
Uniform = Callable[[str, "tf.Tensor"], "tf.Tensor"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class PenaltyChoice(Choice):
    """Gradient penalty that `--penalty` selects.

    Attributes:
        statistics: real images [b, ...] -> further arguments of the penalty, by name, that depend
            on all images of the batch.
    """

    statistics: Callable[[tf.Tensor], dict[str, tf.Tensor]] = lambda real: {}


PENALTIES = Choices(PenaltyChoice)

# Names of random streams; renaming one changes the result of every seed.
INTERPOLATION = "epsilon"
PERTURBATION_SIZE = "alpha"
PERTURBATION = "perturbation"

OPTIONS = {
    "penalty_weight": field(
        10.0,
        "weight of each selected gradient penalty that has no weight of its own",
        group="loss",
        above=0,
        schedulable=True,
    ),
    "penalty_interval": field(
        1,
        "lazy regularization: the penalty is computed every N steps, scaled by N (Karras et al. "
        "2020, appendix B)",
        group="loss",
        at_least=1,
    ),
}


def squared_gradient_norms(critic: Critic, x: tf.Tensor) -> tf.Tensor:
    """Return |d critic(x) / d x|² of each example, float32 [b], of images x [b, ...]."""
    import tensorflow as tf

    x = tf.cast(x, tf.float32)
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(x)
        scores = critic(x)
    squares = tf.square(tape.gradient(scores, x))
    return tf.reduce_sum(squares, axis=list(range(1, x.shape.rank)))


def gradient_norms(critic: Critic, x: tf.Tensor) -> tf.Tensor:
    """Return |d critic(x) / d x| of each example, float32 [b], of images x [b, ...].

    Where it vanishes, its own gradient is 0 and not NaN.
    """
    import tensorflow as tf

    return tf.sqrt(tf.maximum(squared_gradient_norms(critic, x), 1e-37))


@PENALTIES.add("gradient", options=OPTIONS)
def gradient(critic: Critic, real: tf.Tensor, fake: tf.Tensor, uniform: Uniform) -> tf.Tensor:
    """(|grad D(x^)| - 1)² at x^ = e x + (1 - e) G(z), one e ~ U(0, 1) per example.

    Gulrajani et al. 2017, equation 3 and algorithm 1.
    """
    import tensorflow as tf

    real, fake = tf.cast(real, tf.float32), tf.cast(fake, tf.float32)
    epsilon = uniform(INTERPOLATION, one_per_example(real))
    interpolates = epsilon * real + (1.0 - epsilon) * fake
    return tf.square(gradient_norms(critic, interpolates) - 1.0)


def pixel_deviation(real: tf.Tensor) -> dict[str, tf.Tensor]:
    """Return the standard deviation of all pixels of real images [b, ...], as `deviation`."""
    import tensorflow as tf

    real = tf.cast(real, tf.float32)
    mean = replicas.mean(tf.reduce_mean(real))
    variance = replicas.mean(tf.reduce_mean(tf.square(real - mean)))
    return {"deviation": tf.sqrt(variance)}


@PENALTIES.add("dragan", options=OPTIONS, statistics=pixel_deviation)
def dragan(
    critic: Critic, real: tf.Tensor, fake: tf.Tensor, uniform: Uniform, deviation: tf.Tensor
) -> tf.Tensor:
    """(|grad D(x + d)| - 1)² at d = alpha std(x) u / 2, alpha and u ~ U(0, 1).

    Kodali et al. 2017, with the perturbation of the authors' code: one alpha per example, one u
    per pixel, std that of all pixels of the batch (`deviation`). The paper's last version perturbs
    by N(0, c I) instead and leaves c to be tuned.
    """
    import tensorflow as tf

    real = tf.cast(real, tf.float32)
    alpha = uniform(PERTURBATION_SIZE, one_per_example(real))
    u = uniform(PERTURBATION, tf.shape(real))
    perturbed = real + alpha * 0.5 * deviation * u
    return tf.square(gradient_norms(critic, perturbed) - 1.0)


@PENALTIES.add("r1", options=OPTIONS)
def r1(critic: Critic, real: tf.Tensor, fake: tf.Tensor, uniform: Uniform) -> tf.Tensor:
    """|grad D(x)|² / 2 at real images.

    Mescheder et al. 2018, "Which Training Methods for GANs do actually Converge?",
    arXiv:1801.04406, equation 9, for gamma = 1.
    """
    return 0.5 * squared_gradient_norms(critic, real)


@PENALTIES.add("r2", options=OPTIONS)
def r2(critic: Critic, real: tf.Tensor, fake: tf.Tensor, uniform: Uniform) -> tf.Tensor:
    """|grad D(G(z))|² / 2 at generated images. Mescheder et al. 2018, equation 10, gamma = 1."""
    return 0.5 * squared_gradient_norms(critic, fake)


def one_per_example(x: tf.Tensor) -> tf.Tensor:
    """Return the shape [b, 1, ...] of weights for x [b, ...]."""
    import tensorflow as tf

    return tf.concat([tf.shape(x)[:1], tf.ones([x.shape.rank - 1], tf.int32)], axis=0)
