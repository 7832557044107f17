"""BEGAN.

Berthelot et al. 2017, "BEGAN: Boundary Equilibrium Generative Adversarial Networks",
arXiv:1703.10717.
"""

import keras
import tensorflow as tf

import replicas
from losses.adversarial import equilibrium
from models import layers, state_keys
from models.adversarial import AdversarialModel
from models.declarations.began import BEGANHyperparameters
from models.scalars import ScalarGroup

CONVERGENCE = "convergence"
EQUILIBRIUM = ScalarGroup(
    title="equilibrium", folder="equilibrium", names=(state_keys.K, CONVERGENCE), order=55
)


@keras.saving.register_keras_serializable(layers.PACKAGE)
class BEGAN(AdversarialModel):
    """GAN with an autoencoder as discriminator; its score is the reconstruction error.

    Attributes:
        k: float32 variable in [0, 1], weight of generated images in D's loss. It keeps the errors
            of real and of generated images in equilibrium.
    """

    Hyperparameters = BEGANHyperparameters

    def build_networks(self):
        self.k = self.add_weight(name=state_keys.K, shape=(), initializer="zeros", trainable=False)
        super().build_networks()

    def build_discriminator(self):
        """Return D: images [b, h, w, c] -> reconstructions, through a code of `hidden_dim`."""
        decoder = self.backbone().generator(
            self.image_shape,
            self.hp.hidden_dim,
            norm=self.hp.d_norm,
            activation="linear",
            **self.layout(),
        )
        code = layers.head(self.hp.hidden_dim, self.hp.initializer, name="code")
        return keras.Sequential([self.build_trunk(), code, decoder], name="discriminator")

    def discriminate(self, inputs, batch):
        """Return L(v) = |v - D(v)|, the mean over pixels and channels: [b]. Section 3.1."""
        error = tf.abs(inputs - self.discriminator(inputs, training=True))
        return {"d": tf.reduce_mean(error, axis=[1, 2, 3])}

    def make_loss(self):
        """Return D: L(x) - k L(G(z)); G: L(G(z)). Section 3.4."""
        return equilibrium(lambda: self.k)

    def after_discriminator_update(self, real, fake, batch):
        """Add lambda_k (gamma L(x) - L(G(z))) to k, within [0, 1]. Section 3.4.

        Returns:
            k, and the convergence measure L(x) + |gamma L(x) - L(G(z))| (section 3.4.1).
        """
        real, fake = replicas.mean([tf.reduce_mean(scores["d"]) for scores in (real, fake)])
        balance = self.hp.gamma * real - fake
        self.k.assign(tf.clip_by_value(self.k + self.hp.lambda_k * balance, 0.0, 1.0))
        return {
            state_keys.K: tf.convert_to_tensor(self.k),
            CONVERGENCE: real + tf.abs(balance),
        }
