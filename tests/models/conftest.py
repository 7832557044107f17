"""Tiny models of the registry, tiny batches, and settings that are restored after a test."""

import dataclasses
import math

import keras
import numpy as np
import pytest
import tensorflow as tf

import models
from models.adversarial import AdversarialModel

IMAGE_SHAPE = (28, 28, 1)
BATCH = 4

# Hyperparameters of a quick model; a model receives those that it and its network have.
SMALL = {
    "width": 4,
    "depth": 1,
    "dense_units": 6,
    "hidden_dim": 3,
    "joint_units": 6,
    "joint_depth": 1,
    "noise_dim": 5,
    "latent_dim": 5,
    "w_dim": 5,
    "mapping_depth": 1,
    "batch_size": BATCH,
    "n_critic": 1,
}

# Further hyperparameters by model: a network that is built quickly, unless the model is about its
# network. The second layer of D has a norm.
QUICK = {"network": "mlp", "depth": 2, "width": 12}
OTHERWISE = ("gan", "dcgan", "stylegan", "stylegan2")
BESIDES = {name: QUICK for name in models.REGISTRY if name not in OTHERWISE}
# With the defaults all weights are clipped, and a step changes little.
BESIDES["wgan"] = {**QUICK, "clip": 0.9, "g_learning_rate": 1e-3, "d_learning_rate": 1e-3}
# The gradient of a hinge loss at the last biases depends on the initial scores.
BESIDES |= {name: {**QUICK, "loss": "non_saturating"} for name in ("bigbigan", "info_bigbigan")}


@pytest.fixture(autouse=True)
def seeded():
    """Seed Keras, which draws the initial weights."""
    keras.utils.set_random_seed(0)


@pytest.fixture
def policy():
    """Set the global precision during a test."""
    before = keras.config.dtype_policy()
    yield keras.config.set_dtype_policy
    keras.config.set_dtype_policy(before)


@pytest.fixture
def tiny():
    """(name, subclass, **hyperparameters) -> a tiny model of the registry."""

    def build(name, subclass=lambda cls: cls, image_shape=IMAGE_SHAPE, num_classes=10, **changes):
        entry = models.REGISTRY[name]
        besides = BESIDES.get(name, {})
        if "network" in changes:
            besides = {key: value for key, value in besides.items() if key not in QUICK}
        chosen = {**besides, **changes}
        meant = dataclasses.asdict(entry.hyperparameters.resolve(**chosen))
        small = {field: value for field, value in SMALL.items() if meant.get(field) is not None}
        return subclass(entry.load())(
            image_shape, num_classes=num_classes, seed=3, **{**small, **chosen}
        )

    return build


class Linear(AdversarialModel):
    """G and D of one linear layer each, so that a step can be followed by hand."""

    def build_generator(self):
        return keras.Sequential(
            [
                keras.Input((self.latents.dim,)),
                keras.layers.Dense(math.prod(self.image_shape), activation="tanh"),
                keras.layers.Reshape(self.image_shape),
            ]
        )

    def build_discriminator(self):
        return keras.Sequential(
            [keras.Input(self.image_shape), keras.layers.Flatten(), keras.layers.Dense(1)]
        )

    @property
    def kernel(self):
        return self.discriminator.layers[-1].kernel

    def fake_inputs(self, batch):
        """Append the generated images to `fakes`."""
        self.fakes.append(super().fake_inputs(batch))
        return self.fakes[-1]


@pytest.fixture
def linear():
    """(model class, optimizers, **hyperparameters) -> a compiled model of that class for images
    [2, 2, 1], with linear networks unless the class defines others, and always the same initial
    weights; its generated images are in the list `fakes`.
    """

    def build(cls=AdversarialModel, optimizers=None, **hyperparameters):
        keras.utils.set_random_seed(0)
        bases = (Linear,) if cls is AdversarialModel else (cls, Linear)
        model = type(f"Linear{cls.__name__}", bases, {"fakes": []})(
            (2, 2, 1), **{"noise_dim": 3, "network": "mlp", **hyperparameters}
        )
        model.compile(optimizers=optimizers)
        return model

    return build


@pytest.fixture
def pictures():
    """(lead, seed) -> images [*lead, 2, 2, 1] in [-1, 1] for linear models."""

    def draw(*lead, seed=0):
        return np.random.default_rng(seed).uniform(-1, 1, (*lead, 2, 2, 1)).astype(np.float32)

    return draw


@pytest.fixture
def batches():
    """(steps, n_critic, seed) -> uint8 images and labels, [steps, (n_critic,) b, ...]."""

    def draw(steps, n_critic=1, seed=0):
        rng = np.random.default_rng(seed)
        lead = (steps, BATCH) if n_critic == 1 else (steps, n_critic, BATCH)
        images = rng.integers(0, 256, (*lead, *IMAGE_SHAPE), dtype=np.uint8)
        return images, rng.integers(0, 10, lead)

    return draw


@pytest.fixture
def take_step():
    """(model, images, labels) -> the scalars of one train step as floats, without a graph."""

    def step(model, images, labels=None):
        data = tf.constant(images)
        scalars = model.train_step(data if labels is None else (data, tf.constant(labels)))
        return {name: float(value) for name, value in scalars.items()}

    return step


@pytest.fixture
def state_of():
    """Model -> copies of all variables of `state`, in one flat dict."""

    def copy(model):
        return {
            (group, k): np.array(tf.convert_to_tensor(variable))
            for group, part in model.state().items()
            for k, variable in enumerate(tf.nest.flatten(part))
        }

    return copy


@pytest.fixture
def assert_same():
    """Asserts that two states are equal to the bit."""

    def check(one, two):
        assert one.keys() == two.keys()
        for key in one:
            np.testing.assert_array_equal(one[key], two[key], err_msg=str(key))

    return check


class BatchLogs(keras.callbacks.Callback):
    """Collects the logs of each batch of a fit."""

    def __init__(self):
        super().__init__()
        self.steps = []

    def on_train_batch_end(self, batch, logs=None):
        self.steps.append(dict(logs))


@pytest.fixture
def fit():
    """(model, images, labels, **fit's) -> the logs of each step of one epoch over the batches."""

    def run(model, images, labels, **kwargs):
        logs = BatchLogs()
        data = tf.data.Dataset.from_tensor_slices((images, labels))
        model.fit(data, callbacks=[logs], shuffle=False, verbose=0, **kwargs)
        return logs.steps

    return run


@pytest.fixture
def paired():
    """(model class, **hyperparameters) -> a compiled tiny model of pairs of images [4, 4, 1] and
    latents, always with the same first weights.
    """

    def build(cls, **hyperparameters):
        keras.utils.set_random_seed(0)
        small = {"network": "mlp", "width": 6, "depth": 1, "joint_units": 7, "joint_depth": 1}
        model = cls(
            (4, 4, 1), num_classes=10, seed=1, **{**small, "noise_dim": 3, **hyperparameters}
        )
        model.compile()
        return model

    return build


@pytest.fixture
def paired_images():
    """N -> images float32 [n, 4, 4, 1] for the models of `paired`."""

    def draw(n):
        return tf.constant(np.random.default_rng(0).uniform(-1, 1, (n, 4, 4, 1)), tf.float32)

    return draw


@pytest.fixture
def batch_of():
    """(model, images) -> the Batch of its next update."""

    def batch(model, images):
        (one,) = model.batches_of(images)
        return one

    return batch
