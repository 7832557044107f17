"""Penalties by name: what keeps the slope of a discriminator, or critic, in bounds.

A penalty is (critic, real, fake, uniform) -> float32 [b], unreduced and unweighted:

    critic: images [b, ...] -> scores [b], each of its own image alone (no batch normalisation).
    real, fake: images [b, ...] of one shape.
    uniform: (purpose, shape) -> a float32 tensor in [0, 1). No penalty draws on its own.

A slope is the Euclidean norm of a score's gradient over all axes of its image. It is summed up in
float32 whatever the precision of the networks.
"""

from collections.abc import Callable

import tensorflow as tf

Critic = Callable[[tf.Tensor], tf.Tensor]
Uniform = Callable[[str, tf.Tensor], tf.Tensor]


def squared_slopes(critic: Critic, x: tf.Tensor) -> tf.Tensor:
    """|d critic(x) / d x|² of each example, float32 [b], of images x [b, ...]."""
    x = tf.cast(x, tf.float32)
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(x)
        scores = critic(x)
    squares = tf.square(tape.gradient(scores, x))
    return tf.reduce_sum(squares, axis=list(range(1, x.shape.rank)))


def slopes(critic: Critic, x: tf.Tensor) -> tf.Tensor:
    """|d critic(x) / d x| of each example, float32 [b], of images x [b, ...].

    Where it vanishes, its own gradient is 0 and not NaN.
    """
    return tf.sqrt(tf.maximum(squared_slopes(critic, x), 1e-37))


def gradient(critic: Critic, real: tf.Tensor, fake: tf.Tensor, uniform: Uniform) -> tf.Tensor:
    """(|grad D(x^)| - 1)² at x^ = e x + (1 - e) G(z), e ~ U(0, 1) one an example.

    Gulrajani et al. 2017, equation 3 and algorithm 1.
    """
    real, fake = tf.cast(real, tf.float32), tf.cast(fake, tf.float32)
    epsilon = uniform("epsilon", one_an_example(real))
    return tf.square(slopes(critic, epsilon * real + (1.0 - epsilon) * fake) - 1.0)


def dragan(critic: Critic, real: tf.Tensor, fake: tf.Tensor, uniform: Uniform) -> tf.Tensor:
    """(|grad D(x + d)| - 1)² at d = alpha std(x) u / 2, alpha and u ~ U(0, 1).

    Kodali et al. 2017, with the perturbation of the authors' code: alpha is one an example, u one
    a pixel, std that of all pixels of the batch. The paper's last version (equation 1) perturbs by
    N(0, c I) instead and leaves c to be tuned.
    """
    real = tf.cast(real, tf.float32)
    alpha = uniform("alpha", one_an_example(real))
    u = uniform("perturbation", tf.shape(real))
    return tf.square(slopes(critic, real + alpha * 0.5 * tf.math.reduce_std(real) * u) - 1.0)


def r1(critic: Critic, real: tf.Tensor, fake: tf.Tensor, uniform: Uniform) -> tf.Tensor:
    """|grad D(x)|² / 2 at real images. Mescheder et al. 2018, equation 9, for gamma = 1."""
    return 0.5 * squared_slopes(critic, real)


def r2(critic: Critic, real: tf.Tensor, fake: tf.Tensor, uniform: Uniform) -> tf.Tensor:
    """|grad D(G(z))|² / 2 at fakes. Mescheder et al. 2018, equation 10, for gamma = 1."""
    return 0.5 * squared_slopes(critic, fake)


def one_an_example(x: tf.Tensor) -> tf.Tensor:
    """The shape [b, 1, ...] of weights for x [b, ...]."""
    return tf.concat([tf.shape(x)[:1], tf.ones([x.shape.rank - 1], tf.int32)], axis=0)


PENALTIES = {"gradient": gradient, "dragan": dragan, "r1": r1, "r2": r2}
