"""What every model of the zoo can do, and all that evaluation and drawing may ask of it."""

import dataclasses
from collections.abc import Iterator

import keras
import numpy as np
import tensorflow as tf

import fields
from models import state_keys
from models.declarations.base import Hyperparameters
from models.latents import Latents

ACTIVE = 0.01  # nats: a latent dimension whose KL divergence is above, on average, is active


class NotSupported(Exception):
    """The model lacks this ability; a report prints n/a for what needs it."""


@dataclasses.dataclass(frozen=True)
class Player:
    """Networks that one optimizer moves.

    Attributes:
        networks: what it owns, by object.
        learning_rate: the step size of its default optimizer.
        side: whose loss it minimises: "discriminator" or "generator" in an adversarial model.
    """

    networks: tuple[keras.Layer, ...]
    learning_rate: float
    side: str

    @property
    def variables(self) -> list[keras.Variable]:
        return [v for network in self.networks for v in network.trainable_variables]


class GenerativeModel(keras.Model):
    """A model of images in [-1, 1] that can be sampled.

    Subclasses name their `Hyperparameters`, make their networks and `latents` in `build_networks`,
    list the former in `networks`, say in `players` and `make_optimizer` who moves what, and write
    `update`, the train step, and `validate`, if there is a loss of test images.

    Args:
        image_shape: (height, width, channels).
        num_classes: how many classes the labels have; 0 without labels.
        seed: of every draw in training, from 0 to 2^31 - 1; the first weights come from Keras'
            own seed (keras.utils.set_random_seed).
        **hyperparameters: fields of `Hyperparameters` that differ from their defaults.

    Attributes:
        hp: the resolved hyperparameters.
        step: int64 variable, how many train steps were done.
    """

    Hyperparameters = Hyperparameters
    latents: Latents
    can_validate = False  # whether it has `validate`
    unconnected = tf.UnconnectedGradients.NONE  # of weights that a loss does not reach
    likelihood = ""  # p(x|z) of `log_weights`: "Bernoulli", of binary images, or a density
    steps_per_epoch = 0  # what schedules in epochs count by; set before such a training

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        *,
        num_classes: int = 0,
        seed: int = 0,
        name: str | None = None,
        **hyperparameters,
    ):
        super().__init__(name=name)
        self.image_shape = tuple(image_shape)
        self.num_classes = num_classes
        self.seed = seed
        self.hp = self.Hyperparameters.resolve(**hyperparameters)
        self.step = self.add_weight(
            name=state_keys.STEP, shape=(), dtype="int64", initializer="zeros", trainable=False
        )
        self._means = self._test_means = None
        self._testing = False
        self.optimizers = {}
        self.build_networks()
        self.built = True

    def get_config(self) -> dict:
        return {
            "image_shape": self.image_shape,
            "num_classes": self.num_classes,
            "seed": self.seed,
            "name": self.name,
            **dataclasses.asdict(self.hp),
        }

    def backbone(self):
        """Return the module of the backbone that `network` selects."""
        return fields.selected(self.hp, "network").load()

    def layout(self) -> dict:
        """Return the options of the backbone, name -> value."""
        return fields.options_of(self.hp, "network")

    # What a subclass says.

    def build_networks(self) -> None:
        """Makes the networks and the prior `latents`."""
        raise NotImplementedError

    def networks(self) -> dict[str, keras.Layer]:
        """Return all networks, key of the state -> network."""
        raise NotImplementedError

    def players(self) -> dict[str, Player]:
        """Who moves what, by name; no network belongs to two players."""
        raise NotImplementedError

    def make_optimizer(self, player: Player) -> keras.optimizers.Optimizer:
        """The optimizer of a player where `compile` is given none."""
        raise NotImplementedError

    def update(self, data) -> dict[str, tf.Tensor]:
        """One update of the players on a batch; returns the scalars to log by name."""
        raise NotImplementedError

    def validate(self, data) -> dict[str, tf.Tensor]:
        """The scalars of a batch that is not learnt from, by name; a function of the batch."""
        raise NotImplementedError

    def generator_network(self) -> keras.Model:
        """The network, joined latents [b, d] -> images [b, h, w, c], that samples come from."""
        raise NotImplementedError

    # What a model can be asked. Images are uint8, or float in [-1, 1].

    def generate_batches(
        self, latents: dict[str, tf.Tensor], batch_size: int = 250
    ) -> Iterator[np.ndarray]:
        """Images of given latents, one batch after the other: float32 [b, h, w, c] in [-1, 1].

        Args:
            latents: name -> [n, d], as `self.latents.draw` gives them.
            batch_size: how many are made at a time.
        """
        joined = self.latents.join(latents)
        network = self.generator_network()
        for start in range(0, len(joined), batch_size):
            yield np.asarray(network(joined[start : start + batch_size], training=False))

    def generate(self, latents: dict[str, tf.Tensor], batch_size: int = 250) -> np.ndarray:
        """All images of `generate_batches` in one array."""
        return np.concatenate(list(self.generate_batches(latents, batch_size)))

    def draw_latents(self, n: int, seed: int = 0, label=None) -> dict[str, tf.Tensor]:
        """n draws of the prior, name -> [n, d]; of one class, or of n, if labels are given.

        Raises:
            NotSupported: the model is not told classes, or has none of that label.
        """
        latents = self.latents.draw(n, seed)
        if label is None:
            return latents
        if "label" not in latents:
            raise NotSupported(f"{type(self).__name__} is not told the class")
        labels = np.broadcast_to(label, [n])
        if labels.min() < 0 or labels.max() >= self.num_classes:
            raise NotSupported(f"the classes are 0 to {self.num_classes - 1}, not {label}")
        return latents | {"label": tf.one_hot(labels, self.num_classes)}

    def picture_latents(self) -> tuple[dict[str, tf.Tensor], int]:
        """What a training's sample grid is made of, name -> [n, d], and its number of columns."""
        return self.latents.draw(64, 0), 8

    def sample(self, n: int, seed: int = 0, label=None) -> np.ndarray:
        """n images of the prior: float32 [n, h, w, c] in [-1, 1]; a function of the seed.

        Raises:
            NotSupported: as `draw_latents`.
        """
        return self.generate(self.draw_latents(n, seed, label))

    def sample_batches(self, n: int, seed: int = 0) -> Iterator[np.ndarray]:
        """The images of `sample`, one batch after the other: in memory is a batch of them only."""
        return self.generate_batches(self.latents.draw(n, seed))

    def encode(self, x):
        """The code of each image: [n, d]."""
        raise NotSupported(f"{type(self).__name__} does not encode images")

    def reconstruct(self, x):
        """Each image as the model makes it from its code: [n, h, w, c] in [-1, 1]."""
        raise NotSupported(f"{type(self).__name__} does not reconstruct images")

    def code_logits(self, x):
        """Logits of the categorical code of each image: [n, k]."""
        raise NotSupported(f"{type(self).__name__} has no categorical code")

    def posterior_kl(self, x):
        """KL(q(z|x) || p(z)) of each image and latent dimension, in nats: [n, d]."""
        raise NotSupported(f"{type(self).__name__} has no posterior of codes")

    def log_weights(self, x, samples: int, seed: int = 0):
        """log p(x, z) - log q(z|x) of so many draws z of q, in nats: [samples, n]. The mean over
        draws is an evidence lower bound, the log of their exponentials' mean a tighter one."""
        raise NotSupported(f"{type(self).__name__} has no likelihood")

    def active_dimensions(self) -> list[int]:
        """The dimensions of the code, those first that say most of an image."""
        raise NotSupported(f"{type(self).__name__} has no order of its latent dimensions")

    def styles(self, latents):
        """The style w of each layer, of latents name -> [n, d]: [n, layers, w_dim]."""
        raise NotSupported(f"{type(self).__name__} has no styles")

    def mean_style(self):
        """The running mean of w, which truncation is towards: [layers, w_dim]."""
        raise NotSupported(f"{type(self).__name__} has no styles")

    def images_of_styles(
        self, w, noise_seed: int | None = None, noise: bool = True, batch_size: int = 250
    ) -> np.ndarray:
        """Images of styles w [n, layers, w_dim]: float32 [n, h, w, c] in [-1, 1].

        Args:
            w: of each layer.
            noise_seed: of draws of the noise, of each image its own; None: the fixed one that
                samples have.
            noise: whether there is any.
            batch_size: how many are made at a time.
        """
        raise NotSupported(f"{type(self).__name__} has no styles")

    # Training.

    def compile(self, optimizers=None, *, jit_compile: bool | str = "auto", **kwargs):
        """Makes the optimizers.

        Args:
            optimizers: name of the player -> Keras optimizer, for those that shall differ from
                what the hyperparameters say.
            jit_compile: XLA; "auto" uses it where there is an accelerator.
            **kwargs: run_eagerly and steps_per_execution of keras.Model.compile.

        Raises:
            ValueError: for a player that the model does not have.
        """
        super().compile(optimizer=None, jit_compile=jit_compile, **kwargs)
        given, players = dict(optimizers or {}), self.players()
        if unknown := set(given) - set(players):
            raise ValueError(f"no player {', '.join(unknown)}; there are {', '.join(players)}")
        for name, player in players.items():
            optimizer = given.get(name) or self.make_optimizer(player)
            if self.compute_dtype == "float16":
                optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
            optimizer.build(player.variables)
            self.optimizers[name] = optimizer

    def minimise(self, loss: tf.Tensor, tape: tf.GradientTape, side: str) -> dict[str, tf.Tensor]:
        """Moves every player of a side down the gradient of its loss; returns the norms.

        With float16 each optimizer has a loss scale of its own: gradients are taken at the first
        one's, and brought to the others'.
        """
        players = {name: p for name, p in self.players().items() if p.side == side}
        optimizers = [self.optimizers[name] for name in players]
        scales = [optimizer.scale_loss(tf.ones(())) for optimizer in optimizers]
        gradients = tape.gradient(
            loss,
            [[v.value for v in p.variables] for p in players.values()],
            output_gradients=scales[0],
            unconnected_gradients=self.unconnected,
        )
        norms = {}
        for name, optimizer, scale, own in zip(players, optimizers, scales, gradients, strict=True):
            norms[f"{name}_gradient_norm"] = tf.linalg.global_norm(own) / scales[0]
            if scale is not scales[0]:
                own = [g * (scale / scales[0]) for g in own]
            optimizer.apply(own)
        return norms

    @property
    def metrics(self) -> list[keras.Metric]:
        """The means of the scalars that `train_step` returns, over the epoch; within `evaluate`
        those of `test_step`."""
        means = self._test_means if self._testing else self._means
        return [means] if means is not None else []

    def train_step(self, data) -> dict[str, tf.Tensor]:
        """One step of `update`; counts it, and adds its scalars to the epoch's means.

        All waits for the data: at the end of a data set TensorFlow finds that there are none left
        only after it has run whatever does not depend on them.
        """
        with tf.control_dependencies([x for x in tf.nest.flatten(data) if x is not None]):
            scalars = self.update(data)
            self.step.assign_add(1)
            if self._means is None:
                with tf.init_scope():
                    self._means = ScalarMeans(list(scalars))
            self._means.update_state(scalars)
        return scalars

    def test_step(self, data) -> dict[str, tf.Tensor]:
        """The means over all images so far of what `validate` says of them."""
        with tf.control_dependencies([x for x in tf.nest.flatten(data) if x is not None]):
            scalars = self.validate(data)
            if self._test_means is None:
                with tf.init_scope():
                    self._test_means = ScalarMeans(list(scalars))
            self._test_means.update_state(scalars, tf.shape(tf.nest.flatten(data)[0])[0])
            return self._test_means.result()

    def evaluate(self, *args, **kwargs):
        """keras.Model.evaluate, within a training too, whose means it leaves alone; and before
        `compile`.

        Raises:
            NotSupported: there is nothing to `validate` by.
        """
        if not self.can_validate:
            raise NotSupported(f"{type(self).__name__} has no loss of images not learnt from")
        if not self.compiled:
            self.compile()
        self._testing = True
        try:
            return super().evaluate(*args, **kwargs)
        finally:
            self._testing = False

    def state(self) -> dict[str, list[tf.Variable] | dict[str, tf.Variable]]:
        """Return all variables that training changes, by the keys of models/state_keys.py.

        Of each network these are the weights, batch norm statistics and seeds of random layers; of
        each optimizer, once compiled, all variables; and the model's own variables by name.

        Raises:
            ValueError: if two own variables have one name, as those of an undeclared network do.
        """
        parts = {name: network.variables for name, network in self.networks().items()}
        means = [means for means in (self._means, self._test_means) if means is not None]
        parts_and_means = [*parts.values(), *(metric.variables for metric in means)]
        elsewhere = {id(v) for variables in parts_and_means for v in variables}
        own = [v for v in self.variables if id(v) not in elsewhere]
        names = [v.name for v in own]
        if doubled := {name for name in names if names.count(name) > 1}:
            raise ValueError(
                f"several variables of {type(self).__name__} are named {', '.join(doubled)}: name "
                "each otherwise, and return all networks in networks()"
            )
        parts |= {state_keys.optimizer(k): part.variables for k, part in self.optimizers.items()}
        state = {name: [v.value for v in variables] for name, variables in parts.items()}
        own = sorted(own, key=lambda v: state_keys.own_order(v.name))
        return {**state, state_keys.OWN: {v.name: v.value for v in own}}


class ScalarMeans(keras.Metric):
    """Means of named scalars since the last reset, in one variable: one small update a step."""

    def __init__(self, names: list[str]):
        super().__init__(name="means", dtype="float32")
        self.names = names
        self.totals = self.add_variable((len(names) + 1,), "zeros", name="totals")

    def update_state(self, scalars: dict[str, tf.Tensor], weight: tf.Tensor | int = 1) -> None:
        values = [tf.cast(scalars[name], tf.float32) for name in self.names]
        self.totals.assign_add(tf.cast(weight, tf.float32) * tf.stack([*values, 1.0]))

    def result(self) -> dict[str, tf.Tensor]:
        *totals, count = tf.unstack(tf.convert_to_tensor(self.totals))
        return {
            name: tf.math.divide_no_nan(total, count)
            for name, total in zip(self.names, totals, strict=True)
        }


def averaging_rate(step: tf.Tensor, decay: float) -> tf.Tensor:
    """What share of the way a moving average goes at a step, faster at the start, so that the first
    values are soon forgotten: 1 - min(decay, (1 + t) / (10 + t))."""
    t = tf.cast(step, tf.float32)
    return 1.0 - tf.minimum(decay, (1.0 + t) / (10.0 + t))


def to_unit_range(images) -> tf.Tensor:
    """uint8 images as float32 in [-1, 1]; float images, taken to be there already, as float32.

    Raises:
        ValueError: for images of another type.
    """
    images = tf.convert_to_tensor(images)
    if images.dtype == tf.uint8:
        return tf.cast(images, tf.float32) / 127.5 - 1.0
    if not images.dtype.is_floating:
        raise ValueError(f"images must be uint8, or floats in [-1, 1], not {images.dtype.name}")
    return tf.cast(images, tf.float32)
