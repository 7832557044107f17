"""DCGAN.

Radford et al. 2016, "Unsupervised Representation Learning with Deep Convolutional Generative
Adversarial Networks", arXiv:1511.06434.

The objective of GAN with strided convolutions and batch norm (section 3), and Adam with a learning
rate of 2e-4 and beta_1 = 0.5 (section 4). These are the defaults of all adversarial models, so this
preset changes none. The networks are in models/networks/dcgan.py.
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
