"""cGAN: Mirza and Osindero 2014, "Conditional Generative Adversarial Nets", arXiv:1411.1784.

The objective of GAN, with D and G conditioned on the class y (equation 2),

    min_G max_D  E[log D(x|y)] + E[log(1 - D(G(z|y)|y))]
"""

from errors import UserError
from fields import field, options
from models.declaration import Model
from models.declarations.adversarial import AdversarialHyperparameters
from models.norms import GENERATOR_NORMS


@options()
class CGANHyperparameters(AdversarialHyperparameters):
    """Class-conditional networks."""

    g_conditioning: str = field(
        "concat",
        "conditioning of the generator on the class: concat, concatenated to the noise (after "
        "Mirza and Osindero 2014), or batch_norm, by its gains and biases (de Vries et al. 2017)",
        group="networks",
        choices=("concat", "batch_norm"),
    )
    d_conditioning: str = field(
        "concat",
        "conditioning of the discriminator on the class: concat, as additional image channels "
        "(after Mirza and Osindero 2014), or projection of its features (Miyato and Koyama 2018)",
        group="networks",
        choices=("concat", "projection"),
    )

    def __post_init__(self):
        super().__post_init__()
        if self.g_conditioning == "batch_norm" and not GENERATOR_NORMS[self.g_norm].batch:
            raise UserError(
                f"batch_norm requires g_norm=batch, got {self.g_norm}", "g_conditioning"
            )


MODEL = Model(
    name="cgan",
    class_name="CGAN",
    paper="arXiv:1411.1784",
    year=2014,
    hyperparameters=CGANHyperparameters,
    module="models.cgan",
)
