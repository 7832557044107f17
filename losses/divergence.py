"""KL divergence between the posterior and the prior of latent codes."""

import tensorflow as tf
import tensorflow_probability as tfp

import replicas

tfd = tfp.distributions


def gaussian_kl(mean: tf.Tensor, log_variance: tf.Tensor) -> tf.Tensor:
    """Return KL(N(m, v) || N(0, 1)) = (m² + v - log v - 1) / 2 per dimension, in nats.

    Kingma and Welling 2014, "Auto-Encoding Variational Bayes", appendix B.

    Args:
        mean: m, [b, d].
        log_variance: log v, [b, d].

    Returns:
        [b, d].
    """
    posterior = tfd.Normal(mean, tf.exp(0.5 * log_variance))
    return tfd.kl_divergence(posterior, tfd.Normal(0.0, 1.0))


def with_free_bits(kl: tf.Tensor, free_bits: float) -> tf.Tensor:
    """Return the KL term with free bits: sum over dimensions j of max(lambda, batch mean of KL_j).

    Kingma et al. 2016, "Improving Variational Inference with Inverse Autoregressive Flow",
    equation 15. With lambda = 0 it is the mean KL divergence of the batch.

    Args:
        kl: KL divergence per image and dimension, [b, d], in nats.
        free_bits: lambda >= 0, in nats per dimension.

    Returns:
        Scalar.
    """
    return tf.reduce_sum(tf.maximum(replicas.mean(tf.reduce_mean(kl, axis=0)), free_bits))
