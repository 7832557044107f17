"""WGAN: Arjovsky et al. 2017, "Wasserstein GAN", arXiv:1701.07875."""

import keras

from models import layers
from models.adversarial import AdversarialModel
from models.declarations.wgan import WGANHyperparameters


@keras.saving.register_keras_serializable(layers.PACKAGE)
class WGAN(AdversarialModel):
    """Wasserstein GAN; clipping the weights bounds the critic's gradient norm: algorithm 1."""

    Hyperparameters = WGANHyperparameters

    def after_discriminator_update(self, real, fake, batch):
        for weight in self.discriminator.trainable_variables:
            weight.assign(keras.ops.clip(weight, -self.hp.clip, self.hp.clip))
        return {}
