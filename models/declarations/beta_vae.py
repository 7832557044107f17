"""Beta-VAE.

Higgins et al. 2017, "beta-VAE: Learning Basic Visual Concepts with a Constrained Variational
Framework", openreview:Sy2fzU9gl.

VAE with a weighted divergence,

    L = E_q[-log p(x|z)] + beta KL(q(z|x) || p(z))

The schedules of beta are in models/schedules.py.
"""

from errors import UserError
from fields import Choice, Choices, choice, field, options
from models.declaration import Model
from models.declarations.vae import VAEHyperparameters
from models.schedules import Schedule

EPOCHS = {
    "beta_warmup_epochs": field(
        10, "epochs of the linear warm-up, or of one cycle", group="loss", at_least=1
    )
}
BETA_SCHEDULES = Choices(
    Choice,
    Choice(name="constant"),
    *(Choice(name=shape, options=EPOCHS) for shape in ("linear", "cyclical")),
)


@options()
class BetaVAEHyperparameters(VAEHyperparameters):
    """Higgins et al. 2017."""

    beta: float = field(
        4.0, "weight of the KL divergence", group="loss", at_least=0, schedulable=True
    )
    beta_schedule: str = choice(
        BETA_SCHEDULES,
        "constant",
        "schedule of beta: constant; linear, a rise from 0; cyclical, a rise from 0 in the first "
        "half of each cycle (Fu et al. 2019)",
        group="loss",
    )

    def __post_init__(self):
        super().__post_init__()
        if self.beta_schedule != "constant" and "beta" in super().schedules(1.0):
            raise UserError(
                f"beta: does not combine with beta_schedule={self.beta_schedule}", "schedule"
            )

    def schedules(self, epochs):
        if self.beta_schedule == "constant":
            return super().schedules(epochs)
        end = self.beta_warmup_epochs / epochs
        schedule = Schedule("beta", self.beta_schedule, 0.0, self.beta, end=end)
        return {**super().schedules(epochs), "beta": (schedule,)}


MODEL = Model(
    name="beta_vae",
    class_name="BetaVAE",
    paper="openreview:Sy2fzU9gl",
    year=2017,
    hyperparameters=BetaVAEHyperparameters,
    module="models.vae",
)
