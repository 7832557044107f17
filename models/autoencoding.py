"""Base of autoencoding models: an encoder, a decoder, one loss, one train and one test step."""

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType

import keras
import tensorflow as tf

import fields
from losses.reconstruction import ReconstructionChoice
from models import inputs, layers, state_keys, streams
from models.adam import FusedAdam
from models.base import GenerativeModel, to_unit_range
from models.batching import in_batches
from models.declarations.autoencoding import AutoencodingHyperparameters
from models.latents import Latents, noise
from models.players import Player
from models.randomness import Batch, stateless_seed
from models.scalars import ScalarGroup

SIDE = state_keys.AUTOENCODER
LOSS = ScalarGroup(title="loss", folder="loss", names=("loss",), order=10, is_loss=True)
RECONSTRUCTION = ScalarGroup(
    title="reconstruction loss",
    folder=LOSS.folder,
    names=("reconstruction_loss",),
    order=11,
    is_loss=True,
)
EncoderOutput = dict[str, tf.Tensor]  # name of a head -> [b, d]
Terms = dict[str, tf.Tensor]  # name -> unreduced loss term: [b], or [b, d] per latent dimension


class AutoencodingModel(GenerativeModel):
    """Model with an encoder, images -> codes z [b, latent_dim], and a decoder, codes -> images.

    Hooks for subclasses, with their defaults:
        heads: names of the encoder's outputs ("mean").
        term_groups: scalar group of each loss term.
        infer_codes: codes from the encoder's outputs (the mean).
        code_terms: additional loss terms of the codes (none).
        total_loss: loss from the terms (mean of the reconstruction error).
        after_update: runs after each update (nothing).

    Training and test batches are images [b, h, w, c], uint8 or float in [-1, 1], or pairs
    (images, labels).
    """

    Hyperparameters = AutoencodingHyperparameters
    heads: tuple[str, ...] = ("mean",)
    term_groups: Mapping[str, ScalarGroup] = MappingProxyType({"reconstruction": RECONSTRUCTION})

    # Hooks.

    def infer_codes(self, output: EncoderOutput, batch: Batch | None) -> tf.Tensor:
        """Return the codes [b, d]: samples of the posterior, or its mean if `batch` is None."""
        return output["mean"]

    def code_terms(self, output: EncoderOutput) -> Terms:
        """Return additional loss terms of the codes, name -> [b] or [b, d]."""
        return {}

    def total_loss(self, terms: Terms, training: bool) -> tf.Tensor:
        """Return the loss, a scalar.

        Args:
            terms: unreduced loss terms.
            training: whether weights follow their schedules at this step; if False they have their
                final values.
        """
        return tf.reduce_mean(terms["reconstruction"])

    def after_update(self, output: EncoderOutput, terms: Terms) -> dict[str, tf.Tensor]:
        """Run after each update and return scalars to log."""
        return {}

    @property
    def reconstruction_error(self) -> ReconstructionChoice:
        """Reconstruction error selected by `reconstruction`."""
        return fields.selected(self.hp, "reconstruction")

    # Networks.

    def build_networks(self) -> None:
        self.latents = Latents(noise=noise(self.hp.latent_dim, "normal"))
        self.encoder = self.build_encoder()
        self.decoder = self.build_decoder()

    def build_encoder(self) -> keras.Model:
        """Build the encoder, images [b, h, w, c] -> dict of the heads, float32 [b, d] each."""
        hp = self.hp
        trunk = self.backbone().trunk(self.image_shape, norm=hp.norm, **self.layout())
        heads = {
            name: layers.head(hp.latent_dim, hp.initializer, name=name)(trunk.output)
            for name in self.heads
        }
        return keras.Model(trunk.input, heads, name="encoder")

    def build_decoder(self) -> keras.Model:
        """Build the decoder, codes [b, d] -> images [b, h, w, c] in [-1, 1] or their logits."""
        hp = self.hp
        return self.backbone().generator(
            self.image_shape,
            hp.latent_dim,
            norm=hp.norm,
            activation="linear" if self.reconstruction_error.of_logits else "tanh",
            **self.layout(),
        )

    def to_images(self, decoded):
        """Convert the decoder's output to images in [-1, 1].

        Logits are converted to the mean 2 p - 1, with p the probability of a pixel.
        """
        if not self.reconstruction_error.of_logits:
            return decoded
        halved = keras.layers.Rescaling(0.5, dtype="float32")(decoded)
        return keras.layers.Activation("tanh", dtype="float32")(halved)

    def generator_network(self) -> keras.Model:
        z = keras.Input((self.hp.latent_dim,), name="latents")
        return keras.Model(z, self.to_images(self.decoder(z)), name="generator")

    def input_of_call(self):
        return keras.InputSpec(shape=(None, *self.image_shape), dtype="float32")

    def call(self, inputs, training=False):
        """Return the reconstructions [b, h, w, c] of images [b, h, w, c] (see `reconstruct`).

        The networks are in inference mode also if `training` is true.
        """
        return self._reconstruct(inputs)

    def predict(self, x, *args, **kwargs):
        """Return the reconstructions of images as keras.Model.predict.

        Raises:
            UserError: an array has another shape, type or range.
        """
        if hasattr(x, "shape"):
            inputs.check_images(x, self.image_shape)
        return super().predict(x, *args, **kwargs)

    def networks(self):
        return {state_keys.ENCODER: self.encoder, state_keys.DECODER: self.decoder}

    def players(self):
        networks = (self.encoder, self.decoder)
        return {SIDE: Player(networks, "learning_rate", side=SIDE)}

    def make_optimizer(self, player):
        return FusedAdam(getattr(self.hp, player.learning_rate))

    # Train and test steps.

    def forward(self, batch: Batch, training: bool) -> tuple[EncoderOutput, Terms]:
        """Return the encoder's output for a batch, and the unreduced loss terms."""
        output = self.encoder(batch.x, training=training)
        decoded = self.decoder(self.infer_codes(output, batch), training=training)
        error = self.reconstruction_error.make(batch.x, decoded)
        return output, {"reconstruction": error, **self.code_terms(output)}

    def update(self, data) -> dict[str, tf.Tensor]:
        images, _, _ = keras.utils.unpack_x_y_sample_weight(data)
        batch = self.make_batch(images, self.seed, streams.TRAIN, self.step)
        with tf.GradientTape() as tape:
            output, terms = self.forward(batch, training=True)
            loss = self.total_loss(terms, training=True)
        scalars = self.scalars_of(loss, terms) | self.minimise(loss, tape, SIDE)
        return scalars | self.after_update(output, terms)

    def validate(self, data) -> dict[str, tf.Tensor]:
        images, _, _ = keras.utils.unpack_x_y_sample_weight(data)
        _, terms = self.forward(self.make_batch(images, self.seed, streams.TEST), training=False)
        return self.scalars_of(self.total_loss(terms, training=False), terms)

    def scalars_of(self, loss: tf.Tensor, terms: Terms) -> dict[str, tf.Tensor]:
        """Return the scalars to log: the loss, and the mean of each term over images.

        Terms per latent dimension are summed over the dimensions.
        """
        scalars = LOSS.single(loss)
        for name, term in terms.items():
            per_image = tf.reduce_sum(term, axis=list(range(1, len(term.shape))))
            scalars |= self.term_groups[name].single(tf.reduce_mean(per_image))
        return scalars

    def make_batch(self, images: tf.Tensor, seed: int, kind: str, step=None) -> Batch:
        """Return the batch of binarised images, with its random numbers.

        Args:
            images: [b, h, w, c], uint8 or float in [-1, 1].
            seed: seed of the random numbers.
            kind: TRAIN, TEST or LIKELIHOOD, the prefix of its random streams.
            step: training step; None: the random numbers depend on the images' pixels instead.
        """
        x = to_unit_range(images)
        if step is None:
            step = tf.reduce_sum(tf.cast(tf.round(127.5 * (x + 1.0)), tf.int32))
        batch = Batch(x, None, lambda of: stateless_seed(seed, step, streams.of_batch(kind, of)))
        return dataclasses.replace(batch, x=self.binarise(x, batch))

    def binarise(self, x: tf.Tensor, batch: Batch | None) -> tf.Tensor:
        """Binarise images x in [-1, 1] to -1 and 1, as selected by `binarisation`.

        Sampled binarisation draws its random numbers from the batch. Without a batch it thresholds
        at 0.
        """
        if self.hp.binarisation in (None, "none"):
            return x
        sampled = self.hp.binarisation == "sampled" and batch
        threshold = 0.0
        if sampled:
            threshold = 2.0 * batch.uniform(streams.BINARISATION, tf.shape(x)) - 1.0
        return tf.where(x > threshold, 1.0, -1.0)

    # Abilities.

    def protocol(self):
        binarisation = self.hp.binarisation
        return super().protocol() | ({"binarisation": binarisation} if binarisation else {})

    @in_batches
    def encode(self, x):
        """Return the posterior mean of each image, [n, latent_dim].

        Images are thresholded at 0 if the model binarises images.
        """
        return self.infer_codes(self.encoded(x), None)

    def encoded(self, x) -> EncoderOutput:
        """Return the encoder's output for images, uint8 or float in [-1, 1]."""
        return self.encoder(self.binarise(to_unit_range(x), None), training=False)

    @in_batches
    def reconstruct(self, x):
        """Return the decoded posterior means, [n, h, w, c] in [-1, 1]."""
        return self._reconstruct(x)

    def _reconstruct(self, x) -> tf.Tensor:
        return self.to_images(self.decoder(self.infer_codes(self.encoded(x), None), training=False))
