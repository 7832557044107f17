"""The mutual information between codes and images, bounded from below.

L_I = E[log Q(c | G(z, c))] + H(c) <= I(c; G(z, c)): Chen et al. 2016, equation 5. Everything is in
nats. A continuous code is uniform on [-1, 1), whose entropy is ln 2.
"""

import math

import tensorflow as tf
import tensorflow_probability as tfp

LOG_STD = (-4.0, 1.0)  # what Q's logarithm of a standard deviation is kept between
UNIFORM_ENTROPY = math.log(2.0)


def categorical_nll(logits: tf.Tensor, code: tf.Tensor) -> tf.Tensor:
    """-log Q(c | x) of one-hot codes [b, k], Q's softmax being of `logits` [b, k]: [b]."""
    return tf.nn.softmax_cross_entropy_with_logits(labels=code, logits=logits)


def squared_error(mean: tf.Tensor, code: tf.Tensor) -> tf.Tensor:
    """(c - m(x))^2 of each continuous code, mean and code [b, n]: [b, n]."""
    return tf.math.squared_difference(mean, code)


def gaussian_nll(mean: tf.Tensor, log_std: tf.Tensor, code: tf.Tensor) -> tf.Tensor:
    """-log N(c; m(x), s(x)^2) of each continuous code, all [b, n]: [b, n].

    `log_std` is brought within LOG_STD, to a hundredth, by two softplus, so that neither a code
    found exactly nor one not found at all makes it run away.
    """
    low, high = LOG_STD
    log_std = high - tf.nn.softplus(high - log_std)
    log_std = low + tf.nn.softplus(log_std - low)
    return -tfp.distributions.Normal(mean, tf.exp(log_std)).log_prob(code)


def categorical_bound(nll: tf.Tensor, k: int) -> tf.Tensor:
    """L_I of a categorical code of k from its mean negative log likelihood: at most ln k."""
    return math.log(k) - nll


def gaussian_bound(nll: tf.Tensor) -> tf.Tensor:
    """L_I of a continuous code from its mean negative log likelihood."""
    return UNIFORM_ENTROPY - nll


def squared_error_bound(error: tf.Tensor) -> tf.Tensor:
    """L_I of a continuous code from its mean squared error, that is, of the Gaussian of this
    variance around m(x), which of all of one variance is the likeliest; of the error of a batch of
    b it is too high by about 1 / (2 b)."""
    return UNIFORM_ENTROPY - 0.5 * (tf.math.log(2.0 * math.pi * error) + 1.0)
