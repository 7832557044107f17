"""BiGAN: Donahue et al. 2017, "Adversarial Feature Learning"; ALI: Dumoulin et al. 2017."""

import math

import keras
import tensorflow as tf

from losses.reconstruction import mean_squared_error
from models import layers
from models.adversarial import AdversarialModel, average_of
from models.base import Player, to_unit_range
from models.declarations.bigan import BiGANHyperparameters
from models.networks import joint
from models.randomness import Batch


@keras.saving.register_keras_serializable(layers.PACKAGE)
class BiGAN(AdversarialModel):
    """An encoder E learns the inverse of G: D tells pairs (x, E(x)) from pairs (G(z), z), and E and
    G against it minimise one loss, of both kinds of pairs."""

    Hyperparameters = BiGANHyperparameters

    def build_networks(self):
        super().build_networks()
        self.encoder = self.build_encoder()
        self.encoder_ema = average_of(self.encoder)

    def build_encoder(self) -> keras.Model:
        """E: images [b, h, w, c] -> what `encoder_heads` gives. The norm before the heads has them
        begin with codes of one size, whatever the trunk's last layers do."""
        hp = self.hp
        trunk = self.backbone().trunk(self.image_shape, norm=hp.e_norm, **self.layout())
        h = layers.LayerFactory(hp.e_norm, hp.initializer).norm(trunk.output)
        return keras.Model(trunk.input, self.encoder_heads(h), name="encoder")

    def encoder_heads(self, h) -> dict:
        """Of features h [b, f] "mean" [b, d], of z, in [-1, 1] where z is uniform there; and of a
        Gaussian encoder its deviation "scale" [b, d] (Donahue and Simonyan 2019)."""
        hp = self.hp
        mean = layers.head(hp.noise_dim, hp.initializer, name="mean")(h)
        if hp.prior == "uniform":
            mean = keras.layers.Activation("tanh", dtype="float32")(mean)
        if hp.encoder == "deterministic":
            return {"mean": mean}
        raw = layers.head(hp.noise_dim, hp.initializer, name="raw_scale")(h)
        return {"mean": mean, "scale": keras.layers.Activation("softplus", dtype="float32")(raw)}

    def build_discriminator(self):
        """D: images and joined latents -> by name, scores [b, 1], and features of the images."""
        hp = self.hp
        return joint.discriminator(
            self.build_trunk(),
            self.latents.dim,
            scores=self.scores,
            head=self.build_score,
            units=hp.joint_units,
            depth=hp.joint_depth,
            norm=hp.d_norm,
            initializer=hp.initializer,
        )

    def inferred(self, found: dict[str, tf.Tensor], batch: Batch | None) -> dict[str, tf.Tensor]:
        """The latents that E says, name -> [b, d]: draws of a batch, or means without one."""
        z = found["mean"]
        if batch and "scale" in found:
            z += found["scale"] * batch.normal("encoder", tf.shape(z))
        return {"noise": z}

    def real(self, batch):
        """(x, E(x))."""
        z = self.inferred(self.encoder(batch.x, training=True), batch)
        return [batch.x, self.latents.join(z)]

    def fake(self, batch):
        """(G(z), z)."""
        return [super().fake(batch), self.latents.join(batch.latents)]

    def critic(self, shown, batch):
        """D's scores, and its features of the images."""
        found = self.discriminator(shown, training=True)
        return {n: part if n == "features" else tf.squeeze(part, -1) for n, part in found.items()}

    def as_point(self, shown):
        """Image and latent side by side [b, n]: slopes are over both."""
        x, z = shown
        size = math.prod(self.image_shape)

        def as_pair(point: tf.Tensor) -> list[tf.Tensor]:
            pixels, z = tf.split(point, [size, self.latents.dim], axis=1)
            return [tf.reshape(pixels, [-1, *self.image_shape]), z]

        return tf.concat([tf.reshape(x, [-1, size]), tf.cast(z, x.dtype)], axis=1), as_pair

    @property
    def generator_uses_real(self):
        return True

    def generator_terms(self, real, fake, batch):
        """What G and E minimise, of the fake and of the real pairs."""
        of_encoder = self._of_each_score(lambda d: self.loss_pair.encoder(real[d]))
        return super().generator_terms(real, fake, batch) | of_encoder

    def pair_terms(self, real, fake, batch):
        """With `reconstruction_weight` the error of G(E(x)). G's batch statistics stay those of
        G(z), which is what it is drawn from."""
        if not self.hp.reconstruction_weight:
            return {}
        x, z = real
        with layers.preserve_batch_stats(self.generator):
            error = mean_squared_error(x, self.generator(z, training=True))
        return {"reconstruction": self.hp.reconstruction_weight * error}

    def averages(self):
        return [*super().averages(), (self.encoder_ema, self.encoder)]

    def players(self):
        encoder = Player((self.encoder,), self.hp.e_learning_rate, side="generator")
        return super().players() | {"encoder": encoder}

    def encode(self, x):
        """E(x), the means of all latents side by side."""
        return self.latents.join(self.inferred(self.encoded(x), None))

    def encoded(self, x) -> dict[str, tf.Tensor]:
        """What E's average says of images, uint8 or float in [-1, 1]."""
        return self.encoder_ema(to_unit_range(x), training=False)

    def reconstruct(self, x):
        """G(E(x))."""
        return self.generator_ema(self.encode(x), training=False)
