"""BEGAN.

Berthelot et al. 2017, "BEGAN: Boundary Equilibrium Generative Adversarial Networks",
arXiv:1703.10717.

The discriminator D is an autoencoder with the reconstruction error L(v) = |v - D(v)| (section 3.1).
D and G minimise (section 3.4)

    L_D = E[L(x)] - k E[L(G(z))]
    L_G = E[L(G(z))]

and k <- k + lambda_k (gamma E[L(x)] - E[L(G(z))]) after each update of D. The terms are
`equilibrium` in losses/adversarial.py.
"""

from fields import PerDataset, field, options
from losses.adversarial import EQUILIBRIUM
from losses.penalties import PENALTIES
from models.declaration import Model
from models.declarations.adversarial import AdversarialHyperparameters
from models.norms import GENERATOR_NORMS


@options(
    alternatives={
        "loss": EQUILIBRIUM,
        "penalty": PENALTIES.only(lambda _: False),
        "d_norm": GENERATOR_NORMS,
    },
    defaults={
        "noise_dim": 64,  # N_z = N_h, the default of hidden_dim
        "prior": "uniform",  # section 3.2
        "loss": "equilibrium",  # section 3.4
        # The paper: at first 1e-4, halved when the convergence measure stalls (section 4.1), and no
        # batch norm. On MNIST this collapses to one image with a small reconstruction error.
        "g_learning_rate": PerDataset(1e-4, MNIST=5e-4),
        "d_learning_rate": PerDataset(1e-4, MNIST=5e-4),
        "g_norm": PerDataset("none", MNIST="batch"),
        "d_norm": PerDataset("none", MNIST="batch"),
        "initializer": "he",  # of this zoo
    },
)
class BEGANHyperparameters(AdversarialHyperparameters):
    """Berthelot et al. 2017."""

    hidden_dim: int = field(
        64,
        "dimensions of the code in the discriminator, which is an autoencoder",
        group="networks",
        at_least=1,
    )
    gamma: float = field(
        PerDataset(0.5, MNIST=0.75),
        "diversity ratio: reconstruction error of generated images over that of real ones at "
        "equilibrium (section 3.3)",
        group="loss",
        above=0,
        at_most=1,
    )
    lambda_k: float = field(
        PerDataset(0.001, MNIST=0.1), "learning rate of k (section 3.4)", group="loss", above=0
    )


MODEL = Model(
    name="began",
    class_name="BEGAN",
    paper="arXiv:1703.10717",
    year=2017,
    hyperparameters=BEGANHyperparameters,
    module="models.began",
)
