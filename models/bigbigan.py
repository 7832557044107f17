"""BigBiGAN.

Donahue and Simonyan 2019, "Large Scale Adversarial Representation Learning", arXiv:1907.02544.
"""

import keras

from models import layers
from models.bigan import BiGAN
from models.declarations.bigbigan import BigBiGANHyperparameters


@keras.saving.register_keras_serializable(layers.PACKAGE)
class BigBiGAN(BiGAN):
    """Discriminator of images, latents and pairs: sx of F(x), sz of H(z), sxz of J(F(x), H(z)).

    With the default loss D minimises h(y s) for each score s, with h(t) = max(0, 1 - t), and G and
    E minimise y s; y is 1 for real pairs (x, E(x)) and -1 for generated ones (G(z), z). A score
    that is off (`sx`, `sz`, `sxz`) is neither built nor computed.
    """

    Hyperparameters = BigBiGANHyperparameters

    @property
    def scores(self):
        return tuple(name for name in ("sx", "sz", "sxz") if getattr(self.hp, name))

    @property
    def scores_of_images(self):
        return tuple(name for name in self.scores if name != "sz")
