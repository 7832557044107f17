"""DRAGAN: Kodali et al. 2017, "On Convergence and Stability of GANs"."""

import keras

from models import layers
from models.adversarial import AdversarialModel
from models.hyperparameters.variants import DRAGANHyperparameters


@keras.saving.register_keras_serializable(layers.PACKAGE)
class DRAGAN(AdversarialModel):
    """A discriminator whose slope is drawn to 1 around real images."""

    Hyperparameters = DRAGANHyperparameters
