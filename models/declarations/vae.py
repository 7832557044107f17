"""VAE: Kingma and Welling 2014, "Auto-Encoding Variational Bayes", arXiv:1312.6114.

The encoder q(z|x) and the decoder p(x|z) minimise the negative lower bound (equation 10)

    L = E_q[-log p(x|z)] + KL(q(z|x) || p(z))

The reconstruction errors are in losses/reconstruction.py, the divergence in losses/divergence.py.
"""

from fields import field, options
from models.declaration import Model
from models.declarations.autoencoding import AutoencodingHyperparameters


@options()
class VAEHyperparameters(AutoencodingHyperparameters):
    """Kingma and Welling 2014."""

    free_bits: float = field(
        0.0,
        "free bits: the mean KL divergence of a latent dimension is not minimised below this, in "
        "nats (Kingma et al. 2016, equation 15)",
        group="loss",
        at_least=0,
    )


MODEL = Model(
    name="vae",
    class_name="VAE",
    paper="arXiv:1312.6114",
    year=2014,
    hyperparameters=VAEHyperparameters,
    module="models.vae",
)
