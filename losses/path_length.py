"""Path length regularization: Karras et al. 2020, section 3.2."""

from collections.abc import Callable

import tensorflow as tf


def path_lengths(
    synthesise: Callable[[tf.Tensor], tf.Tensor], w: tf.Tensor, y: tf.Tensor
) -> tf.Tensor:
    """Return the path length |J_w^T y| of each image; J_w is the Jacobian of the image in w.

    With a style per layer it is the root mean square over layers of the norms, as in the authors'
    code.

    Args:
        synthesise: styles [b, layers, d] -> images [b, h, w, c]. Each image may depend on its own
            style only.
        w: styles [b, layers, d].
        y: random images [b, h, w, c], N(0, 1) / sqrt(h w) per pixel.

    Returns:
        float32 [b].
    """
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(w)
        product = tf.reduce_sum(tf.cast(synthesise(w), tf.float32) * y)
    gradient = tf.cast(tape.gradient(product, w), tf.float32)
    squares = tf.reduce_mean(tf.reduce_sum(tf.square(gradient), axis=-1), axis=-1)
    return tf.sqrt(tf.maximum(squares, 1e-37))


def path_length_penalty(lengths: tf.Tensor, mean: tf.Tensor) -> tf.Tensor:
    """Return (|J_w^T y| - a)² per image, [b], with a the mean path length: equation 4."""
    return tf.square(lengths - mean)
