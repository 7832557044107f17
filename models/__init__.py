"""The models by name. `from models import DCGAN` loads TensorFlow; `import models` does not."""

import dataclasses
import importlib

from models import hyperparameters as hp


@dataclasses.dataclass(frozen=True)
class Entry:
    """Where a model lives, and what it can be told."""

    module: str
    class_name: str
    hyperparameters: type[hp.Hyperparameters]

    def load(self) -> type:
        """The model's class; imports TensorFlow."""
        return getattr(importlib.import_module(self.module), self.class_name)


REGISTRY = {
    "gan": Entry("models.gan", "GAN", hp.GANHyperparameters),
    "dcgan": Entry("models.dcgan", "DCGAN", hp.AdversarialHyperparameters),
    "cgan": Entry("models.cgan", "CGAN", hp.CGANHyperparameters),
    "lsgan": Entry("models.lsgan", "LSGAN", hp.LSGANHyperparameters),
    "wgan": Entry("models.wgan", "WGAN", hp.WGANHyperparameters),
    "wgan_gp": Entry("models.wgan_gp", "WGANGP", hp.WGANGPHyperparameters),
    "dragan": Entry("models.dragan", "DRAGAN", hp.DRAGANHyperparameters),
    "sngan": Entry("models.sngan", "SNGAN", hp.SNGANHyperparameters),
    "infogan": Entry("models.infogan", "InfoGAN", hp.InfoGANHyperparameters),
    "bigan": Entry("models.bigan", "BiGAN", hp.BiGANHyperparameters),
    "bigbigan": Entry("models.bigbigan", "BigBiGAN", hp.BigBiGANHyperparameters),
    "info_bigbigan": Entry("models.info_bigbigan", "InfoBigBiGAN", hp.InfoBigBiGANHyperparameters),
    "began": Entry("models.began", "BEGAN", hp.BEGANHyperparameters),
    "stylegan": Entry("models.stylegan", "StyleGAN", hp.StyleGANHyperparameters),
    "stylegan2": Entry("models.stylegan2", "StyleGAN2", hp.StyleGAN2Hyperparameters),
    "autoencoder": Entry("models.autoencoder", "Autoencoder", hp.AutoencodingHyperparameters),
    "vae": Entry("models.vae", "VAE", hp.VAEHyperparameters),
    "beta_vae": Entry("models.vae", "BetaVAE", hp.BetaVAEHyperparameters),
}


def __getattr__(name: str) -> type:
    for entry in REGISTRY.values():
        if entry.class_name == name:
            return entry.load()
    raise AttributeError(f"module 'models' has no attribute '{name}'")
