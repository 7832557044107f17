"""The one adversarial train step; a variant overrides the hooks that its paper changes."""

import dataclasses
import functools
from collections.abc import Callable

import keras
import tensorflow as tf

import fields
from augmentation.policies import POLICIES
from losses.adversarial import AdversarialLoss, Terms
from losses.penalties import PENALTIES
from models import layers, state_keys, streams
from models.augmentation import augment
from models.base import GenerativeModel, Player, averaging_rate, to_unit_range
from models.declarations.adversarial import AdversarialHyperparameters
from models.latents import Latents, noise
from models.randomness import Batch, length, stateless_seed

Scores = dict[str, tf.Tensor]  # scores [b], and what else a variant takes from D


@dataclasses.dataclass(frozen=True)
class Penalty:
    """A regulariser of the discriminator.

    Attributes:
        weight: what its mean is multiplied with.
        function: (real, fake, batch) -> [b]; real and fake are what D is shown.
        interval: it is applied, `interval` times as strong, at every so many steps (lazy
            regularisation, Karras et al. 2020, appendix B).
    """

    weight: float
    function: Callable
    interval: int = 1


class AdversarialModel(GenerativeModel):
    """A generator G against a discriminator D.

    Hooks, with their defaults: `build_latents` (noise), `build_generator` and
    `build_discriminator` (the backbone that `network` names), `make_loss` (the pair that `loss`
    names), `draw` (the prior's), `real` (x), `fake` (G(z)), `critic` (D's score),
    `discriminator_terms` and `generator_terms` (the loss pair's), `pair_terms` (none), `penalties`
    (the one that `penalty` names), `as_point` (images, which its slopes are over),
    `after_discriminator_update` and `after_generator_update` (nothing), `averages` (of G),
    `players` (D; G), `make_optimizer` (the one that `optimizer` names).

    One step is n_critic updates of D, each on fresh images, and one of G. A batch holds images
    [b, h, w, c], or [n_critic, b, h, w, c] when n_critic > 1, uint8 or float in [-1, 1], alone or
    with labels in a pair.
    """

    Hyperparameters = AdversarialHyperparameters
    scores: tuple[str, ...] = ("d",)  # the names of those that `critic` gives
    discriminator: keras.Model
    generator: keras.Model

    # Hooks.

    def build_networks(self) -> None:
        if POLICIES[self.hp.augment].adapts:
            self.augment_p = self.add_weight(
                name=state_keys.AUGMENT_P, shape=(), initializer="zeros", trainable=False
            )
        self.latents = self.build_latents()
        self.generator = self.build_generator()
        self.discriminator = self.build_discriminator()
        self.generator_ema = average_of(self.generator)
        self.loss_pair = self.make_loss()

    def build_latents(self) -> Latents:
        """The prior of what G is given."""
        return Latents(noise=noise(self.hp.noise_dim, self.hp.prior))

    def build_generator(self) -> keras.Model:
        """G: joined latents [b, d] -> images [b, h, w, c] in [-1, 1]."""
        return self.backbone().generator(
            self.image_shape, self.latents.dim, norm=self.hp.g_norm, **self.layout()
        )

    def build_discriminator(self) -> keras.Model:
        """D: images [b, h, w, c] -> scores [b, 1]."""
        return keras.Sequential([self.build_trunk(), self.build_score()], name="discriminator")

    def build_trunk(self, channels: int = 0) -> keras.Model:
        """D's features: images with so many channels more [b, h, w, c] -> [b, f]."""
        height, width, c = self.image_shape
        return self.backbone().trunk(
            (height, width, c + channels), norm=self.hp.d_norm, **self.layout()
        )

    def build_score(self, name: str = "score") -> keras.layers.Layer:
        """The last layer of D: features [b, f] -> scores [b, 1]."""
        spectral = fields.selected(self.hp, "d_norm").spectral
        return layers.head(1, self.hp.initializer, spectral=spectral, name=name)

    def make_loss(self) -> AdversarialLoss:
        """What D and G minimise of D's scores."""
        return fields.selected(self.hp, "loss").make(**fields.options_of(self.hp, "loss"))

    def draw(self, batch: Batch) -> dict[str, tf.Tensor]:
        """The latents of an update, of as many images as x has."""
        return self.latents.draw(length(batch.x), batch.seed(streams.LATENTS))

    def real(self, batch: Batch):
        """What D is shown of the images; the first of its tensors is images."""
        return batch.x

    def fake(self, batch: Batch):
        """What D is shown of the generator, in the form of `real`."""
        return self.generator(self.latents.join(batch.latents), training=True)

    def critic(self, shown, batch: Batch) -> Scores:
        """D's scores [b] by their names, of what `real` or `fake` returned; by other names, what a
        variant adds."""
        return {"d": tf.squeeze(self.discriminator(shown, training=True), -1)}

    def judge(self, shown, batch: Batch, purpose: str) -> Scores:
        """What `critic` says of what is shown, its images augmented if `augment` says so, by draws
        of a purpose. In training alone: what is evaluated is never augmented."""
        if not POLICIES[self.hp.augment].augments:
            return self.critic(shown, batch)
        x, *given = tf.nest.flatten(shown)
        p = self.augment_p if POLICIES[self.hp.augment].adapts else 1.0
        x = augment(x, batch.uniform, streams.augmentation(purpose), p)
        return self.critic(tf.nest.pack_sequence_as(shown, [x, *given]), batch)

    @property
    def scores_of_images(self) -> tuple[str, ...]:
        """Those of `scores` that the image has a say in."""
        return self.scores

    @property
    def generator_uses_real(self) -> bool:
        """Whether `generator_terms` needs D's scores of real images."""
        return self.loss_pair.generator_uses_real

    def discriminator_terms(self, real: Scores, fake: Scores, batch: Batch) -> Terms:
        """What D minimises: name -> [b]."""
        return self._of_each_score(lambda d: self.loss_pair.discriminator(real[d], fake[d]))

    def generator_terms(self, real: Scores | None, fake: Scores, batch: Batch) -> Terms:
        """What G minimises: name -> [b]; `real` is None unless `generator_uses_real`."""
        return self._of_each_score(lambda d: self.loss_pair.generator(real and real[d], fake[d]))

    def pair_terms(self, real, fake, batch: Batch) -> Terms:
        """What G minimises besides, of what D is shown, without D: name -> [b]."""
        return {}

    def _of_each_score(self, terms: Callable[[str], Terms]) -> Terms:
        """terms(name of a score) of all scores, named after theirs where that is not "d"."""
        return {
            name if score == "d" else f"{score}_{name}": term
            for score in self.scores
            for name, term in terms(score).items()
        }

    def penalties(self) -> dict[str, Penalty]:
        """Regularisers of D by name."""
        return {
            name: Penalty(
                weight,
                functools.partial(self._gradient_penalty, PENALTIES[name].make),
                self.hp.penalty_interval,
            )
            for name, weight in self.hp.penalty_weights().items()
        }

    def as_point(self, shown) -> tuple[tf.Tensor, Callable]:
        """Of what D is shown the tensor [b, ...] that slopes are over, its images, and what puts
        another in their place."""
        images, *given = tf.nest.flatten(shown)
        return images, lambda x: tf.nest.pack_sequence_as(shown, [x, *given])

    def _gradient_penalty(self, penalty: Callable, real, fake, batch: Batch) -> tf.Tensor:
        """A penalty of the slope of D's score, or the sum of those of its scores."""
        (x, shown), (x_fake, _) = self.as_point(real), self.as_point(fake)

        def of(score: str) -> tf.Tensor:
            def critic(x: tf.Tensor) -> tf.Tensor:
                return self.judge(shown(x), batch, streams.PENALTY)[score]

            return penalty(critic, x, x_fake, batch.uniform)

        return tf.add_n([of(score) for score in self.scores])

    def after_discriminator_update(
        self, real: Scores, fake: Scores, batch: Batch
    ) -> dict[str, tf.Tensor]:
        """Runs after each update of D, with the scores that it was made from; returns scalars to
        log."""
        return {}

    def after_generator_update(self, terms: Terms, batch: Batch) -> dict[str, tf.Tensor]:
        """Runs after each update of G, with the terms that it minimised; returns scalars to log."""
        return {}

    def networks(self) -> dict[str, keras.Layer]:
        return {
            state_keys.GENERATOR: self.generator,
            state_keys.GENERATOR_EMA: self.generator_ema,
            state_keys.DISCRIMINATOR: self.discriminator,
        }

    def players(self) -> dict[str, Player]:
        return {
            state_keys.DISCRIMINATOR: Player(
                (self.discriminator,), self.hp.d_learning_rate, side="discriminator"
            ),
            state_keys.GENERATOR: Player(
                (self.generator,), self.hp.g_learning_rate, side="generator"
            ),
        }

    def make_optimizer(self, player: Player) -> keras.optimizers.Optimizer:
        optimizer = fields.selected(self.hp, "optimizer")
        return optimizer.make(player.learning_rate, **fields.options_of(self.hp, "optimizer"))

    # The step.

    def update(self, data) -> dict[str, tf.Tensor]:
        *earlier, last = self._critic_batches(data)
        self._power_iteration("generator")
        for batch in earlier:
            self._update_discriminator(batch, self.real(batch), self.fake(batch))

        with tf.GradientTape() as tape:
            real, fake = self.real(last), self.fake(last)
            with tape.stop_recording():
                scalars = self._update_discriminator(last, real, fake)
            seen = self.generator_uses_real
            d_real = self.judge(real, last, streams.REAL_OF_GENERATOR_UPDATE) if seen else None
            d_fake = self.judge(fake, last, streams.FAKE_OF_GENERATOR_UPDATE)
            terms = self.generator_terms(d_real, d_fake, last)
            terms |= self.pair_terms(real, fake, last)
            loss, losses = total(terms, "g_loss")
        scalars |= losses | self.minimise(loss, tape, "generator")
        scalars |= self.after_generator_update(terms, last)
        self._update_averages()
        return scalars

    def _power_iteration(self, side: str) -> None:
        """Moves the singular vectors of a side's spectrally normalised kernels."""
        for player in self.players().values():
            if player.side == side:
                for network in player.networks:
                    for layer in layers.spectral_layers(network):
                        layer.power_iteration()

    def _critic_batches(self, data) -> list[Batch]:
        """The data of a step as n_critic batches."""
        images, labels, _ = keras.utils.unpack_x_y_sample_weight(data)
        n, rank = self.hp.n_critic, images.shape.rank
        if n == 1 and rank == 4:
            images, labels = images[None], None if labels is None else labels[None]
        elif rank != 5 or images.shape[0] != n:
            shape = "[b, h, w, c]" if n == 1 else f"[{n}, b, h, w, c]"
            raise ValueError(f"n_critic={n} needs batches {shape}, not {images.shape}")
        return [self._batch(images[k], None if labels is None else labels[k], k) for k in range(n)]

    def _batch(self, images: tf.Tensor, labels: tf.Tensor | None, k: int) -> Batch:
        """What D's k-th update of a step is made from."""

        def seed(purpose: str) -> tf.Tensor:
            return stateless_seed(self.seed, self.step, streams.of_update(purpose, k))

        batch = Batch(to_unit_range(images), labels, seed)
        return dataclasses.replace(batch, latents=self.draw(batch))

    def _update_discriminator(self, batch: Batch, real, fake) -> dict[str, tf.Tensor]:
        """One update of D; returns its scalars."""
        real, fake = tf.nest.map_structure(tf.stop_gradient, (real, fake))
        self._power_iteration("discriminator")
        with tf.GradientTape() as tape:
            d_real = self.judge(real, batch, streams.REAL)
            d_fake = self.judge(fake, batch, streams.FAKE)
            terms = self.discriminator_terms(d_real, d_fake, batch)
            terms |= self._penalty_terms(real, fake, batch)
            loss, scalars = total(terms, "d_loss")
        scalars |= self.minimise(loss, tape, "discriminator")
        scalars |= self.after_discriminator_update(d_real, d_fake, batch)
        if POLICIES[self.hp.augment].adapts:
            scalars |= self._adapt_augmentation(d_real)
        return scalars | self._accuracies(d_real, d_fake)

    def _adapt_augmentation(self, real: Scores) -> dict[str, tf.Tensor]:
        """Moves the probability of augmentation up if the mean sign of D's scores of real images,
        from the boundary on, is above its target, else down: Karras et al. 2020a, section 3.1,
        equation 1 (r_t), at each update of D instead of each fourth."""
        scores = tf.concat([real[score] for score in self.scores_of_images], axis=0)
        sign = tf.reduce_mean(tf.sign(tf.cast(scores, tf.float32) - self.loss_pair.threshold))
        images = tf.cast(tf.shape(real[self.scores_of_images[0]])[0], tf.float32)
        step = tf.sign(sign - self.hp.augment_target) * images / (1000.0 * self.hp.augment_kimg)
        self.augment_p.assign(tf.clip_by_value(self.augment_p + step, 0.0, 1.0))
        return {"augment_p": tf.convert_to_tensor(self.augment_p), "d_sign_real": sign}

    def _penalty_terms(self, real, fake, batch: Batch) -> Terms:
        """The weighted penalties of this step; zero between the intervals of a lazy one."""
        terms = {}
        for name, penalty in self.penalties().items():

            def term(penalty=penalty):
                weight = penalty.weight * penalty.interval
                return weight * penalty.function(real, fake, batch)

            if penalty.interval == 1:
                terms[name] = term()
            else:
                due = tf.equal(self.step % penalty.interval, 0)
                terms[name] = tf.cond(due, term, lambda: tf.zeros(tf.shape(batch.x)[:1]))
        return terms

    def _accuracies(self, real: Scores, fake: Scores) -> dict[str, tf.Tensor]:
        """The shares of what is real and of what is fake that D holds for that, by each score."""
        threshold = self.loss_pair.threshold
        if threshold is None:
            return {}
        right = self._of_each_score(
            lambda d: {"real": real[d] > threshold, "fake": fake[d] < threshold}
        )
        return {
            f"d_accuracy_{name}": tf.reduce_mean(tf.cast(is_so, tf.float32))
            for name, is_so in right.items()
        }

    def averages(self) -> list[tuple[keras.Model, keras.Model]]:
        """Networks that are moving averages, and those they are of."""
        return [(self.generator_ema, self.generator)]

    def _update_averages(self) -> None:
        """Moves `averages` towards their networks, batch norm statistics too."""
        rate = averaging_rate(self.step, self.hp.ema_decay)
        for average, network in self.averages():
            for mean, weight in zip(average.weights, network.weights, strict=True):
                mean.assign_add(rate * (weight - mean))

    def generator_network(self) -> keras.Model:
        return self.generator_ema


def average_of(network: keras.Model) -> keras.Model:
    """A network to be the moving average of another, as this is now."""
    average = keras.models.clone_model(network)
    average.set_weights(network.get_weights())
    average.trainable = False
    return average


def total(terms: Terms, name: str) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
    """The sum of the terms' means, and the scalars to log: it, and each term if there are more."""
    means = {term: tf.reduce_mean(tf.cast(value, tf.float32)) for term, value in terms.items()}
    loss = tf.add_n(list(means.values()))
    parts = {f"{name}_{term}": mean for term, mean in means.items()} if len(means) > 1 else {}
    return loss, {name: loss, **parts}
