"""Hyperparameters of models with an encoder, a decoder and one loss."""

from fields import choice, field, options
from losses.reconstruction import RECONSTRUCTIONS
from models.declarations.base import NetworkHyperparameters
from models.norms import GENERATOR_NORMS


@options()
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
    learning_rate: float = field(
        1e-3, "learning rate of Adam", group="optimisation", above=0, schedulable=True
    )
    norm: str | None = choice(
        GENERATOR_NORMS,
        None,
        "normalisation in both networks: batch (Ioffe and Szegedy 2015)",
        group="networks",
        follows=("network", "generator_norm"),
    )
