"""StyleGAN.

Karras et al. 2019, "A Style-Based Generator Architecture for Generative Adversarial Networks",
arXiv:1812.04948.

G maps z to a style w, whose affine functions y = (y_s, y_b) scale and shift each feature map x_i of
the synthesis network (equation 1),

    AdaIN(x_i, y) = y_s (x_i - mean(x_i)) / std(x_i) + y_b

D and G minimise the objective of GAN with the penalty `r1` in losses/penalties.py (section 2.1).
The layers are in models/networks/styled.py.
"""

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
