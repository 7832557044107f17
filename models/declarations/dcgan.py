"""DCGAN.

Radford et al. 2016, "Unsupervised Representation Learning with Deep Convolutional Generative
Adversarial Networks", arXiv:1511.06434.

The game of GAN with strided convolutions and batch norm (section 3), Adam with a learning rate of
2e-4 and beta_1 of 0.5 (section 4): the defaults of every adversarial model, so that this preset
changes none. The networks are models/networks/dcgan.py.
"""

from models.declaration import preset
from models.declarations.adversarial import AdversarialHyperparameters

MODEL = preset(
    "dcgan",
    "DCGAN",
    paper="arXiv:1511.06434",
    year=2016,
    doc=__doc__,
    of=AdversarialHyperparameters,
)
