"""Path length regularisation: Karras et al. 2020, section 3.2."""

from collections.abc import Callable

import tensorflow as tf


def path_lengths(
    synthesise: Callable[[tf.Tensor], tf.Tensor], w: tf.Tensor, y: tf.Tensor
) -> tf.Tensor:
    """|J_w^T y| with the Jacobian J_w of images by styles: float32 [b].

    For styles of each layer it is the root of the mean over layers of the squared norms, as in the
    authors' code: where one style goes to n layers of one Jacobian, that of the style over n.

    Args:
        synthesise: styles [b, layers, d] -> images [b, h, w, c], each of its own style alone.
        w: [b, layers, d].
        y: random images [b, h, w, c], N(0, 1) / sqrt(h w) a pixel.
    """
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(w)
        product = tf.reduce_sum(tf.cast(synthesise(w), tf.float32) * y)
    gradient = tf.cast(tape.gradient(product, w), tf.float32)
    squares = tf.reduce_mean(tf.reduce_sum(tf.square(gradient), axis=-1), axis=-1)
    return tf.sqrt(tf.maximum(squares, 1e-37))


def path_length_penalty(lengths: tf.Tensor, mean: tf.Tensor) -> tf.Tensor:
    """(|J_w^T y| - a)² of each image [b]; a is the running mean of the lengths. Equation 4."""
    return tf.square(lengths - mean)
