"""VAE and beta-VAE.

Kingma and Welling 2014, "Auto-Encoding Variational Bayes"; Higgins et al. 2017, "beta-VAE: Learning
Basic Visual Concepts with a Constrained Variational Framework".
"""

import math
from types import MappingProxyType

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

import replicas
from losses.divergence import gaussian_kl, with_free_bits
from models import layers, state_keys, streams
from models.abilities import LIKELIHOOD
from models.autoencoding import LOSS, AutoencodingModel
from models.base import ACTIVE
from models.batching import in_batches
from models.declarations.beta_vae import BetaVAEHyperparameters
from models.declarations.vae import VAEHyperparameters
from models.ema import averaging_rate
from models.scalars import ScalarGroup

tfd = tfp.distributions

KL = ScalarGroup(
    title="KL divergence",
    folder=LOSS.folder,
    names=("kl_loss",),
    unit="nats",
    order=12,
    is_loss=True,
)
KL_WEIGHT = ScalarGroup(
    title="weight of the KL divergence",
    folder="scheduled",
    names=("kl_weight",),
    order=80,
    settings=True,
)
ACTIVE_UNITS = ScalarGroup(
    title="active latent dimensions", folder="information", names=("active_units",), order=90
)


@keras.saving.register_keras_serializable(layers.PACKAGE)
class VAE(AutoencodingModel):
    """VAE with q(z|x) = N(m(x), v(x)) and p(z) = N(0, 1).

    It minimises -log p(x|z) + KL(q(z|x) || p(z)), the negative lower bound of equation 10. With the
    squared error p(x|z) = N(y, 1/2), where y is the decoder's output.

    Attributes:
        dimension_kl: float32 variable [d], the moving average of the KL divergence per dimension.
    """

    Hyperparameters = VAEHyperparameters
    heads = ("mean", "log_variance")
    term_groups = MappingProxyType({**AutoencodingModel.term_groups, "kl": KL})

    def build_networks(self):
        super().build_networks()
        self.dimension_kl = self.add_weight(
            name=state_keys.DIMENSION_KL,
            shape=(self.hp.latent_dim,),
            initializer="zeros",
            trainable=False,
            dtype="float32",
        )

    def infer_codes(self, output, batch):
        """Return reparameterised samples m + sqrt(v) epsilon, or m without a batch: equation 4."""
        if batch is None:
            return output["mean"]
        epsilon = batch.normal(streams.ENCODER, tf.shape(output["mean"]))
        return output["mean"] + tf.exp(0.5 * output["log_variance"]) * epsilon

    def code_terms(self, output):
        """Return the KL divergence from the prior per dimension, in nats."""
        return {"kl": gaussian_kl(output["mean"], output["log_variance"])}

    @property
    def beta(self) -> float:
        """Final weight of the KL divergence."""
        return 1.0

    def total_loss(self, terms, training):
        kl = with_free_bits(terms["kl"], self.hp.free_bits)
        weight = self.kl_weight() if training else self.beta
        return super().total_loss(terms, training) + weight * kl

    def kl_weight(self):
        """Weight of the KL divergence at this step."""
        return tf.constant(self.beta)

    def after_update(self, output, terms):
        """Update the moving average of the KL divergence per dimension (a few hundred batches)."""
        rate = averaging_rate(self.step, 0.99)
        kl = replicas.mean(tf.reduce_mean(terms["kl"], axis=0))
        self.dimension_kl.assign_add(rate * (kl - self.dimension_kl))
        active = tf.reduce_sum(tf.cast(self.dimension_kl > ACTIVE, tf.float32))
        return KL_WEIGHT.single(self.kl_weight()) | ACTIVE_UNITS.single(active)

    @property
    def against_collapse(self) -> str:
        """Hyperparameters that keep the posterior from collapsing."""
        return "more free_bits" if self.hp.free_bits else "free_bits"

    def active_dimensions(self):
        return np.argsort(-self.dimension_kl.numpy(), kind="stable").tolist()

    @in_batches
    def posterior_kl(self, x):
        output = self.encoder(self.make_batch(x, self.seed, streams.TEST).x, training=False)
        return self.code_terms(output)["kl"]

    @property
    def likelihood(self) -> str:
        """Name of the distribution p(x|z)."""
        return self.reconstruction_error.likelihood

    @property
    def likelihood_is_density(self) -> bool:
        """True if p(x|z) is a density, False if it is a probability."""
        return self.reconstruction_error.is_density

    def lacks(self, ability):
        if ability is LIKELIHOOD and self.hp.binarisation == "none":
            name = type(self).__name__
            return f"{name} {ability.reason} with binarisation=none; use threshold or sampled"
        return super().lacks(ability)

    def log_weights(self, x, samples, seed=0):
        self.require(LIKELIHOOD)
        batch = self.make_batch(x, seed, streams.LIKELIHOOD)
        output = self.encoder(batch.x, training=False)
        seeds = [batch.seed(streams.posterior_draw(k)) for k in range(samples)]
        return tf.stack([self._log_weights(batch.x, output, seed) for seed in seeds])

    @tf.function(reduce_retracing=True)
    def _log_weights(self, x, output, seed):
        """Return log p(x, z) - log q(z|x), [n], for one sample z of q(z|x)."""
        posterior = tfd.Normal(output["mean"], tf.exp(0.5 * output["log_variance"]))
        z = posterior.sample(seed=seed)
        ratio = tf.reduce_sum(tfd.Normal(0.0, 1.0).log_prob(z) - posterior.log_prob(z), -1)
        error = self.reconstruction_error.make(x, self.decoder(z, training=False))
        return ratio - error - self.log_likelihood_constant()

    def log_likelihood_constant(self):
        """Constant to add to the reconstruction error to obtain -log p(x|z), in nats."""
        if not self.reconstruction_error.is_density:
            return 0.0
        return 0.5 * math.prod(self.image_shape) * math.log(math.pi)


@keras.saving.register_keras_serializable(layers.PACKAGE)
class BetaVAE(VAE):
    """Beta-VAE: VAE whose KL divergence has the weight beta, constant or scheduled."""

    Hyperparameters = BetaVAEHyperparameters

    @property
    def against_collapse(self):
        return f"a lower beta, a beta_schedule, or {super().against_collapse}"

    @property
    def beta(self):
        return self.final("beta")

    def kl_weight(self):
        return tf.convert_to_tensor(self.current("beta"), tf.float32)
