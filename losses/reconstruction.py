"""How far reconstructions are from their images."""

import tensorflow as tf


def squared_error(x: tf.Tensor, reconstruction: tf.Tensor) -> tf.Tensor:
    """The mean of (x - y)^2 over pixels and channels, of images and reconstructions
    [b, h, w, c]: [b].

    In BiGAN it bounds, but for factor and constant, the conditional entropy H(x|z) of the pairs
    (x, E(x)), which the game leaves free: cycle-consistency in Li et al. 2017, "ALICE: Towards
    Understanding Adversarial Learning for Joint Distribution Matching", section 3.
    """
    squares = tf.math.squared_difference(x, reconstruction)
    return tf.reduce_mean(squares, axis=list(range(1, x.shape.rank)))
