"""The models by name. `from models import DCGAN` loads TensorFlow; `import models` does not."""

import dataclasses
import importlib

from models.hyperparameters.adversarial import AdversarialHyperparameters
from models.hyperparameters.autoencoding import (
    AutoencodingHyperparameters,
    BetaVAEHyperparameters,
    VAEHyperparameters,
)
from models.hyperparameters.base import Hyperparameters
from models.hyperparameters.bigan import (
    BiGANHyperparameters,
    BigBiGANHyperparameters,
    InfoBigBiGANHyperparameters,
)
from models.hyperparameters.infogan import InfoGANHyperparameters
from models.hyperparameters.style import StyleGAN2Hyperparameters, StyleGANHyperparameters
from models.hyperparameters.variants import (
    BEGANHyperparameters,
    CGANHyperparameters,
    DRAGANHyperparameters,
    GANHyperparameters,
    LSGANHyperparameters,
    SNGANHyperparameters,
    WGANGPHyperparameters,
    WGANHyperparameters,
)


@dataclasses.dataclass(frozen=True)
class Entry:
    """Module, class and hyperparameters of a model."""

    module: str
    class_name: str
    hyperparameters: type[Hyperparameters]

    def load(self) -> type:
        """Return the class of the model; imports TensorFlow."""
        return getattr(importlib.import_module(self.module), self.class_name)


REGISTRY = {
    "gan": Entry("models.gan", "GAN", GANHyperparameters),
    "dcgan": Entry("models.dcgan", "DCGAN", AdversarialHyperparameters),
    "cgan": Entry("models.cgan", "CGAN", CGANHyperparameters),
    "lsgan": Entry("models.lsgan", "LSGAN", LSGANHyperparameters),
    "wgan": Entry("models.wgan", "WGAN", WGANHyperparameters),
    "wgan_gp": Entry("models.wgan_gp", "WGANGP", WGANGPHyperparameters),
    "dragan": Entry("models.dragan", "DRAGAN", DRAGANHyperparameters),
    "sngan": Entry("models.sngan", "SNGAN", SNGANHyperparameters),
    "infogan": Entry("models.infogan", "InfoGAN", InfoGANHyperparameters),
    "bigan": Entry("models.bigan", "BiGAN", BiGANHyperparameters),
    "bigbigan": Entry("models.bigbigan", "BigBiGAN", BigBiGANHyperparameters),
    "info_bigbigan": Entry("models.info_bigbigan", "InfoBigBiGAN", InfoBigBiGANHyperparameters),
    "began": Entry("models.began", "BEGAN", BEGANHyperparameters),
    "stylegan": Entry("models.stylegan", "StyleGAN", StyleGANHyperparameters),
    "stylegan2": Entry("models.stylegan2", "StyleGAN2", StyleGAN2Hyperparameters),
    "autoencoder": Entry("models.autoencoder", "Autoencoder", AutoencodingHyperparameters),
    "vae": Entry("models.vae", "VAE", VAEHyperparameters),
    "beta_vae": Entry("models.vae", "BetaVAE", BetaVAEHyperparameters),
}


def __getattr__(name: str) -> type:
    for entry in REGISTRY.values():
        if entry.class_name == name:
            return entry.load()
    raise AttributeError(f"module 'models' has no attribute '{name}'")
