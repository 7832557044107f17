"""GAN: Goodfellow et al. 2014, "Generative Adversarial Nets", arXiv:1406.2661.

The discriminator D and the generator G play the minimax game of equation 1,

    min_G max_D  E[log D(x)] + E[log(1 - D(G(z)))],

with fully connected networks. G maximises log D(G(z)) instead (section 3), unless `loss` is
"minimax". The terms are `non_saturating` and `minimax` in losses/adversarial.py.
"""

from models.declaration import preset
from models.declarations.adversarial import AdversarialHyperparameters

MODEL = preset(
    "gan",
    "GAN",
    paper="arXiv:1406.2661",
    year=2014,
    doc=__doc__,
    of=AdversarialHyperparameters,
    defaults={"network": "mlp"},  # section 3
)
