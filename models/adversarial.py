"""Base class of adversarial models: the train step, with hooks that subclasses override."""

import dataclasses
import functools
from collections.abc import Callable

import keras
import tensorflow as tf

import fields
import replicas
from augmentation import streams as augmentation_streams
from errors import UserError
from losses.adversarial import AdversarialLoss
from losses.penalties import PENALTIES, PenaltyChoice
from models import layers, state_keys, streams
from models.augmenter import Augmenter
from models.base import GenerativeModel, to_unit_range
from models.declarations.adversarial import AdversarialHyperparameters
from models.ema import ExponentialMovingAverage
from models.latents import Latents, noise
from models.objectives import Objective
from models.penalty import Penalty
from models.players import Player
from models.randomness import Batch, length, stateless_seed
from models.scalars import ScalarGroup
from models.terms import Terms, merged, total

D_LOSS, G_LOSS = "d_loss", "g_loss"
LOSSES = ScalarGroup(
    title="losses", folder="loss", names=(D_LOSS, G_LOSS), order=20, is_loss=True,
    labels=(state_keys.DISCRIMINATOR, state_keys.GENERATOR),
)  # fmt: skip
DISCRIMINATOR_TERMS = ScalarGroup(
    title="terms of the discriminator's loss", folder="loss", prefix=f"{D_LOSS}_", order=30
)
GENERATOR_TERMS = ScalarGroup(
    title="terms of the generator's loss", folder="loss", prefix=f"{G_LOSS}_", order=31
)
ACCURACIES = ScalarGroup(
    title="accuracy of the discriminator", folder="accuracy", prefix="d_accuracy_", order=50
)

PROBABILITIES = ("sigmoid", "softmax")

Scores = dict[str, tf.Tensor]  # scores [b], and other outputs of the discriminator by name


@dataclasses.dataclass(frozen=True)
class DiscriminatorParts:
    """Trunk of a discriminator, which outputs features, and the layer that scores these."""

    trunk: keras.Model
    score: keras.layers.Layer | None = None


class AdversarialModel(GenerativeModel):
    """Generator G trained against a discriminator D.

    A step has n_critic updates of D, each on new images, and one update of G. A batch is images
    [b, h, w, c], or [n_critic, b, h, w, c] when n_critic > 1, uint8 or float in [-1, 1], or a pair
    (images, labels).

    docs/architecture.md has a table of the hooks and their defaults.

    Attributes:
        augmenter: augments the discriminator's images.
        ema: updates the EMA of networks, including `generator_ema`, after each step.
        loss_pair: the adversarial loss.
        objectives: additional terms of the losses.
        parts: trunk and score layer of the discriminator.
    """

    Hyperparameters = AdversarialHyperparameters
    scores: tuple[str, ...] = ("d",)  # names of the scores that `discriminate` returns
    discriminator: keras.Model
    generator: keras.Model
    parts: DiscriminatorParts

    def check_networks(self):
        """Raise UserError if the discriminator outputs probabilities instead of logits."""
        for name in layers.last_activations(self.discriminator):
            if name in PROBABILITIES:
                raise UserError(
                    f"the discriminator ends with {name}; its scores must be logits: omit the "
                    "activation"
                )

    # Hooks.

    def build_networks(self) -> None:
        self.augmenter = Augmenter(self.hp, self.add_weight, self.current)
        self.latents = self.build_latents()
        self.generator = self.build_generator()
        self.discriminator = self.build_discriminator()
        self.ema = ExponentialMovingAverage()
        self.generator_ema = self.ema.follow(self.generator)
        self.loss_pair = self.make_loss()
        self.objectives = self.build_objectives()

    def build_latents(self) -> Latents:
        """Return the prior of the generator's inputs."""
        return Latents(noise=noise(self.hp.noise_dim, self.hp.prior))

    def build_generator(self) -> keras.Model:
        """Return G: joined latents [b, d] -> images [b, h, w, c] in [-1, 1]."""
        return self.backbone().generator(
            self.image_shape, self.latents.dim, norm=self.hp.g_norm, **self.layout()
        )

    def build_discriminator(self) -> keras.Model:
        """Return D: images [b, h, w, c] -> scores [b, 1]; set `parts`."""
        self.parts = DiscriminatorParts(self.build_trunk(), self.build_score())
        return keras.Sequential([self.parts.trunk, self.parts.score], name="discriminator")

    def build_trunk(self, channels: int = 0) -> keras.Model:
        """Return D's trunk: images with further channels [b, h, w, c] -> features [b, f]."""
        height, width, c = self.image_shape
        return self.backbone().trunk(
            (height, width, c + channels), norm=self.hp.d_norm, **self.layout()
        )

    def build_score(self, name: str = "score") -> keras.layers.Layer:
        """Return the last layer of D: features [b, f] -> scores [b, 1]."""
        spectral = fields.selected(self.hp, "d_norm").spectral
        return layers.head(1, self.hp.initializer, spectral=spectral, name=name)

    def make_loss(self) -> AdversarialLoss:
        """Return the adversarial loss of D and G.

        A model with a loss of its own also declares it with `alternatives={"loss": ...}`, as BEGAN
        does: its `has_threshold` is read from there.
        """
        return fields.selected(self.hp, "loss").make(**fields.options_of(self.hp, "loss"))

    def build_objectives(self) -> list[Objective]:
        """Return additional terms of the losses; build the networks that they require."""
        return []

    def draw(self, batch: Batch) -> dict[str, tf.Tensor]:
        """Return the latents of an update, one draw per image of the batch."""
        return batch.latents_of(self.latents, streams.LATENTS)

    def real_inputs(self, batch: Batch):
        """Return the discriminator's input for real images; its first tensor is the images."""
        return batch.x

    def fake_inputs(self, batch: Batch):
        """Return the discriminator's input for generated images, structured like `real_inputs`."""
        return self.generator(self.latents.join(batch.latents), training=True)

    def discriminate(self, inputs, batch: Batch) -> Scores:
        """Return the scores [b] of the discriminator by name, and its other outputs by name.

        Args:
            inputs: returned by `real_inputs` or `fake_inputs`.
            batch: the batch of the update.
        """
        return {"d": tf.squeeze(self.discriminator(inputs, training=True), -1)}

    def discriminate_augmented(self, inputs, batch: Batch, stream: str) -> Scores:
        """Return `discriminate` of inputs with augmented images; `stream` is their random stream.

        Images are augmented in training only, never in evaluation.
        """
        return self.discriminate(self.augmenter.augmented(inputs, batch, stream), batch)

    @property
    def scores_of_images(self) -> tuple[str, ...]:
        """Names of the scores that depend on the image."""
        return self.scores

    @property
    def generator_uses_real(self) -> bool:
        """True if `generator_terms` needs D's scores of real images."""
        objectives = self._objectives_of("generator")
        return self.loss_pair.generator_uses_real or any(o.uses_real for o in objectives)

    def discriminator_terms(self, real: Scores, fake: Scores, batch: Batch) -> Terms:
        """Return the terms of the discriminator's loss, name -> [b]."""
        terms = self._of_each_score(lambda d: self.loss_pair.discriminator(real[d], fake[d]))
        return merged(terms, *self._objective_terms("discriminator", real, fake, batch))

    def generator_terms(self, real: Scores | None, fake: Scores, batch: Batch) -> Terms:
        """Return the terms of the generator's loss, name -> [b].

        Args:
            real: outputs of D for real images; None unless `generator_uses_real`.
            fake: outputs of D for generated images.
            batch: the batch of the update.
        """
        terms = self._of_each_score(lambda d: self.loss_pair.generator(real and real[d], fake[d]))
        return merged(terms, *self._objective_terms("generator", real, fake, batch))

    def extra_generator_terms(self, real, fake, batch: Batch) -> Terms:
        """Return terms of the generator's loss that are functions of D's inputs, not its scores."""
        return {}

    def _of_each_score(self, terms: Callable[[str], Terms]) -> Terms:
        """Return the terms of all scores, prefixed with the name of the score unless it is "d"."""
        return {
            name if score == "d" else f"{score}_{name}": term
            for score in self.scores
            for name, term in terms(score).items()
        }

    def _objectives_of(self, side: str) -> list[Objective]:
        return [objective for objective in self.objectives if side in objective.sides]

    def _objective_terms(self, side: str, real, fake, batch: Batch) -> list[Terms]:
        return [objective.terms(real, fake, batch) for objective in self._objectives_of(side)]

    def penalties(self) -> dict[str, Penalty]:
        """Return the regularisers of D by name."""
        weights = self.hp.penalty_weights(self.current("penalty_weight"))
        return {name: self._penalty(PENALTIES[name], weight) for name, weight in weights.items()}

    def _penalty(self, choice: PenaltyChoice, weight: float) -> Penalty:
        return Penalty(
            weight,
            functools.partial(self._gradient_penalty, choice.make),
            self.hp.penalty_interval,
            lambda real: choice.statistics(self.penalty_inputs(real)[0]),
        )

    def penalty_inputs(self, inputs) -> tuple[tf.Tensor, Callable]:
        """Return the point of gradient penalties, and the inputs of D as a function of it.

        Args:
            inputs: returned by `real_inputs` or `fake_inputs`.

        Returns:
            The point [b, ...] with respect to which gradients are taken, by default the images,
            and a function that replaces it in the inputs. All inputs that are not part of the point
            must be equal for real and generated examples.
        """
        images, *others = tf.nest.flatten(inputs)
        return images, lambda x: tf.nest.pack_sequence_as(inputs, [x, *others])

    def _gradient_penalty(self, penalty: Callable, real, fake, batch: Batch, **statistics):
        """Return a gradient penalty [b], summed over the scores of D."""
        (x, inputs_at), (x_fake, _) = self.penalty_inputs(real), self.penalty_inputs(fake)

        def of(score: str) -> tf.Tensor:
            def critic(x: tf.Tensor) -> tf.Tensor:
                stream = augmentation_streams.PENALTY
                return self.discriminate_augmented(inputs_at(x), batch, stream)[score]

            return penalty(critic, x, x_fake, batch.uniform, **statistics)

        return tf.add_n([of(score) for score in self.scores])

    def after_discriminator_update(
        self, real: Scores, fake: Scores, batch: Batch
    ) -> dict[str, tf.Tensor]:
        """Run after each update of D; return scalars to log.

        Args:
            real: outputs of D for real images, computed before the update.
            fake: outputs of D for generated images, computed before the update.
            batch: the batch of the update.
        """
        return {}

    def after_generator_update(self, terms: Terms, batch: Batch) -> dict[str, tf.Tensor]:
        """Run after each update of G; return scalars to log.

        Args:
            terms: terms of the generator's loss.
            batch: the batch of the update.
        """
        scalars = {}
        for objective in self._objectives_of("generator"):
            scalars |= objective.scalars(terms)
        return scalars

    def networks(self) -> dict[str, keras.Layer]:
        return {
            state_keys.GENERATOR: self.generator,
            state_keys.GENERATOR_EMA: self.generator_ema,
            state_keys.DISCRIMINATOR: self.discriminator,
        }

    def inference_networks(self):
        return {state_keys.GENERATOR_EMA: self.generator_ema}

    def ema_pairs(self):
        return self.ema.pairs

    def players(self) -> dict[str, Player]:
        d, g = state_keys.DISCRIMINATOR, state_keys.GENERATOR
        return {
            d: Player((self.discriminator,), "d_learning_rate", side="discriminator"),
            g: Player((self.generator,), "g_learning_rate", side="generator"),
        }

    def make_optimizer(self, player: Player) -> keras.optimizers.Optimizer:
        optimizer = fields.selected(self.hp, "optimizer")
        rate = getattr(self.hp, player.learning_rate)
        return optimizer.make(rate, **fields.options_of(self.hp, "optimizer"))

    def scheduled_attributes(self):
        attributes = fields.selected(self.hp, "optimizer").attributes
        return {name: attributes[name] for name in attributes if name in self.hp.scheduled}

    # The step.

    def update(self, data) -> dict[str, tf.Tensor]:
        return self.update_on(self.batches_of(data))

    def update_on(self, batches: list[Batch]) -> dict[str, tf.Tensor]:
        """Update D on each of n_critic batches, then G on the last one; return scalars to log."""
        *earlier, last = batches
        self._power_iteration("generator")
        for batch in earlier:
            self._update_discriminator(batch, self.real_inputs(batch), self.fake_inputs(batch))

        with tf.GradientTape() as tape:
            real, fake = self.real_inputs(last), self.fake_inputs(last)
            with tape.stop_recording():
                scalars = self._update_discriminator(last, real, fake)
            d_real = None
            if self.generator_uses_real:
                stream = augmentation_streams.REAL_OF_GENERATOR
                d_real = self.discriminate_augmented(real, last, stream)
            stream = augmentation_streams.FAKE_OF_GENERATOR
            d_fake = self.discriminate_augmented(fake, last, stream)
            terms = merged(
                self.generator_terms(d_real, d_fake, last),
                self.extra_generator_terms(real, fake, last),
            )
            loss, losses = total(terms, G_LOSS, GENERATOR_TERMS)
        scalars |= losses | self.minimise(loss, tape, "generator")
        scalars |= self.after_generator_update(terms, last)
        images = len(batches) * length(last.x) * replicas.count()
        self.ema.update(self.step, self.ema_decay(images))
        return scalars

    def ema_decay(self, images: int | tf.Tensor) -> float | tf.Tensor:
        """Return the decay of the EMA in a step of `images` real images."""
        if not self.hp.ema_kimg:
            return self.current("ema_decay")
        return 0.5 ** (tf.cast(images, tf.float32) / (1000.0 * self.current("ema_kimg")))

    def _update_discriminator(self, batch: Batch, real, fake) -> dict[str, tf.Tensor]:
        """Update D once; return its scalars."""
        real, fake = tf.nest.map_structure(tf.stop_gradient, (real, fake))
        self._power_iteration("discriminator")
        with tf.GradientTape() as tape:
            d_real = self.discriminate_augmented(real, batch, augmentation_streams.REAL)
            d_fake = self.discriminate_augmented(fake, batch, augmentation_streams.FAKE)
            terms = merged(
                self.discriminator_terms(d_real, d_fake, batch),
                self._penalty_terms(real, fake, batch),
            )
            loss, scalars = total(terms, D_LOSS, DISCRIMINATOR_TERMS)
        scalars |= self.minimise(loss, tape, "discriminator")
        scalars |= self.after_discriminator_update(d_real, d_fake, batch)
        scalars |= self.augmenter.adapt(
            [d_real[score] for score in self.scores_of_images], self.loss_pair.threshold
        )
        return scalars | self._accuracies(d_real, d_fake)

    def _power_iteration(self, side: str) -> None:
        """Update the singular vectors of the spectrally normalised kernels of a side's networks."""
        for player in self.players().values():
            if player.side == side:
                for network in player.networks:
                    for layer in layers.spectral_layers(network):
                        layer.power_iteration()

    def batches_of(self, data) -> list[Batch]:
        """Return the data of a step as n_critic batches.

        Raises:
            ValueError: the images have another shape.
        """
        images, labels, _ = keras.utils.unpack_x_y_sample_weight(data)
        n, rank = self.hp.n_critic, images.shape.rank
        if n == 1 and rank == 4:
            images, labels = images[None], None if labels is None else labels[None]
        elif rank != 5 or images.shape[0] != n:
            shape = "[b, h, w, c]" if n == 1 else f"[{n}, b, h, w, c]"
            raise ValueError(f"n_critic={n} requires batches {shape}, got {images.shape}")
        if labels is not None:
            labels = tf.reshape(labels, tf.shape(images)[:2])  # from [..., 1] as well
        return [self._batch(images[k], None if labels is None else labels[k], k) for k in range(n)]

    def _batch(self, images: tf.Tensor, labels: tf.Tensor | None, k: int) -> Batch:
        """Return the batch of the k-th update of D in a step."""

        def seed(stream: str) -> tf.Tensor:
            return stateless_seed(self.seed, self.step, streams.of_update(stream, k))

        batch = Batch(to_unit_range(images), labels, seed)
        return dataclasses.replace(batch, latents=self.draw(batch))

    def _penalty_terms(self, real, fake, batch: Batch) -> Terms:
        step = self.step.value
        return {n: p.term(real, fake, batch, step) for n, p in self.penalties().items()}

    def _accuracies(self, real: Scores, fake: Scores) -> dict[str, tf.Tensor]:
        """Return the shares of real and generated images that each score classifies correctly."""
        if not fields.selected(self.hp, "loss").has_threshold:
            return {}
        threshold = self.loss_pair.threshold
        right = self._of_each_score(
            lambda d: {"real": real[d] > threshold, "fake": fake[d] < threshold}
        )
        return ACCURACIES.named(
            {
                name: tf.reduce_mean(tf.cast(is_right, tf.float32))
                for name, is_right in right.items()
            }
        )

    def generator_network(self) -> keras.Model:
        return self.generator_ema

    def input_of_call(self):
        return keras.InputSpec(shape=(None, self.latents.dim), dtype="float32")

    def call(self, inputs, training=False):
        """Return the images [b, h, w, c] of joined latents [b, d] (see `latents.join`).

        They are those of the EMA of the generator, in inference mode also if `training` is true.
        """
        return self.generator_network()(inputs, training=False)
