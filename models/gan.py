"""GAN: Goodfellow et al. 2014, "Generative Adversarial Nets", with fully connected networks."""

import keras

from models import layers
from models.adversarial import AdversarialModel
from models.hyperparameters import GANHyperparameters
from models.networks import mlp


@keras.saving.register_keras_serializable(layers.PACKAGE)
class GAN(AdversarialModel):
    """The first GAN; non-saturating unless `loss` says minimax."""

    Hyperparameters = GANHyperparameters

    def build_generator(self):
        return mlp.generator(self.image_shape, self.latents.dim, **self._layout())

    def build_discriminator(self):
        trunk = mlp.trunk(self.image_shape, **self._layout())
        return keras.Sequential([trunk, layers.head(1, self.hp.initializer, name="score")])

    def _layout(self) -> dict:
        return {
            "width": self.hp.width,
            "depth": self.hp.depth,
            "initializer": self.hp.initializer,
        }
