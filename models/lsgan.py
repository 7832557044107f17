"""LSGAN: Mao et al. 2017, "Least Squares Generative Adversarial Networks"."""

import keras

from models import layers
from models.adversarial import AdversarialModel
from models.hyperparameters.variants import LSGANHyperparameters


@keras.saving.register_keras_serializable(layers.PACKAGE)
class LSGAN(AdversarialModel):
    """D's scores are drawn to labels by least squares, equation 2."""

    Hyperparameters = LSGANHyperparameters
