"""LSGAN: Mao et al. 2017, "Least Squares Generative Adversarial Networks", arXiv:1611.04076.

D and G minimise, with labels a, b and c (section 3.2; 0, 1 and 1 in section 3.2.3),

    L_D = E[(D(x) - b)²] / 2 + E[(D(G(z)) - a)²] / 2
    L_G = E[(D(G(z)) - c)²] / 2

The terms are `least_squares` in losses/adversarial.py.
"""

from models.declaration import preset
from models.declarations.adversarial import AdversarialHyperparameters

MODEL = preset(
    "lsgan",
    "LSGAN",
    paper="arXiv:1611.04076",
    year=2017,
    doc=__doc__,
    of=AdversarialHyperparameters,
    defaults={"loss": "least_squares"},  # section 3.2.3
)
