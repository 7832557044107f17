"""DCGAN: Radford et al. 2016, "Unsupervised Representation Learning with Deep Convolutional
Generative Adversarial Networks"."""

import keras

from models import layers
from models.adversarial import AdversarialModel
from models.hyperparameters import DCGANHyperparameters
from models.networks import dcgan


@keras.saving.register_keras_serializable(layers.PACKAGE)
class DCGAN(AdversarialModel):
    """Strided convolutions, batch norm, and D's normalisation by `d_norm`."""

    Hyperparameters = DCGANHyperparameters

    def build_generator(self):
        return dcgan.generator(self.image_shape, self.latents.dim, **self._layout())

    def build_discriminator(self):
        trunk = dcgan.trunk(self.image_shape, norm=self.hp.d_norm, **self._layout())
        spectral = self.hp.d_norm in ("spectral", "both")
        score = layers.head(1, self.hp.initializer, spectral=spectral, name="score")
        return keras.Sequential([trunk, score], name="discriminator")

    def _layout(self) -> dict:
        return {
            "width": self.hp.width,
            "kernel_size": self.hp.kernel_size,
            "dense_units": self.hp.dense_units,
            "initializer": self.hp.initializer,
        }
