"""Hyperparameters of BigBiGAN with the codes of InfoGAN."""

from fields import options
from models.declaration import Model
from models.declarations.bigbigan import BigBiGANHyperparameters
from models.declarations.infogan import InfoGANHyperparameters


@options(defaults={"continuous_codes": 0, "q_learning_rate": 2e-4})
class InfoBigBiGANHyperparameters(BigBiGANHyperparameters, InfoGANHyperparameters):
    """BigBiGAN with the codes of InfoGAN."""


MODEL = Model(
    name="info_bigbigan",
    class_name="InfoBigBiGAN",
    paper="arXiv:1907.02544",
    year=2019,
    hyperparameters=InfoBigBiGANHyperparameters,
    module="models.info_bigbigan",
)
