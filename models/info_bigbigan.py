"""BigBiGAN with the codes of InfoGAN."""

import keras
import tensorflow as tf

from models import layers, streams
from models.abilities import CATEGORICAL_CODE
from models.batching import in_batches
from models.bigbigan import BigBiGAN
from models.declarations.info_bigbigan import InfoBigBiGANHyperparameters
from models.infogan import Coded
from models.latents import CONTINUOUS


@keras.saving.register_keras_serializable(layers.PACKAGE)
class InfoBigBiGAN(Coded, BigBiGAN):
    """BigBiGAN with the codes of InfoGAN among its latents.

    Q predicts the codes of generated images from the features of F, and the encoder predicts those
    of real images. The discriminator scores images, z and codes.
    """

    Hyperparameters = InfoBigBiGANHyperparameters

    def encoder_heads(self, h):
        """Return the heads of z, logits [b, k] of each categorical code and the continuous codes.

        The continuous codes are [b, n], within [-1, 1].
        """
        initializer = self.hp.initializer
        heads = {
            name: layers.head(size, initializer, name=name)(h)
            for name, size in self.codes.categorical.items()
        }
        if self.codes.continuous:
            raw = layers.head(self.codes.continuous, initializer, name="raw_continuous")(h)
            heads[CONTINUOUS] = keras.layers.Activation("tanh", dtype="float32")(raw)
        return super().encoder_heads(h) | heads

    def latents_of(self, output, batch):
        """Return draws, or means if `batch` is None.

        The draw of a category is one-hot, like those of the prior, and has the gradient of the
        probabilities (straight-through estimator). The mean of a category is the probabilities.
        """
        codes = {name: output[name] for name in self.codes.names}
        for name in self.codes.categorical:
            logits = output[name]
            codes[name] = tf.nn.softmax(logits)
            if batch:
                u = batch.uniform(streams.categorical_draw(name), tf.shape(logits))
                noise = -tf.math.log(-tf.math.log(u + 1e-20))
                drawn = tf.one_hot(tf.argmax(logits + noise, -1), logits.shape[-1])
                codes[name] += tf.stop_gradient(drawn - codes[name])
        return super().latents_of(output, batch) | codes

    @in_batches
    def reconstruct(self, x):
        """Return G of the most likely categories (one-hot) and of the means."""
        latents = self.latents_of(self.encoder_output(x), None)
        modes = {
            name: tf.one_hot(tf.argmax(latents[name], -1), size)
            for name, size in self.codes.categorical.items()
        }
        return self.generator_ema(self.latents.join(latents | modes), training=False)

    @in_batches
    def code_logits(self, x):
        """Return the encoder's logits [n, k] of the first categorical code."""
        self.require(CATEGORICAL_CODE)
        return self.encoder_output(x)[next(iter(self.codes.categorical))]
