"""Targets computed from real images, for codes to predict."""

import tensorflow as tf


def stroke_thickness_target(x: tf.Tensor) -> tf.Tensor:
    """Return the mean width of light strokes on dark in pixels, the target that Q is trained on.

    A stroke of width t and length l has the area t l and edges of length 2 l, so that t is twice
    the ratio of the two; the length of the edges is the sum of the gradient norms of the gray
    levels.

    Evaluation uses another estimator, `metrics.factors.measured_stroke_thickness`. The two are
    separate on purpose: a metric with this estimator would be optimised directly, including its
    errors.

    Args:
        x: images [b, h, w, c] in [-1, 1].

    Returns:
        float32 [b]; 0 for an image without strokes.
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
