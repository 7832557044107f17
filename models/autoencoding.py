"""The one train step and the one test step of models of an encoder, a decoder and one loss."""

import dataclasses

import keras
import tensorflow as tf

import fields
from losses.reconstruction import ReconstructionChoice
from models import layers, state_keys, streams
from models.base import GenerativeModel, Player, to_unit_range
from models.declarations.autoencoding import AutoencodingHyperparameters
from models.latents import Latents, noise
from models.randomness import Batch, stateless_seed

SIDE = state_keys.AUTOENCODER
Found = dict[str, tf.Tensor]  # what an encoder says, by the names of its heads
Terms = dict[str, tf.Tensor]  # unreduced: [b], or of each latent dimension [b, d]


class AutoencodingModel(GenerativeModel):
    """An encoder of images into codes z [b, latent_dim], and a decoder of these.

    Hooks, with their defaults: `heads` (the mean alone), `inferred` (the mean), `code_terms`
    (none), `objective` (the reconstruction's mean), `after_update` (nothing).

    A batch holds images [b, h, w, c], uint8 or float in [-1, 1], alone or with labels in a pair.
    """

    Hyperparameters = AutoencodingHyperparameters
    heads: tuple[str, ...] = ("mean",)

    # Hooks.

    def inferred(self, found: Found, batch: Batch | None) -> tf.Tensor:
        """The codes [b, d] of what the encoder says: draws of a batch, or means without one."""
        return found["mean"]

    def code_terms(self, found: Found) -> Terms:
        """What is measured of the codes."""
        return {}

    def objective(self, terms: Terms, learning: bool) -> tf.Tensor:
        """What is minimised at this step; if not `learning`, where all schedules have ended."""
        return tf.reduce_mean(terms["reconstruction"])

    def after_update(self, found: Found, terms: Terms) -> dict[str, tf.Tensor]:
        """Runs after each update; returns scalars to log."""
        return {}

    @property
    def error(self) -> ReconstructionChoice:
        """Reconstruction error that `reconstruction` selects."""
        return fields.selected(self.hp, "reconstruction")

    # Networks.

    def build_networks(self) -> None:
        self.latents = Latents(noise=noise(self.hp.latent_dim, "normal"))
        self.encoder = self.build_encoder()
        self.decoder = self.build_decoder()

    def build_encoder(self) -> keras.Model:
        """Images [b, h, w, c] -> name of a head -> float32 [b, d]."""
        hp = self.hp
        trunk = self.backbone().trunk(self.image_shape, norm=hp.norm, **self.layout())
        heads = {
            name: layers.head(hp.latent_dim, hp.initializer, name=name)(trunk.output)
            for name in self.heads
        }
        return keras.Model(trunk.input, heads, name="encoder")

    def build_decoder(self) -> keras.Model:
        """Codes [b, d] -> images [b, h, w, c] in [-1, 1], or logits of their pixels."""
        hp = self.hp
        return self.backbone().generator(
            self.image_shape,
            hp.latent_dim,
            norm=hp.norm,
            activation="linear" if self.error.of_logits else "tanh",
            **self.layout(),
        )

    def images(self, decoded):
        """What the decoder says as images in [-1, 1]: of logits the mean, 2 p - 1."""
        if not self.error.of_logits:
            return decoded
        halved = keras.layers.Rescaling(0.5, dtype="float32")(decoded)
        return keras.layers.Activation("tanh", dtype="float32")(halved)

    def generator_network(self) -> keras.Model:
        z = keras.Input((self.hp.latent_dim,), name="latents")
        return keras.Model(z, self.images(self.decoder(z)), name="generator")

    def networks(self):
        return {state_keys.ENCODER: self.encoder, state_keys.DECODER: self.decoder}

    def players(self):
        networks = (self.encoder, self.decoder)
        return {SIDE: Player(networks, self.hp.learning_rate, side=SIDE)}

    def make_optimizer(self, player):
        return keras.optimizers.Adam(player.learning_rate)

    # The steps.

    def forward(self, batch: Batch, training: bool) -> tuple[Found, Terms]:
        """What the encoder says of a batch, and all terms of it."""
        found = self.encoder(batch.x, training=training)
        decoded = self.decoder(self.inferred(found, batch), training=training)
        error = self.error.make(batch.x, decoded)
        return found, {"reconstruction": error, **self.code_terms(found)}

    def update(self, data) -> dict[str, tf.Tensor]:
        images, _, _ = keras.utils.unpack_x_y_sample_weight(data)
        batch = self.batch_of(images, self.seed, streams.TRAIN, self.step)
        with tf.GradientTape() as tape:
            found, terms = self.forward(batch, training=True)
            loss = self.objective(terms, learning=True)
        scalars = scalars_of(loss, terms) | self.minimise(loss, tape, SIDE)
        return scalars | self.after_update(found, terms)

    def validate(self, data) -> dict[str, tf.Tensor]:
        images, _, _ = keras.utils.unpack_x_y_sample_weight(data)
        _, terms = self.forward(self.batch_of(images, self.seed, streams.TEST), training=False)
        return scalars_of(self.objective(terms, learning=False), terms)

    def batch_of(self, images: tf.Tensor, seed: int, purpose: str, step=None) -> Batch:
        """Images, binarised, and what is drawn for them: by the seed, the purpose and the step, or
        without one by what is in the images."""
        x = to_unit_range(images)
        if step is None:
            step = tf.reduce_sum(tf.cast(tf.round(127.5 * (x + 1.0)), tf.int32))
        batch = Batch(x, None, lambda of: stateless_seed(seed, step, streams.of_batch(purpose, of)))
        return dataclasses.replace(batch, x=self.binarised(x, batch))

    def binarised(self, x: tf.Tensor, batch: Batch | None) -> tf.Tensor:
        """Images x as `binarisation` says; draws need a batch, and are thresholds without one."""
        if self.hp.binarisation in (None, "none"):
            return x
        draws = self.hp.binarisation == "sampled" and batch
        boundary = 2.0 * batch.uniform(streams.BINARISATION, tf.shape(x)) - 1.0 if draws else 0.0
        return tf.where(x > boundary, 1.0, -1.0)

    # Abilities.

    def protocol(self):
        binarisation = self.hp.binarisation
        return super().protocol() | ({"binarisation": binarisation} if binarisation else {})

    def encode(self, x):
        """The mean of the code of each image: [n, latent_dim]. Binary images are cut at a half."""
        return self.inferred(self.encoded(x), None)

    def encoded(self, x) -> Found:
        """What the encoder says of images, uint8 or float in [-1, 1]."""
        return self.encoder(self.binarised(to_unit_range(x), None), training=False)

    def reconstruct(self, x):
        """The decoder's image of each mean."""
        return self.images(self.decoder(self.encode(x), training=False))


def scalars_of(loss: tf.Tensor, terms: Terms) -> dict[str, tf.Tensor]:
    """The loss, and of each term the mean over images of its sum over dimensions."""
    scalars = {"loss": loss}
    for name, term in terms.items():
        each = tf.reduce_sum(term, axis=list(range(1, len(term.shape))))
        scalars[f"{name}_loss"] = tf.reduce_mean(each)
    return scalars
