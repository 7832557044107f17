"""How far reconstructions are from their images."""

import tensorflow as tf


def mean_squared_error(x: tf.Tensor, reconstruction: tf.Tensor) -> tf.Tensor:
    """The mean of (x - y)^2 over pixels and channels, of images and reconstructions
    [b, h, w, c]: [b].

    In BiGAN it bounds, but for factor and constant, the conditional entropy H(x|z) of the pairs
    (x, E(x)), which the game leaves free: cycle-consistency in Li et al. 2017, "ALICE: Towards
    Understanding Adversarial Learning for Joint Distribution Matching", section 3.
    """
    squares = tf.math.squared_difference(x, reconstruction)
    return tf.reduce_mean(squares, axis=list(range(1, x.shape.rank)))


def summed_squared_error(x: tf.Tensor, reconstruction: tf.Tensor) -> tf.Tensor:
    """The sum of (x - y)^2 over pixels and channels, of images and reconstructions [b, h, w, c] in
    [-1, 1]: [b]. It is -log N(x; y, 1/2), but for the constant (h w c / 2) log pi."""
    squares = tf.math.squared_difference(x, reconstruction)
    return tf.reduce_sum(squares, axis=list(range(1, x.shape.rank)))


def bernoulli_nll(x: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """-sum of t log p + (1 - t) log(1 - p) over pixels and channels, in nats, of images x = 2 t - 1
    in [-1, 1] and logits of p, [b, h, w, c] both: [b]. Kingma and Welling 2014, appendix C.1."""
    entropies = tf.nn.sigmoid_cross_entropy_with_logits((x + 1.0) / 2.0, logits)
    return tf.reduce_sum(entropies, axis=list(range(1, x.shape.rank)))
