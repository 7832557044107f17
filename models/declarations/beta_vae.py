"""Beta-VAE.

Higgins et al. 2017, "beta-VAE: Learning Basic Visual Concepts with a Constrained Variational
Framework", openreview:Sy2fzU9gl.

VAE with a weighted divergence,

    L = E_q[-log p(x|z)] + beta KL(q(z|x) || p(z))

The schedules of beta are in losses/schedules.py.
"""

from fields import choice, field, options
from losses.schedules import SCHEDULES
from models.declaration import Model
from models.declarations.vae import VAEHyperparameters


@options()
class BetaVAEHyperparameters(VAEHyperparameters):
    """Higgins et al. 2017."""

    beta: float = field(4.0, "weight of the KL divergence", group="loss", at_least=0)
    beta_schedule: str = choice(
        SCHEDULES,
        "constant",
        "schedule of beta: constant; linear, a rise from 0; cyclical, a rise from 0 in the first "
        "half of each cycle (Fu et al. 2019)",
        group="loss",
    )


MODEL = Model(
    name="beta_vae",
    class_name="BetaVAE",
    paper="openreview:Sy2fzU9gl",
    year=2017,
    hyperparameters=BetaVAEHyperparameters,
    module="models.vae",
)
