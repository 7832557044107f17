"""Hyperparameters of variants that change a few values of a basic GAN."""

from errors import UserError
from fields import field, options, per_dataset
from losses.adversarial import EQUILIBRIUM
from losses.penalties import PENALTIES
from models.hyperparameters.adversarial import AdversarialHyperparameters
from models.norms import GENERATOR_NORMS


@options(defaults={"network": "mlp"})
class GANHyperparameters(AdversarialHyperparameters):
    """Goodfellow et al. 2014: fully connected networks."""


@options
class CGANHyperparameters(AdversarialHyperparameters):
    """Class-conditional networks."""

    g_conditioning: str = field(
        "concat",
        "conditioning of the generator on the class: concat, beside the noise (Mirza and Osindero "
        "2014), or batch_norm, by the gains and biases of its batch norm (de Vries et al. 2017)",
        group="networks",
        choices=("concat", "batch_norm"),
    )
    d_conditioning: str = field(
        "concat",
        "conditioning of the discriminator on the class: concat, as further channels of the image "
        "(Mirza and Osindero 2014), or projection of its features (Miyato and Koyama 2018)",
        group="networks",
        choices=("concat", "projection"),
    )

    def __post_init__(self):
        super().__post_init__()
        if self.g_conditioning == "batch_norm" and self.g_norm != "batch":
            raise UserError(
                f"batch_norm requires g_norm=batch, got {self.g_norm}", "g_conditioning"
            )


@options(defaults={"loss": "least_squares"})
class LSGANHyperparameters(AdversarialHyperparameters):
    """Mao et al. 2017."""


@options(
    defaults={
        "loss": "wasserstein",
        "n_critic": 5,
        "optimizer": "rmsprop",
        "g_learning_rate": 5e-5,
        "d_learning_rate": 5e-5,
        # The paper's critic has batch norm; gains within the clip leave G almost no gradient.
        "d_norm": "none",
    }
)
class WGANHyperparameters(AdversarialHyperparameters):
    """Arjovsky et al. 2017, algorithm 1."""

    clip: float = field(
        0.01,
        "c: weights of the critic are clipped to [-c, c] after each update",
        group="loss",
        above=0,
    )


@options(
    defaults={
        "loss": "wasserstein",
        "penalty": ("gradient",),
        "n_critic": 5,
        "g_learning_rate": 1e-4,
        "d_learning_rate": 1e-4,
        "beta_1": 0.0,
        "beta_2": 0.9,
        "d_norm": "layer",
    }
)
class WGANGPHyperparameters(AdversarialHyperparameters):
    """Gulrajani et al. 2017, algorithm 1."""


@options(defaults={"penalty": ("dragan",), "d_norm": "layer"})
class DRAGANHyperparameters(AdversarialHyperparameters):
    """Kodali et al. 2017."""


@options(defaults={"loss": "hinge", "d_norm": "spectral"})
class SNGANHyperparameters(AdversarialHyperparameters):
    """Miyato et al. 2018."""


@options(
    alternatives={
        "loss": EQUILIBRIUM,
        "penalty": PENALTIES.only(lambda _: False),
        "d_norm": GENERATOR_NORMS,
    },
    defaults={
        "noise_dim": 64,
        "prior": "uniform",
        "loss": "equilibrium",
        # On MNIST the paper's settings soon collapse to one image, which is reconstructed well.
        "g_learning_rate": per_dataset(1e-4, MNIST=5e-4),
        "d_learning_rate": per_dataset(1e-4, MNIST=5e-4),
        "g_norm": per_dataset("none", MNIST="batch"),
        "d_norm": per_dataset("none", MNIST="batch"),
        "initializer": "he",
    },
)
class BEGANHyperparameters(AdversarialHyperparameters):
    """Berthelot et al. 2017."""

    hidden_dim: int = field(
        64,
        "dimensions of the discriminator's code of an image",
        group="networks",
        at_least=1,
    )
    gamma: float = field(
        per_dataset(0.5, MNIST=0.75),
        "diversity ratio: reconstruction error of generated images over that of real ones at "
        "equilibrium (section 3.4)",
        group="loss",
        above=0,
        at_most=1,
    )
    lambda_k: float = field(
        per_dataset(0.001, MNIST=0.1), "learning rate of k (section 3.4)", group="loss", above=0
    )
