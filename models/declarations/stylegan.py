"""Hyperparameters of StyleGAN: Karras et al. 2019, arXiv:1812.04948."""

from fields import field, options
from models.declaration import Model
from models.declarations.style import StyleHyperparameters


@options()
class StyleGANHyperparameters(StyleHyperparameters):
    """Karras et al. 2019."""

    growing_kimg: float = field(
        0.0,
        "thousands of real images for which the smallest size is trained, each further size is "
        "faded in, and then trained (Karras et al. 2018, appendix A.1: 800; StyleGAN's code: 600); "
        "0: full size from the start",
        group="training",
        at_least=0,
    )


MODEL = Model(
    name="stylegan",
    class_name="StyleGAN",
    paper="arXiv:1812.04948",
    year=2019,
    hyperparameters=StyleGANHyperparameters,
    module="models.stylegan",
)
