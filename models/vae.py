"""VAE: Kingma and Welling 2014, "Auto-Encoding Variational Bayes"; beta-VAE: Higgins et al. 2017,
"beta-VAE: Learning Basic Visual Concepts with a Constrained Variational Framework"."""

import math

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

import fields
from losses.divergence import gaussian_kl, with_free_bits
from models import layers, state_keys, streams
from models.abilities import LIKELIHOOD
from models.autoencoding import AutoencodingModel
from models.base import ACTIVE
from models.declarations.beta_vae import BetaVAEHyperparameters
from models.declarations.vae import VAEHyperparameters
from models.ema import averaging_rate

tfd = tfp.distributions


@keras.saving.register_keras_serializable(layers.PACKAGE)
class VAE(AutoencodingModel):
    """q(z|x) = N(m(x), v(x)) and p(z) = N(0, 1): encoder and decoder minimise -log p(x|z) +
    KL(q || p), minus the bound of equation 10. Of a squared error p(x|z) is N(y, 1/2)."""

    Hyperparameters = VAEHyperparameters
    heads = ("mean", "log_variance")

    def build_networks(self):
        super().build_networks()
        self.dimension_kl = self.add_weight(
            name=state_keys.DIMENSION_KL,
            shape=(self.hp.latent_dim,),
            initializer="zeros",
            trainable=False,
            dtype="float32",
        )

    def inferred(self, found, batch):
        """With a batch m + sqrt(v) epsilon, equation 4."""
        if batch is None:
            return found["mean"]
        epsilon = batch.normal(streams.ENCODER, tf.shape(found["mean"]))
        return found["mean"] + tf.exp(0.5 * found["log_variance"]) * epsilon

    def code_terms(self, found):
        """The divergence of each dimension, in nats."""
        return {"kl": gaussian_kl(found["mean"], found["log_variance"])}

    @property
    def beta(self) -> float:
        """What the divergence is multiplied with at the end."""
        return 1.0

    def objective(self, terms, learning):
        kl = with_free_bits(terms["kl"], self.hp.free_bits)
        weight = self.kl_weight() if learning else self.beta
        return super().objective(terms, learning) + weight * kl

    def kl_weight(self):
        """What the divergence is multiplied with at this step."""
        return tf.constant(self.beta)

    def after_update(self, found, terms):
        """Moves the averages of the dimensions' divergences over the last few hundred batches."""
        rate = averaging_rate(self.step, 0.99)
        self.dimension_kl.assign_add(rate * (tf.reduce_mean(terms["kl"], 0) - self.dimension_kl))
        active = tf.reduce_sum(tf.cast(self.dimension_kl > ACTIVE, tf.float32))
        return {"kl_weight": self.kl_weight(), "active_units": active}

    @property
    def against_collapse(self) -> str:
        """Hyperparameters that keep the posterior from collapsing."""
        return "more free_bits" if self.hp.free_bits else "free_bits"

    def active_dimensions(self):
        return np.argsort(-np.asarray(self.dimension_kl), kind="stable").tolist()

    def posterior_kl(self, x):
        found = self.encoder(self.batch_of(x, self.seed, streams.TEST).x, training=False)
        return self.code_terms(found)["kl"]

    @property
    def likelihood(self) -> str:
        """Name of the distribution p(x|z)."""
        return self.error.likelihood

    @property
    def likelihood_is_density(self) -> bool:
        """Whether p(x|z) is a density, not a probability."""
        return self.error.is_density

    def lacks(self, ability):
        if ability is LIKELIHOOD and self.hp.binarisation == "none":
            return "gray pixels have no Bernoulli likelihood (binarisation=none)"
        return super().lacks(ability)

    def log_weights(self, x, samples, seed=0):
        self.require(LIKELIHOOD)
        batch = self.batch_of(x, seed, streams.LIKELIHOOD)
        found = self.encoder(batch.x, training=False)
        seeds = [batch.seed(streams.posterior_draw(k)) for k in range(samples)]
        return tf.stack([self._log_weights(batch.x, found, seed) for seed in seeds])

    @tf.function(reduce_retracing=True)
    def _log_weights(self, x, found, seed):
        """Those of one draw of q."""
        posterior = tfd.Normal(found["mean"], tf.exp(0.5 * found["log_variance"]))
        z = posterior.sample(seed=seed)
        ratio = tf.reduce_sum(tfd.Normal(0.0, 1.0).log_prob(z) - posterior.log_prob(z), -1)
        error = self.error.make(x, self.decoder(z, training=False))
        return ratio - error - self.error_constant()

    def error_constant(self):
        """What -log p(x|z) is beyond the error of the reconstruction, in nats."""
        if not self.error.is_density:
            return 0.0
        return 0.5 * math.prod(self.image_shape) * math.log(math.pi)


@keras.saving.register_keras_serializable(layers.PACKAGE)
class BetaVAE(VAE):
    """The divergence is multiplied with beta, equation 4, or what a schedule says of it."""

    Hyperparameters = BetaVAEHyperparameters
    steps_per_epoch = 0

    def before_training(self, steps_per_epoch):
        self.steps_per_epoch = steps_per_epoch

    @property
    def against_collapse(self):
        return f"a lower beta, a beta_schedule, or {super().against_collapse}"

    @property
    def beta(self):
        return float(self.hp.beta)

    def kl_weight(self):
        hp = self.hp
        schedule = fields.selected(hp, "beta_schedule").make
        if schedule is None:
            return super().kl_weight()
        if not self.steps_per_epoch:
            raise ValueError(
                f"beta_schedule={hp.beta_schedule!r} is in epochs: set the model's steps_per_epoch"
            )
        period = hp.beta_warmup_epochs * self.steps_per_epoch
        return self.beta * schedule(self.step, period)
