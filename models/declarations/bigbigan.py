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

    sx: bool = field(True, "score images alone", group="loss")
    sz: bool = field(True, "score latents alone", group="loss")
    sxz: bool = field(True, "score pairs of an image and its latents", group="loss")

    def __post_init__(self):
        super().__post_init__()
        for one, network in (("sx", "generator"), ("sz", "encoder")):
            if not self.sxz and not getattr(self, one):
                raise UserError(
                    f"is off, and with sxz off as well nothing trains the {network}; switch one on",
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
