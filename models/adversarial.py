"""The one adversarial train step; a variant overrides the hooks that its paper changes."""

import dataclasses
from collections.abc import Callable

import keras
import tensorflow as tf

from losses.adversarial import LOSSES, Terms
from models.base import GenerativeModel, Player, to_unit_range
from models.hyperparameters import AdversarialHyperparameters
from models.latents import Latents, noise
from models.layers import spectral_layers
from models.randomness import stateless_seed

Scores = dict[str, tf.Tensor]


@dataclasses.dataclass(frozen=True)
class Penalty:
    """A regulariser of the discriminator.

    Attributes:
        weight: what its mean is multiplied with.
        function: (real, fake, seed) -> [b].
        interval: it is applied, `interval` times as strong, at every so many steps (lazy
            regularisation, Karras et al. 2020, appendix B).
    """

    weight: float
    function: Callable
    interval: int = 1


class AdversarialModel(GenerativeModel):
    """A generator G against a discriminator D.

    Hooks, with their defaults: `build_networks` (none), `draw` (the prior's), `real` (x), `fake`
    (G(z)), `critic` (D's score), `discriminator_terms` and `generator_terms` (the loss pair's),
    `penalties` (none), `after_discriminator_update` and `after_generator_update` (nothing),
    `players` (D; G).

    One step is n_critic updates of D, each on fresh images, and one of G. A batch holds images
    [b, h, w, c], or [n_critic, b, h, w, c] when n_critic > 1, uint8 or float in [-1, 1], alone or
    with labels in a pair.
    """

    Hyperparameters = AdversarialHyperparameters
    discriminator: keras.Model
    generator: keras.Model

    def __init__(self, image_shape, **kwargs):
        super().__init__(image_shape, **kwargs)
        self.loss_pair = LOSSES[self.hp.loss](real_label=1.0 - self.hp.label_smoothing)

    # Hooks.

    def build_networks(self) -> None:
        self.latents = Latents(noise=noise(self.hp.noise_dim, self.hp.prior))
        self.generator = self.build_generator()
        self.discriminator = self.build_discriminator()
        self.generator_ema = keras.models.clone_model(self.generator)
        self.generator_ema.set_weights(self.generator.get_weights())
        self.generator_ema.trainable = False

    def build_generator(self) -> keras.Model:
        """G: joined latents [b, d] -> images [b, h, w, c] in [-1, 1]."""
        raise NotImplementedError

    def build_discriminator(self) -> keras.Model:
        """D: images [b, h, w, c] -> logits [b, 1]."""
        raise NotImplementedError

    def draw(self, n: int, seed: tf.Tensor) -> dict[str, tf.Tensor]:
        """The latents of a step."""
        return self.latents.draw(n, seed)

    def real(self, x: tf.Tensor, labels: tf.Tensor | None):
        """What D is shown of the images x [b, h, w, c] in [-1, 1]."""
        return x

    def fake(self, latents: dict[str, tf.Tensor]):
        """What D is shown of the generator."""
        return self.generator(self.latents.join(latents), training=True)

    def critic(self, shown) -> Scores:
        """D's scores [b] by name, of what `real` or `fake` returned."""
        return {"d": tf.squeeze(self.discriminator(shown, training=True), -1)}

    @property
    def generator_sees_real(self) -> bool:
        """Whether `generator_terms` needs D's scores of real images."""
        return self.loss_pair.generator_sees_real

    def discriminator_terms(self, real: Scores, fake: Scores) -> Terms:
        """What D minimises: name -> [b]."""
        return self.loss_pair.discriminator(real["d"], fake["d"])

    def generator_terms(self, real: Scores | None, fake: Scores) -> Terms:
        """What G minimises: name -> [b]; `real` is None unless `generator_sees_real`."""
        return self.loss_pair.generator(real and real["d"], fake["d"])

    def penalties(self) -> dict[str, Penalty]:
        """Regularisers of D by name."""
        return {}

    def after_discriminator_update(self, real: Scores, fake: Scores) -> None:
        """Runs after each update of D, with the scores that it was made from."""

    def after_generator_update(self) -> None:
        """Runs after each update of G."""

    def players(self) -> dict[str, Player]:
        return {
            "discriminator": Player(
                (self.discriminator,), self.hp.d_learning_rate, side="discriminator"
            ),
            "generator": Player((self.generator,), self.hp.g_learning_rate, side="generator"),
        }

    def make_optimizer(self, player: Player) -> keras.optimizers.Optimizer:
        return keras.optimizers.Adam(player.learning_rate, self.hp.beta_1, self.hp.beta_2)

    # The step.

    def update(self, data) -> dict[str, tf.Tensor]:
        *earlier, last = self._critic_batches(data)
        self._power_iteration("generator")
        for k, batch in enumerate(earlier):
            self._update_discriminator(*self._shown(batch, k), k)

        with tf.GradientTape() as tape:
            real, fake = self._shown(last, len(earlier))
            with tape.stop_recording():
                scalars = self._update_discriminator(real, fake, len(earlier))
            d_real = self.critic(real) if self.generator_sees_real else None
            terms = self.generator_terms(d_real, self.critic(fake))
            loss, losses = total(terms, "g_loss")
        scalars |= losses | self.minimise(loss, tape, "generator")
        self.after_generator_update()
        self._update_average()
        return scalars

    def _power_iteration(self, side: str) -> None:
        """Moves the singular vectors of a side's spectrally normalised kernels."""
        for player in self.players().values():
            if player.side == side:
                for network in player.networks:
                    for layer in spectral_layers(network):
                        layer.power_iteration()

    def _critic_batches(self, data) -> list[tuple[tf.Tensor, tf.Tensor | None]]:
        """The batch as n_critic pairs of images in [-1, 1] and labels or None."""
        images, labels, _ = keras.utils.unpack_x_y_sample_weight(data)
        n, rank = self.hp.n_critic, images.shape.rank
        if n == 1 and rank == 4:
            return [(to_unit_range(images), labels)]
        if rank != 5 or images.shape[0] != n:
            shape = "[b, h, w, c]" if n == 1 else f"[{n}, b, h, w, c]"
            raise ValueError(f"n_critic={n} needs batches {shape}, not {images.shape}")
        return [(to_unit_range(images[k]), None if labels is None else labels[k]) for k in range(n)]

    def _shown(self, batch, k: int):
        """What D is shown in its k-th update of a step: (real, fake)."""
        x, labels = batch
        seed = stateless_seed(self.seed, self.step, f"latents {k}")
        return self.real(x, labels), self.fake(self.draw(tf.shape(x)[0], seed))

    def _update_discriminator(self, real, fake, k: int) -> dict[str, tf.Tensor]:
        """One update of D; returns its scalars."""
        real, fake = tf.nest.map_structure(tf.stop_gradient, (real, fake))
        self._power_iteration("discriminator")
        with tf.GradientTape() as tape:
            d_real, d_fake = self.critic(real), self.critic(fake)
            terms = self.discriminator_terms(d_real, d_fake)
            terms |= self._penalty_terms(real, fake, k)
            loss, scalars = total(terms, "d_loss")
        scalars |= self.minimise(loss, tape, "discriminator")
        self.after_discriminator_update(d_real, d_fake)
        return scalars | self._accuracies(d_real, d_fake)

    def _penalty_terms(self, real, fake, k: int) -> Terms:
        """The weighted penalties of this step; zero between the intervals of a lazy one."""
        terms = {}
        for name, penalty in self.penalties().items():
            seed = stateless_seed(self.seed, self.step, f"{name} {k}")

            def term(penalty=penalty, seed=seed):
                return penalty.weight * penalty.interval * penalty.function(real, fake, seed)

            if penalty.interval == 1:
                terms[name] = term()
            else:
                batch = tf.shape(tf.nest.flatten(real)[0])[0]
                due = tf.equal(self.step % penalty.interval, 0)
                terms[name] = tf.cond(due, term, lambda batch=batch: tf.zeros([batch]))
        return terms

    def _accuracies(self, real: Scores, fake: Scores) -> dict[str, tf.Tensor]:
        """The shares of real and of fake images that D holds for what they are."""
        boundary = self.loss_pair.boundary
        if boundary is None or "d" not in real:
            return {}
        return {
            "d_accuracy_real": tf.reduce_mean(tf.cast(real["d"] > boundary, tf.float32)),
            "d_accuracy_fake": tf.reduce_mean(tf.cast(fake["d"] < boundary, tf.float32)),
        }

    def _update_average(self) -> None:
        """Moves generator_ema towards G, batch norm statistics too; faster at the start.

        The decay of step t is min(ema_decay, (1 + t) / (10 + t)), so that the first weights are
        soon forgotten.
        """
        t = tf.cast(self.step, tf.float32)
        rate = 1.0 - tf.minimum(self.hp.ema_decay, (1.0 + t) / (10.0 + t))
        for mean, weight in zip(self.generator_ema.weights, self.generator.weights, strict=True):
            mean.assign_add(rate * (weight - mean))

    def generator_network(self) -> keras.Model:
        return self.generator_ema


def total(terms: Terms, name: str) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
    """The sum of the terms' means, and the scalars to log: it, and each term if there are more."""
    means = {term: tf.reduce_mean(tf.cast(value, tf.float32)) for term, value in terms.items()}
    loss = tf.add_n(list(means.values()))
    parts = {f"{name}_{term}": mean for term, mean in means.items()} if len(means) > 1 else {}
    return loss, {name: loss, **parts}
