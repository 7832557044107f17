"""WGAN: Arjovsky et al. 2017, "Wasserstein GAN", arXiv:1701.07875.

The critic D and the generator G minimise (equation 3; algorithm 1)

    L_D = E[D(G(z))] - E[D(x)]
    L_G = -E[D(G(z))]

and the weights of D are clipped to [-c, c]. The terms are `wasserstein` in losses/adversarial.py.
"""

from fields import field, options
from models.declaration import Model
from models.declarations.adversarial import AdversarialHyperparameters


@options(
    defaults={
        "loss": "wasserstein",  # equation 3
        "n_critic": 5,  # algorithm 1
        "optimizer": "rmsprop",  # algorithm 1
        "g_learning_rate": 5e-5,  # algorithm 1
        "d_learning_rate": 5e-5,  # algorithm 1
        # The paper's critic has batch norm; its clipped gains would make the gradient of G vanish.
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


MODEL = Model(
    name="wgan",
    class_name="WGAN",
    paper="arXiv:1701.07875",
    year=2017,
    hyperparameters=WGANHyperparameters,
    module="models.wgan",
)
