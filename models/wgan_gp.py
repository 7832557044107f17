"""WGAN-GP: Gulrajani et al. 2017, "Improved Training of Wasserstein GANs"."""

import keras

from models import layers
from models.adversarial import AdversarialModel
from models.hyperparameters.variants import WGANGPHyperparameters


@keras.saving.register_keras_serializable(layers.PACKAGE)
class WGANGP(AdversarialModel):
    """A critic whose slope is drawn to 1 between real and fake images: algorithm 1."""

    Hyperparameters = WGANGPHyperparameters
