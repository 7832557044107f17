"""Hyperparameters of a generator trained against a discriminator."""

import fields
from augmentation.policies import POLICIES
from errors import UserError, as_text
from fields import choice, field, options
from losses.adversarial import LOSSES
from losses.penalties import PENALTIES
from models.declarations.base import NetworkHyperparameters
from models.norms import GENERATOR_NORMS, NORMS
from models.optimizers import OPTIMIZERS
from models.priors import NORMAL, PRIORS


@options()
class AdversarialHyperparameters(NetworkHyperparameters):
    """Hyperparameters of every adversarial model."""

    noise_dim: int = field(
        100,
        "dimensions of the noise z (Radford et al. 2016, figure 1)",
        group="latents",
        at_least=1,
    )
    prior: str = field(
        NORMAL.name,
        "distribution of each dimension of z: N(0, 1) or uniform(-1, 1)",
        group="latents",
        choices=tuple(PRIORS),
    )
    loss: str = choice(
        LOSSES,
        "non_saturating",
        "adversarial loss of the discriminator and the generator (losses/adversarial.py has the "
        "equations)",
        group="loss",
    )
    penalty: tuple[str, ...] = choice(
        PENALTIES,
        (),
        'gradient penalty on the discriminator: "gradient" on interpolates of real and generated '
        'images (Gulrajani et al. 2017), "dragan" around real images (Kodali et al. 2017), "r1" '
        'at real images, "r2" at generated images (Mescheder et al. 2018)',
        group="loss",
        several=True,
    )
    augment: str = choice(
        POLICIES,
        "none",
        "augmentation of the discriminator's images by colour, translation and cutout: diffaug, "
        "all images (Zhao et al. 2020); ada, with a probability that adapts to overfitting of the "
        "discriminator (Karras et al. 2020a)",
        group="augmentation",
    )
    n_critic: int = field(
        1,
        "discriminator updates, each on new images, per generator update (k in Goodfellow et al. "
        "2014)",
        group="training",
        at_least=1,
    )
    optimizer: str = choice(
        OPTIMIZERS,
        "adam",
        "optimizer of all networks: Adam (Kingma and Ba 2015) or RMSprop (Hinton 2012)",
        group="optimisation",
    )
    g_learning_rate: float = field(
        2e-4, "learning rate of the generator", group="optimisation", above=0, schedulable=True
    )
    d_learning_rate: float = field(
        2e-4, "learning rate of the discriminator", group="optimisation", above=0,
        schedulable=True,
    )  # fmt: skip
    ema_decay: float = field(
        0.999,
        "decay per step of the exponential moving average (EMA) of the generator's and encoder's "
        "weights, which samples are drawn from; 0: no average",
        group="optimisation",
        at_least=0,
        below=1,
        schedulable=True,
    )
    ema_kimg: float | None = field(
        None,
        "half-life of this average in thousands of real images (the code of Karras et al. 2020a); "
        "replaces ema_decay",
        group="optimisation",
        above=0,
        schedulable=True,
    )
    g_norm: str | None = choice(
        GENERATOR_NORMS,
        None,
        "normalisation in the generator: batch (Ioffe and Szegedy 2015)",
        group="networks",
        follows=("network", "generator_norm"),
    )
    d_norm: str | None = choice(
        NORMS,
        None,
        "normalisation in the discriminator: batch, layer (Ba et al. 2016), spectral (Miyato et "
        "al. 2018), or both batch and spectral",
        group="networks",
        follows=("network", "trunk_norm"),
    )

    def __post_init__(self):
        super().__post_init__()
        if "ema_kimg" in self.scheduled and not self.ema_kimg:
            raise UserError("ema_kimg: set ema_kimg to the value at the start as well", "schedule")
        if self.ema_kimg:
            self._require_default("does not apply with ema_kimg", "ema_decay")
        if self.penalty and self.d_norm and NORMS[self.d_norm].batch:
            raise UserError(
                "a gradient penalty is computed per image, but batch norm mixes the images of a "
                f"batch; use layer, spectral or none with penalty={as_text(self.penalty)}, got "
                f"{self.d_norm}",
                "d_norm",
            )
        if self.penalty and all(fields.weighted(self.penalty).values()):
            self._require_default(
                "applies to penalties without a weight of their own, and all of penalty="
                f"{as_text(self.penalty)} have one",
                "penalty_weight",
            )
        if POLICIES[self.augment].adapts and not fields.selected(self, "loss").has_threshold:
            raise UserError(
                f"{self.augment} requires a loss with a decision threshold, and loss={self.loss} "
                "has none; use diffaug",
                "augment",
            )

    def penalty_weights(self, common=None) -> dict:
        """Map each selected penalty to its weight.

        Args:
            common: weight of the penalties that have no weight of their own, a number or a tensor;
                None: `penalty_weight`, or else the default of each penalty.
        """
        defaults = self.__dataclass_fields__["penalty_weight"].metadata["of_choice"]
        common = self.penalty_weight if common is None else common
        return {
            name: next(w for w in (weight, common, defaults[name]) if w is not None)
            for name, weight in fields.weighted(self.penalty).items()
        }
