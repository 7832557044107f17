"""BigBiGAN with the codes of InfoGAN: a combination of this zoo, of neither paper.

BigBiGAN: Donahue and Simonyan 2019, arXiv:1907.02544. InfoGAN: Chen et al. 2016, arXiv:1606.03657,
equation 6. With the codes c among the latents z, E, G and Q minimise

    L_EG - lambda L_I(G, Q)
"""

from fields import options
from models.declaration import Model
from models.declarations.bigbigan import BigBiGANHyperparameters
from models.declarations.infogan import InfoGANHyperparameters


@options(
    defaults={
        "continuous_codes": 0,  # of this zoo
        "q_learning_rate": 2e-4,  # that of D
    }
)
class InfoBigBiGANHyperparameters(BigBiGANHyperparameters, InfoGANHyperparameters):
    """BigBiGAN with the codes of InfoGAN."""


MODEL = Model(
    name="info_bigbigan",
    class_name="InfoBigBiGAN",
    paper="arXiv:1907.02544",  # of the base
    year=2019,
    hyperparameters=InfoBigBiGANHyperparameters,
    module="models.info_bigbigan",
)
