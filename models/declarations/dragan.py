"""DRAGAN: Kodali et al. 2017, "On Convergence and Stability of GANs", arXiv:1705.07215.

The objective of GAN with a gradient penalty around real images in the discriminator's loss,

    lambda E[(|grad D(x + d)| - 1)²],

with random perturbations d. The penalty is `dragan` in losses/penalties.py, whose default weight is
lambda = 10.
"""

from models.declaration import preset
from models.declarations.adversarial import AdversarialHyperparameters

MODEL = preset(
    "dragan",
    "DRAGAN",
    paper="arXiv:1705.07215",
    year=2017,
    doc=__doc__,
    of=AdversarialHyperparameters,
    defaults={
        "penalty": ("dragan",),
        "d_norm": "layer",  # the penalty requires a gradient per image; batch norm mixes images
    },
)
