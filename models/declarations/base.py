"""Hyperparameters that every model, and every model with a backbone, has."""

import fields
from fields import choice, field, options
from models.networks.backbones import BACKBONES


@options()
class Hyperparameters:
    """Hyperparameters of every model.

    Attributes:
        n_critic: updates of a discriminator per step, each on a batch of its own.
        ema_decay: decay of the averaged weights that samples are drawn from; 0: no average.
        labelled_fraction: share of the training images whose label the model is given.
    """

    n_critic = 1
    ema_decay = 0.0
    labelled_fraction = 1.0

    epochs: int = field(
        20, "passes over the training images", group="training", at_least=1, may_change=True
    )
    batch_size: int = field(
        64, "batch size: images per step and network", group="training", at_least=1
    )

    def __post_init__(self):
        fields.check(self)

    @classmethod
    def resolve(cls, dataset: str = "", **given):
        """Return the given values over the defaults of the data set, over those of the model.

        Raises:
            UserError: an unknown name, a value out of range, or an option that does not apply to
                what else is selected.
        """
        return fields.resolve(cls, given, dataset)


@options()
class NetworkHyperparameters(Hyperparameters):
    """Backbone of the networks and its size."""

    network: str = choice(
        BACKBONES,
        "dcgan",
        "backbone of all networks: fully connected, strided convolutions (Radford et al. 2016), or "
        "residual blocks (Gulrajani et al. 2017)",
        group="networks",
    )
