"""WGAN-GP: Gulrajani et al. 2017, "Improved Training of Wasserstein GANs", arXiv:1704.00028.

The critic D and the generator G minimise (equation 3; algorithm 1)

    L_D = E[D(G(z))] - E[D(x)] + lambda E[(|grad D(x^)| - 1)²]
    L_G = -E[D(G(z))]

with interpolates x^ = e x + (1 - e) G(z), e ~ U(0, 1). The difference is `wasserstein` in
losses/adversarial.py, the penalty `gradient` in losses/penalties.py, whose default weight is
lambda = 10.
"""

from models.declaration import preset
from models.declarations.adversarial import AdversarialHyperparameters

MODEL = preset(
    "wgan_gp",
    "WGANGP",
    paper="arXiv:1704.00028",
    year=2017,
    doc=__doc__,
    of=AdversarialHyperparameters,
    defaults={
        "loss": "wasserstein",  # equation 3
        "penalty": ("gradient",),  # equation 3
        "n_critic": 5,  # algorithm 1
        "g_learning_rate": 1e-4,  # algorithm 1
        "d_learning_rate": 1e-4,  # algorithm 1
        "beta_1": 0.0,  # algorithm 1
        "beta_2": 0.9,  # algorithm 1
        "d_norm": "layer",  # section 4, "No critic batch normalization"
    },
)
