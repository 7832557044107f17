"""Path length regularization: Karras et al. 2020, section 3.2."""

from collections.abc import Callable

import tensorflow as tf


def path_lengths(
    synthesise: Callable[[tf.Tensor], tf.Tensor], w: tf.Tensor, y: tf.Tensor
) -> tf.Tensor:
    """Return |J_w^T y|, float32 [b], with the Jacobian J_w of the images with respect to w.

    With one style per layer it is the root of the mean over layers of the squared norms, as in the
    authors' code: one style for n layers with one Jacobian gives the length of that style over n.

    Args:
        synthesise: styles [b, layers, d] -> images [b, h, w, c], each a function of its own style.
        w: [b, layers, d].
        y: random images [b, h, w, c], N(0, 1) / sqrt(h w) per pixel.
    """
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(w)
        product = tf.reduce_sum(tf.cast(synthesise(w), tf.float32) * y)
    gradient = tf.cast(tape.gradient(product, w), tf.float32)
    squares = tf.reduce_mean(tf.reduce_sum(tf.square(gradient), axis=-1), axis=-1)
    return tf.sqrt(tf.maximum(squares, 1e-37))


def path_length_penalty(lengths: tf.Tensor, mean: tf.Tensor) -> tf.Tensor:
    """Return (|J_w^T y| - a)² of each image, [b]; a is the mean path length. Equation 4."""
    return tf.square(lengths - mean)
