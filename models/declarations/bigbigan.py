"""Hyperparameters of BigBiGAN: Donahue and Simonyan 2019, arXiv:1907.02544."""

from errors import UserError
from fields import field, options
from models.declaration import Model
from models.declarations.bigan import BiGANHyperparameters


@options(
    defaults={
        "noise_dim": 120,
        "prior": "normal",
        "encoder": "gaussian",
        "loss": "hinge",
        "network": "resnet",
        "d_norm": "spectral",
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
