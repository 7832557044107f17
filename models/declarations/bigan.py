"""BiGAN: Donahue et al. 2017, "Adversarial Feature Learning", arXiv:1605.09782.

D classifies pairs of images and latents, and E learns to invert G (equations 2 and 3):

    min_{G,E} max_D  E[log D(x, E(x))] + E[log(1 - D(G(z), z))]

G and E maximise E[log(1 - D(x, E(x)))] + E[log D(G(z), z)] instead, unless `loss` is "minimax". The
terms of E are `AdversarialLoss.encoder` in losses/adversarial.py.
"""

from errors import UserError
from fields import choice, field, options
from models.declaration import Model
from models.declarations.adversarial import AdversarialHyperparameters
from models.norms import GENERATOR_NORMS


@options(defaults={"noise_dim": 50, "prior": "uniform"})
class BiGANHyperparameters(AdversarialHyperparameters):
    """Donahue et al. 2017."""

    encoder: str = field(
        "deterministic",
        "output of the encoder: deterministic, z itself; gaussian, the mean and standard deviation "
        "of a Gaussian from which z is drawn (Donahue and Simonyan 2019)",
        group="networks",
        choices=("deterministic", "gaussian"),
    )
    e_learning_rate: float = field(
        2e-4, "learning rate of the encoder", group="optimisation", above=0, schedulable=True
    )
    e_norm: str | None = choice(
        GENERATOR_NORMS,
        "batch",
        "normalisation in the encoder: batch (Ioffe and Szegedy 2015)",
        group="networks",
    )
    reconstruction_weight: float = field(
        0.0,
        "weight of the mean squared error of G(E(x)) per pixel and channel, in the loss of "
        "generator and encoder (Li et al. 2017); 0: off",
        group="loss",
        at_least=0,
        schedulable=True,
    )
    joint_units: int = field(
        512,
        "units of each layer of H (on z) and J (on the features of x and z) in the discriminator",
        group="networks",
        at_least=1,
    )
    joint_depth: int = field(
        2, "number of layers of H and of J", group="networks", at_least=1, at_most=1000
    )

    def __post_init__(self):
        super().__post_init__()
        if self.encoder == "gaussian" and self.prior != "normal":
            raise UserError(
                f"the draws of a gaussian encoder exceed the range of prior={self.prior}; use "
                "prior=normal",
                "encoder",
            )


MODEL = Model(
    name="bigan",
    class_name="BiGAN",
    paper="arXiv:1605.09782",
    year=2017,
    hyperparameters=BiGANHyperparameters,
    module="models.bigan",
)
