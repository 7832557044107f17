"""What codes can be tied to besides the mutual information."""

import tensorflow as tf


def stroke_thickness(x: tf.Tensor) -> tf.Tensor:
    """The mean width of the strokes, light on dark, of images [b, h, w, c] in [-1, 1]: pixels [b].

    A stroke of width t and length l has the area t l and edges of 2 l, and the edges are the sum of
    the slopes. An image without strokes has the thickness 0.
    """
    ink = tf.reduce_mean(tf.cast(x, tf.float32) + 1.0, axis=-1) / 2.0
    ink = tf.pad(ink, [[0, 0], [1, 1], [1, 1]])
    down = ink[:, 1:, :-1] - ink[:, :-1, :-1]
    right = ink[:, :-1, 1:] - ink[:, :-1, :-1]
    edges = tf.reduce_sum(tf.sqrt(down**2 + right**2), axis=[1, 2])
    return tf.math.divide_no_nan(2.0 * tf.reduce_sum(ink, axis=[1, 2]), edges)


def uniform_ranks(values: tf.Tensor) -> tf.Tensor:
    """Return the ranks of values [b], scaled to b evenly spaced points in (-1, 1).

    The smallest value is mapped to 1/b - 1 and the largest to 1 - 1/b; ties keep their order. These
    are the targets of a continuous code with a uniform prior that orders images by the values.
    """
    ranks = tf.cast(tf.argsort(tf.argsort(values, stable=True)), tf.float32)
    n = tf.cast(tf.shape(values)[0], tf.float32)
    return (2.0 * ranks + 1.0) / n - 1.0
