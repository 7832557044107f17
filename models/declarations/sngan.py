"""SNGAN.

Miyato et al. 2018, "Spectral Normalization for Generative Adversarial Networks",
arXiv:1802.05957.

Each kernel W of the discriminator is divided by its spectral norm, W / sigma(W) (equation 8), and
D and G minimise the hinge loss (equations 16 and 17)

    L_D = E[max(0, 1 - D(x))] + E[max(0, 1 + D(G(z)))]
    L_G = -E[D(G(z))]

The kernels are `SpectralKernel` in models/layers.py, the terms `hinge` in losses/adversarial.py.
"""

from models.declaration import preset
from models.declarations.adversarial import AdversarialHyperparameters

MODEL = preset(
    "sngan",
    "SNGAN",
    paper="arXiv:1802.05957",
    year=2018,
    doc=__doc__,
    of=AdversarialHyperparameters,
    defaults={
        "loss": "hinge",  # equations 16 and 17
        "d_norm": "spectral",  # equation 8
    },
)
