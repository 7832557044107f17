"""Hyperparameters of models with an encoder, a decoder and one loss."""

from fields import choice, field, options
from losses.reconstruction import RECONSTRUCTIONS
from losses.schedules import SCHEDULES
from models.hyperparameters.base import NetworkHyperparameters
from models.norms import GENERATOR_NORMS


@options
class AutoencodingHyperparameters(NetworkHyperparameters):
    """Hyperparameters of every autoencoding model."""

    latent_dim: int = field(128, "dimensions of the latent code z", group="latents", at_least=1)
    reconstruction: str = choice(
        RECONSTRUCTIONS,
        "squared_error",
        "reconstruction error, summed over pixels and channels: squared, of images in [-1, 1], or "
        "negative log likelihood of Bernoulli variables, of images in [0, 1], in nats",
        group="loss",
    )
    learning_rate: float = field(1e-3, "learning rate of Adam", group="optimisation", above=0)
    norm: str | None = choice(
        GENERATOR_NORMS,
        None,
        "normalisation in both networks: batch (Ioffe and Szegedy 2015)",
        group="networks",
        follows=("network", "generator_norm"),
    )


@options
class VAEHyperparameters(AutoencodingHyperparameters):
    """Kingma and Welling 2014."""

    free_bits: float = field(
        0.0,
        "nats per latent dimension below which its KL divergence, averaged over the batch, is not "
        "minimised (Kingma et al. 2016, equation 15)",
        group="loss",
        at_least=0,
    )


@options
class BetaVAEHyperparameters(VAEHyperparameters):
    """Higgins et al. 2017."""

    beta: float = field(4.0, "weight of the KL divergence (equation 4)", group="loss", at_least=0)
    beta_schedule: str = choice(
        SCHEDULES,
        "constant",
        "schedule of the weight: constant; linear: rises from 0 to beta; cyclical: the same over "
        "the first half of each cycle (Fu et al. 2019)",
        group="loss",
    )
