"""Autoencoder.

Hinton and Salakhutdinov 2006, "Reducing the Dimensionality of Data with Neural Networks",
doi:10.1126/science.1127647.

The encoder E and the decoder D minimise the reconstruction error of y = D(E(x)),

    L = E[|x - y|²]

or the negative log likelihood of Bernoulli pixels: losses/reconstruction.py.
"""

from models.declaration import Model
from models.declarations.autoencoding import AutoencodingHyperparameters

MODEL = Model(
    name="autoencoder",
    class_name="Autoencoder",
    paper="doi:10.1126/science.1127647",
    year=2006,
    hyperparameters=AutoencodingHyperparameters,
    module="models.autoencoder",
)
