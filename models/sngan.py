"""SNGAN: Miyato et al. 2018, "Spectral Normalization for Generative Adversarial Networks"."""

import keras

from models import layers
from models.adversarial import AdversarialModel
from models.hyperparameters.variants import SNGANHyperparameters


@keras.saving.register_keras_serializable(layers.PACKAGE)
class SNGAN(AdversarialModel):
    """Hinge loss, and a discriminator with spectrally normalised kernels."""

    Hyperparameters = SNGANHyperparameters
