"""Declaration of the autoencoder: Hinton and Salakhutdinov 2006, doi:10.1126/science.1127647."""

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
