"""BigBiGAN.

Donahue and Simonyan 2019, "Large Scale Adversarial Representation Learning", arXiv:1907.02544.

D has the scores sx of F(x), sz of H(z) and sxz of J(F(x), H(z)). For pairs (x, E(x)), y = 1, and
pairs (G(z), z), y = -1, the losses are

    L_D = E[h(y sx) + h(y sz) + h(y sxz)],  h(t) = max(0, 1 - t)
    L_EG = E[y (sx + sz + sxz)]

The terms are `hinge` in losses/adversarial.py, of each score.
"""

from errors import UserError
from fields import field, options
from models.declaration import Model
from models.declarations.bigan import BiGANHyperparameters


@options(
    defaults={
        "noise_dim": 120,  # as in BigGAN: Brock et al. 2019
        "prior": "normal",  # the paper
        "encoder": "gaussian",  # the paper
        "loss": "hinge",  # the paper
        "network": "resnet",  # as in BigGAN
        "d_norm": "spectral",  # as in BigGAN
    }
)
class BigBiGANHyperparameters(BiGANHyperparameters):
    """Donahue and Simonyan 2019."""

    sx: bool = field(True, "include sx, the score of images F(x)", group="loss")
    sz: bool = field(True, "include sz, the score of latents H(z)", group="loss")
    sxz: bool = field(True, "include sxz, the score of pairs J(F(x), H(z))", group="loss")

    def __post_init__(self):
        super().__post_init__()
        for one, network in (("sx", "generator"), ("sz", "encoder")):
            if not self.sxz and not getattr(self, one):
                raise UserError(
                    f"with {one} and sxz off, no score trains the {network}; switch one on",
                    one,
                )


MODEL = Model(
    name="bigbigan",
    class_name="BigBiGAN",
    paper="arXiv:1907.02544",
    year=2019,
    hyperparameters=BigBiGANHyperparameters,
    module="models.bigbigan",
)
