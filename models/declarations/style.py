"""Hyperparameters of the style-based models."""

from fields import PerChoice, field, options
from models.declarations.adversarial import AdversarialHyperparameters
from models.networks.backbones import STYLED


@options(
    alternatives={"network": STYLED},
    help={
        "network": "backbone: styles in the generator, convolutions at each size in the "
        "discriminator (Karras et al. 2018, table 2)",
        "penalty_weight": "weight of each selected gradient penalty that has no weight "
        "of its own: gamma of R1 (2019, appendix C: 10 at 1024 pixels; Karras et al. 2020a: less "
        "for fewer pixels)",
    },
    defaults={
        "network": "styled",  # 2019, section 2
        "batch_size": 32,  # the authors' code of 2020
        "noise_dim": 512,  # 2019, section 2
        "penalty": ("r1",),  # 2019, section 2.1
        "penalty_weight": PerChoice(r1=1.0, r2=1.0),  # of this zoo, for small images
        "penalty_interval": 16,  # 2020, section 3.1; stylegan departs from its paper, which has 1
        "g_learning_rate": 1e-3,  # Karras et al. 2018, appendix A.1
        "d_learning_rate": 1e-3,  # Karras et al. 2018, appendix A.1
        "beta_1": 0.0,  # Karras et al. 2018, appendix A.1
        "beta_2": 0.99,  # Karras et al. 2018, appendix A.1
    },
)
class StyleHyperparameters(AdversarialHyperparameters):
    """Hyperparameters that StyleGAN and StyleGAN2 share: Karras et al. 2019 and 2020."""

    w_dim: int = field(
        512, "dimensions of the style w (2019, appendix C)", group="latents", at_least=1
    )
    mapping_depth: int = field(
        8, "dense layers from z to w (2019, section 2)", group="networks", at_least=1, at_most=1000
    )
    mapping_rate: float = field(
        0.01,
        "learning rate of the mapping network, as a multiple of the generator's (2019, appendix C)",
        group="optimisation",
        above=0,
    )
    style_mixing: float = field(
        0.9,
        "share of the images whose later layers have the style of a second z (2019, section 3.1)",
        group="loss",
        at_least=0,
        at_most=1,
    )
