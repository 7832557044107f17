"""Base class of the models: sampling, the train step, and the state."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping

import keras
import numpy as np
import tensorflow as tf

import fields
import replicas
from data.catalogue import in_colour
from errors import UserError
from models import documentation, state_keys
from models.abilities import CATEGORIES, CLASS_CONDITIONAL, LABEL, Ability
from models.batching import BATCH
from models.construction import default_dtype_policy
from models.declarations.base import Hyperparameters
from models.distributed import Distributed
from models.fitting import Fitting
from models.inputs import TYPES
from models.latents import Latents
from models.means import RunningMean, ScalarMeans
from models.players import Player, WithPlayers
from models.scheduled import Scheduled

ACTIVE = 0.01  # nats: mean KL divergence above which a latent dimension is active


class GenerativeModel(Fitting, WithPlayers, Scheduled, Distributed, keras.Model):
    """Model of images in [-1, 1] from which samples can be drawn.

    A subclass sets `Hyperparameters`, builds its networks and `latents` in `build_networks`, lists
    the networks in `networks` and, with their optimizers, in `players` and `make_optimizer`, and
    implements `update`, the train step. If it has a validation loss, it implements `validate`.

    Args:
        image_shape: (height, width, channels).
        num_classes: number of classes of the labels; 0 without labels.
        seed: seed of every draw in training, from 0 to 2^31 - 1; initial weights depend on the
            seed of Keras (keras.utils.set_random_seed).
        dtype: dtype policy of the networks, such as "mixed_bfloat16"; None: that of Keras.
        **hyperparameters: fields of `Hyperparameters` that differ from their defaults.

    Attributes:
        hp: the resolved hyperparameters.
        step: int64 variable, number of completed train steps.
        images: int64 variable, number of real images in these steps.
    """

    Hyperparameters = Hyperparameters
    latents: Latents

    def __init_subclass__(cls, **kwargs):
        """Show the hyperparameters in the class's signature and docstring."""
        super().__init_subclass__(**kwargs)
        cls.__signature__ = documentation.signature_of(cls)
        if cls.__dict__.get("__doc__"):
            cls.__doc__ = documentation.docstring_of(cls)

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        *,
        num_classes: int = 0,
        seed: int = 0,
        name: str | None = None,
        dtype: str | keras.DTypePolicy | None = None,
        **hyperparameters,
    ):
        super().__init__(name=name, dtype=dtype, autocast=False)
        if np.shape(image_shape) != (3,):
            raise UserError(f"expected (height, width, channels), got {image_shape}", "image_shape")
        self.image_shape = tuple(image_shape)
        self.num_classes = num_classes
        self.seed = seed
        colour = in_colour(self.image_shape)
        self.hp = self.Hyperparameters.resolve(colour=colour, **hyperparameters)
        self.step = self.add_weight(
            name=state_keys.STEP, shape=(), dtype="int64", initializer="zeros", trainable=False
        )
        self.images = self.add_weight(
            name=state_keys.IMAGES, shape=(), dtype="int64", initializer="zeros", trainable=False
        )
        self._means, self._test_means = ScalarMeans(), ScalarMeans()
        self._testing = False
        self.optimizers = {}
        with default_dtype_policy(self.dtype_policy):
            self.build_networks()
        self.built = True

    def get_config(self) -> dict:
        return {
            "image_shape": self.image_shape,
            "num_classes": self.num_classes,
            "seed": self.seed,
            "name": self.name,
            "dtype": self.dtype_policy.name,
            **dataclasses.asdict(self.hp),
        }

    @classmethod
    def from_config(cls, config):
        return cls(**cls.Hyperparameters.defaults_of_old_configs() | config)

    def backbone(self):
        """Return the module of the backbone that `network` selects."""
        return fields.selected(self.hp, "network").load()

    def layout(self) -> dict:
        """Return the options of the backbone, name -> value."""
        return fields.options_of(self.hp, "network")

    # To be implemented by subclasses.

    def build_networks(self) -> None:
        """Build the networks and the prior `latents`."""
        raise NotImplementedError

    def networks(self) -> dict[str, keras.Layer]:
        """Return all networks, key of the state -> network."""
        raise NotImplementedError

    def inference_networks(self) -> dict[str, keras.Layer]:
        """Return the subset of `networks` that sampling, encoding and other abilities use.

        A package of trained weights contains them.
        """
        return self.networks()

    def ema_pairs(self) -> list[tuple[keras.Model, keras.Model]]:
        """Return the networks with the EMA of weights, each with the network that is trained."""
        return []

    def players(self) -> dict[str, Player]:
        """Return the players by name; each network belongs to one of them only."""
        raise NotImplementedError

    def make_optimizer(self, player: Player) -> keras.optimizers.Optimizer:
        """Return the default optimizer of a player."""
        raise NotImplementedError

    def update(self, data) -> dict[str, tf.Tensor]:
        """Update the players on a batch; return the scalars to log by name."""
        raise NotImplementedError

    def generator_network(self) -> keras.Model:
        """Return the network that makes samples: joined latents [b, d] -> images [b, h, w, c]."""
        raise NotImplementedError

    def input_of_call(self) -> keras.InputSpec:
        """Return the shape and type of the inputs of `call`."""
        raise NotImplementedError

    # Keras' interface; `call` and `input_of_call` belong to the two kinds of models.

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        return (input_shape[0], *self.image_shape)

    def compute_output_spec(self, inputs, training=False) -> keras.KerasTensor:
        expected = self.input_of_call().shape
        if tuple(inputs.shape[1:]) != tuple(expected[1:]):
            raise ValueError(f"expected inputs {expected}, got {tuple(inputs.shape)}")
        return keras.KerasTensor(self.compute_output_shape(inputs.shape), "float32")

    def export(self, filepath, *args, input_signature=None, **kwargs) -> None:
        """Export `call` as keras.Model.export."""
        signature = input_signature or [self.input_of_call()]
        super().export(filepath, *args, input_signature=signature, **kwargs)

    # Abilities of every model; models/abilities.py declares the optional ones.

    def lacks(self, ability: Ability) -> str | None:
        """Return the reason why the model lacks an ability in one line, or None if it has it."""
        has_methods = all(hasattr(self, method) for method in ability.methods)
        if has_methods and (not ability.latent or ability.latent in self.latents.parts):
            return None
        return f"{type(self).__name__} {ability.reason}"

    def require(self, ability: Ability, option: str = "") -> None:
        """Raise UserError, under `option` if it is given, if the model lacks an ability."""
        if reason := self.lacks(ability):
            raise UserError(reason, option)

    def protocol(self) -> dict:
        """Return the protocol entries of the model."""
        kimg = self.hp.ema_kimg
        return {"ema_kimg": kimg} if kimg else {"ema_decay": self.hp.ema_decay}

    def generate_batches(
        self, latents: dict[str, tf.Tensor], batch_size: int = BATCH
    ) -> Iterator[np.ndarray]:
        """Yield the images of given latents in batches, float32 [b, h, w, c] in [-1, 1].

        Args:
            latents: name -> [n, d], as `self.latents.draw` returns them.
            batch_size: number of images in a batch.
        """
        joined = self.latents.join(latents)
        network = self.generator_network()
        for start in range(0, len(joined), batch_size):
            yield np.asarray(network(joined[start : start + batch_size], training=False))

    def generate(self, latents: dict[str, tf.Tensor], batch_size: int = BATCH) -> np.ndarray:
        """Return all images of `generate_batches` in one array."""
        return np.concatenate(list(self.generate_batches(latents, batch_size)))

    def draw_latents(
        self, n: int, seed: int = 0, label=None, category: int | None = None
    ) -> dict[str, tf.Tensor]:
        """Return n draws from the prior, name -> [n, d].

        Args:
            n: number of draws.
            seed: the same seed gives the same draws.
            label: class of all draws, or n classes; None: from the prior.
            category: category of all draws in the (first) categorical code; None: from the prior.

        Raises:
            UserError: a label is given and the model is not class-conditional or lacks the class;
                a category is given and the model has no categorical code or lacks the category.
        """
        latents = self.latents.draw(n, seed)
        if category is not None:
            self.require(CATEGORIES, "category")
            latents |= self.latents.in_category(n, category)
        if label is None:
            return latents
        self.require(CLASS_CONDITIONAL, "label")
        labels = np.broadcast_to(label, [n])
        if labels.min() < 0 or labels.max() >= self.num_classes:
            raise UserError(
                f"expected a class from 0 to {self.num_classes - 1}, got {label}", "label"
            )
        return latents | {LABEL: tf.one_hot(labels, self.num_classes)}

    def picture_latents(self) -> tuple[dict[str, tf.Tensor], int]:
        """Return the latents of the sample grid, name -> [n, d], and its number of columns."""
        return self.latents.draw(64, 0), 8

    def sample(self, n: int, seed: int = 0, label=None, category: int | None = None) -> np.ndarray:
        """Return n samples, float32 [n, h, w, c] in [-1, 1]; a function of the arguments.

        Raises:
            UserError: as `draw_latents`.
        """
        return self.generate(self.draw_latents(n, seed, label, category))

    def sample_batches(self, n: int, seed: int = 0) -> Iterator[np.ndarray]:
        """Yield the images of `sample` in batches; only one batch is in memory at a time."""
        return self.generate_batches(self.latents.draw(n, seed))

    # Training.

    @property
    def metrics(self) -> list[keras.Metric]:
        """Means over the epoch of the scalars that `train_step` returns, and a subclass's own."""
        others = (self._means, self._test_means, self._loss_tracker)
        own = [metric for metric in super().metrics if metric not in others]
        return [self._means, *own] if self._means.names and not self._testing else own

    def train_step(self, data) -> dict[str, tf.Tensor]:
        """Run `update`, count the step, and add the scalars to the means of the epoch.

        All operations wait for the data. Otherwise TensorFlow would run those that do not use it,
        such as the step counter, once more at the end of the data set.
        """
        with tf.control_dependencies([x for x in tf.nest.flatten(data) if x is not None]):
            scheduled = self.scheduled_scalars()
            scalars = replicas.mean(self.update(data) | scheduled)
            self.step.assign_add(1)
            self.images.assign_add(tf.cast(number_of_images(data), tf.int64))
            self._means.update_state(scalars, overflowing=self._overflowing(scalars))
        return scalars

    def running_means(self) -> dict[str, RunningMean]:
        """Return the means of the scalars of `train_step` since they were reset, by name."""
        return self._means.read()

    def restore_means(self, means: Mapping[str, RunningMean]) -> None:
        """Continue with the means that `running_means` returned; {} resets them.

        Keras resets them at the start of each epoch.
        """
        self._means.restore(means)

    def state(self) -> dict[str, list[tf.Variable] | dict[str, tf.Variable]]:
        """Return all variables that training changes, by the keys of models/state_keys.py.

        A network has its weights, batch norm statistics and seeds of random layers; an optimizer,
        once compiled, has all its variables. The model's own variables are listed by name.

        Raises:
            ValueError: two own variables have the same name, as if `networks` lacks a network.
        """
        parts = self._variables_by_part()
        state = {part: [v.value for v in variables] for part, variables in parts.items()}
        own = sorted(parts[state_keys.OWN], key=lambda v: state_keys.own_order(v.name))
        return {**state, state_keys.OWN: {v.name: v.value for v in own}}

    def derived_state(self, step: int) -> dict[str, int]:
        """Return the values, at a step, of own variables that earlier checkpoints lack."""
        images = step * self.hp.batch_size * self.hp.n_critic
        return {f"{state_keys.OWN}/{state_keys.IMAGES}": images}

    def milestones(self) -> list[tuple[int, Callable[[np.ndarray], dict[str, float]]]]:
        """Return the actions that run once and have not run yet, each with its step.

        An action runs after its step. It is a function of all training images, uint8 [n, h, w, c],
        and returns scalars to log.
        """
        return []

    def non_finite(self) -> str | None:
        """Return a name of the first variable of the state with NaN or infinity; None if none."""
        variables = [
            (part, v)
            for part, variables in self._variables_by_part().items()
            for v in variables
            if v.value.dtype.is_floating
        ]
        finite = _are_finite([v.value for _, v in variables]).numpy()
        names = (
            f"{part}/{v.path}" for (part, v), ok in zip(variables, finite, strict=True) if not ok
        )
        return next(names, None)

    def _variables_by_part(self) -> dict[str, list[keras.Variable]]:
        """Return the variables of the state by the keys of models/state_keys.py."""
        parts = {name: network.variables for name, network in self.networks().items()}
        means = [metric.variables for metric in (self._means, self._test_means)]
        parts_and_means = [*parts.values(), *means]
        elsewhere = {id(v) for variables in parts_and_means for v in variables}
        own = [v for v in self.variables if id(v) not in elsewhere]
        names = [v.name for v in own]
        if doubled := {name for name in names if names.count(name) > 1}:
            raise ValueError(
                f"several variables of {type(self).__name__} are named {', '.join(doubled)}; use "
                "unique names, and return all networks in networks()"
            )
        parts |= {state_keys.optimizer(k): part.variables for k, part in self.optimizers.items()}
        return {**parts, state_keys.OWN: own}


def number_of_images(data) -> int | tf.Tensor:
    """Return the number of images in a global batch.

    Args:
        data: images of a replica, [..., h, w, c], alone or with labels.
    """
    images, _, _ = keras.utils.unpack_x_y_sample_weight(data)
    count = images.shape[:-3].num_elements()
    if count is not None:
        return count * replicas.count()
    count = tf.reduce_prod(tf.shape(images)[:-3])
    total = replicas.total(count)
    equal = tf.debugging.assert_equal(
        total, count * replicas.count(), "replicas have different numbers of images"
    )
    with tf.control_dependencies([equal] if equal is not None else []):
        return tf.identity(total)


@tf.function(reduce_retracing=True)
def _are_finite(tensors: list[tf.Tensor]) -> tf.Tensor:
    """Return whether all elements of each tensor are finite, bool [n]."""
    return tf.stack([tf.reduce_all(tf.math.is_finite(x)) for x in tensors])


def to_unit_range(images) -> tf.Tensor:
    """Convert images to float32 in [-1, 1]; float images must already be in this range.

    Raises:
        ValueError: the images are neither uint8 nor float.
    """
    images = tf.convert_to_tensor(images)
    if images.dtype == tf.uint8:
        return tf.cast(images, tf.float32) / 127.5 - 1.0
    if not images.dtype.is_floating:
        raise ValueError(f"{TYPES}, not {images.dtype.name}")
    return tf.cast(images, tf.float32)
