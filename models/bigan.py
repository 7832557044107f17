"""BiGAN: Donahue et al. 2017, "Adversarial Feature Learning", arXiv:1605.09782.

ALI (Dumoulin et al. 2017, arXiv:1606.00704) has the same objective.
"""

import math

import keras
import tensorflow as tf

from losses.reconstruction import mean_squared_error
from models import layers, state_keys, streams
from models.adversarial import AdversarialModel, DiscriminatorParts
from models.base import to_unit_range
from models.batching import in_batches
from models.declarations.bigan import BiGANHyperparameters
from models.networks import joint
from models.players import Player
from models.randomness import Batch
from models.terms import Term, merged


@keras.saving.register_keras_serializable(layers.PACKAGE)
class BiGAN(AdversarialModel):
    """GAN with an encoder E that learns to invert G.

    D classifies pairs (x, E(x)) as real and (G(z), z) as generated. E and G minimise one loss over
    both kinds of pairs.
    """

    Hyperparameters = BiGANHyperparameters

    def build_networks(self):
        super().build_networks()
        self.encoder = self.build_encoder()
        self.encoder_ema = self.ema.follow(self.encoder)

    def build_encoder(self) -> keras.Model:
        """Return E: images [b, h, w, c] -> the outputs of `encoder_heads`.

        The normalisation before the heads gives the initial codes the same scale for all trunks.
        """
        hp = self.hp
        trunk = self.backbone().trunk(self.image_shape, norm=hp.e_norm, **self.layout())
        h = layers.LayerFactory(hp.e_norm, hp.initializer).norm(trunk.output)
        return keras.Model(trunk.input, self.encoder_heads(h), name="encoder")

    def encoder_heads(self, h) -> dict:
        """Return the outputs of E for features h [b, f], by name.

        "mean" is that of z, [b, d], within [-1, 1] if the prior is uniform. A Gaussian encoder also
        outputs the standard deviation "scale" [b, d] (Donahue and Simonyan 2019).
        """
        hp = self.hp
        mean = layers.head(hp.noise_dim, hp.initializer, name="mean")(h)
        if hp.prior == "uniform":
            mean = keras.layers.Activation("tanh", dtype="float32")(mean)
        if hp.encoder == "deterministic":
            return {"mean": mean}
        raw = layers.head(hp.noise_dim, hp.initializer, name="raw_scale")(h)
        return {"mean": mean, "scale": keras.layers.Activation("softplus", dtype="float32")(raw)}

    def build_discriminator(self):
        """Return D: images and joined latents -> scores [b, 1] and image features, by name."""
        hp = self.hp
        self.parts = DiscriminatorParts(self.build_trunk())
        return joint.discriminator(
            self.parts.trunk,
            self.latents.dim,
            scores=self.scores,
            head=self.build_score,
            units=hp.joint_units,
            depth=hp.joint_depth,
            norm=hp.d_norm,
            initializer=hp.initializer,
        )

    def latents_of(self, output: dict[str, tf.Tensor], batch: Batch | None) -> dict[str, tf.Tensor]:
        """Return latents name -> [b, d] from E's output: draws, or means if `batch` is None."""
        z = output["mean"]
        if batch and "scale" in output:
            z += output["scale"] * batch.normal(streams.ENCODER, tf.shape(z))
        return {"noise": z}

    def real_inputs(self, batch):
        """Return (x, E(x))."""
        z = self.latents_of(self.encoder(batch.x, training=True), batch)
        return [batch.x, self.latents.join(z)]

    def fake_inputs(self, batch):
        """Return (G(z), z)."""
        return [super().fake_inputs(batch), self.latents.join(batch.latents)]

    def discriminate(self, inputs, batch):
        """Return the scores, and the features of the images."""
        output = self.discriminator(inputs, training=True)
        return {n: tf.squeeze(x, -1) if n in self.scores else x for n, x in output.items()}

    def penalty_inputs(self, inputs):
        """Return image and latents concatenated [b, n]: gradients are with respect to both."""
        x, z = inputs
        size = math.prod(self.image_shape)

        def as_pair(point: tf.Tensor) -> list[tf.Tensor]:
            pixels, z = tf.split(point, [size, self.latents.dim], axis=1)
            return [tf.reshape(pixels, [-1, *self.image_shape]), z]

        return tf.concat([tf.reshape(x, [-1, size]), tf.cast(z, x.dtype)], axis=1), as_pair

    @property
    def generator_uses_real(self):
        return True

    def generator_terms(self, real, fake, batch):
        """Return the terms of G and E over both kinds of pairs."""
        of_encoder = self._of_each_score(lambda d: self.loss_pair.encoder(real[d]))
        return merged(super().generator_terms(real, fake, batch), of_encoder)

    def extra_generator_terms(self, real, fake, batch):
        """Return the error of G(E(x)), if `reconstruction_weight` is above 0.

        It does not update the batch norm statistics of G, which are those of samples G(z).
        """
        if not self.hp.uses("reconstruction_weight"):
            return {}
        x, z = real
        with layers.preserve_batch_stats(self.generator):
            error = mean_squared_error(x, self.generator(z, training=True))
        return {"reconstruction": Term(error, self.current("reconstruction_weight"))}

    def players(self):
        encoder = Player((self.encoder,), "e_learning_rate", side="generator")
        return super().players() | {state_keys.ENCODER: encoder}

    def networks(self):
        encoders = {state_keys.ENCODER: self.encoder, state_keys.ENCODER_EMA: self.encoder_ema}
        return super().networks() | encoders

    def inference_networks(self):
        return super().inference_networks() | {state_keys.ENCODER_EMA: self.encoder_ema}

    @in_batches
    def encode(self, x):
        """Return E(x), the concatenated means of all latents."""
        return self.latents.join(self.latents_of(self.encoder_output(x), None))

    def encoder_output(self, x) -> dict[str, tf.Tensor]:
        """Return the output of E's EMA for images, uint8 or float in [-1, 1]."""
        return self.encoder_ema(to_unit_range(x), training=False)

    @in_batches
    def reconstruct(self, x):
        """Return G(E(x))."""
        return self.generator_ema(self.encode(x), training=False)
