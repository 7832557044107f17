"""Autoencoder.

Hinton and Salakhutdinov 2006, "Reducing the Dimensionality of Data with Neural Networks".
"""

import keras
import tensorflow as tf

import replicas
from models import layers, state_keys
from models.autoencoding import AutoencodingModel
from models.ema import averaging_rate


@keras.saving.register_keras_serializable(layers.PACKAGE)
class Autoencoder(AutoencodingModel):
    """Autoencoder without a prior on the codes.

    For sampling, a Gaussian is fitted to the codes of the last few hundred batches. Its latents are
    the coordinates along the principal axes of the codes, in standard deviations, in the order of
    decreasing variance.

    Attributes:
        code_mean: float32 variable [d], the moving average of the codes.
        code_covariance: float32 variable [d, d], the moving average of their covariance.
    """

    def build_networks(self):
        super().build_networks()
        d = self.hp.latent_dim
        fixed = {"trainable": False, "dtype": "float32"}
        self.code_mean = self.add_weight(
            name=state_keys.CODE_MEAN, shape=(d,), initializer="zeros", **fixed
        )
        self.code_covariance = self.add_weight(
            name=state_keys.CODE_COVARIANCE, shape=(d, d), initializer="identity", **fixed
        )

    def after_update(self, output, terms):
        """Update the moving averages of the codes' mean and covariance."""
        codes, rate = output["mean"], averaging_rate(self.step, 0.99)
        mean = replicas.mean(tf.reduce_mean(codes, axis=0))
        self.code_mean.assign_add(rate * (mean - self.code_mean))
        codes -= self.code_mean
        covariance = tf.matmul(codes, codes, transpose_a=True) / tf.cast(
            tf.shape(codes)[0], tf.float32
        )
        covariance = replicas.mean(covariance)
        self.code_covariance.assign_add(rate * (covariance - self.code_covariance))
        return {}

    def generator_network(self):
        variances, axes = tf.linalg.eigh(tf.convert_to_tensor(self.code_covariance))
        axes *= tf.where(tf.reduce_sum(axes, axis=0) < 0.0, -1.0, 1.0)  # makes the sign unique
        deviations = tf.sqrt(tf.maximum(variances, 0.0))
        fitted = keras.layers.Dense(self.hp.latent_dim, dtype="float32", name="fitted_gaussian")
        z = keras.Input((self.hp.latent_dim,), name="latents")
        network = keras.Model(z, self.to_images(self.decoder(fitted(z))), name="generator")
        fitted.set_weights([tf.transpose(axes * deviations)[::-1], self.code_mean])
        return network

    def active_dimensions(self):
        return list(range(self.hp.latent_dim))
