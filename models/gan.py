"""GAN: Goodfellow et al. 2014, "Generative Adversarial Nets", with fully connected networks."""

import keras

from models import layers
from models.adversarial import AdversarialModel
from models.hyperparameters.variants import GANHyperparameters


@keras.saving.register_keras_serializable(layers.PACKAGE)
class GAN(AdversarialModel):
    """The first GAN; non-saturating unless `loss` says minimax."""

    Hyperparameters = GANHyperparameters
