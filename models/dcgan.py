"""DCGAN: Radford et al. 2016, "Unsupervised Representation Learning with Deep Convolutional
Generative Adversarial Networks"."""

import keras

from models import layers
from models.adversarial import AdversarialModel


@keras.saving.register_keras_serializable(layers.PACKAGE)
class DCGAN(AdversarialModel):
    """Strided convolutions and batch norm: what adversarial models are made of by default."""
