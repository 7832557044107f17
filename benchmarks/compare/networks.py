"""Networks of a case in Keras: in the product's model, and as plain layers for others."""

import dataclasses
from collections.abc import Sequence

import keras
import tensorflow as tf

from benchmarks.compare import cases
from benchmarks.compare.cases import Case, Layer
from benchmarks.compare.multiplications import Linear
from models import REGISTRY
from models.layers import BatchNorm, plain
from models.loading import dtype_policy
from models.networks import stylegan

KerasBatchNorm = keras.layers.BatchNormalization


def prepared(name: str, batch_size: int, precision: str) -> Case:
    """Return a case by name; set the seed of Keras and the precision of its networks."""
    keras.utils.set_random_seed(0)
    policy = dtype_policy("off" if precision == "float32" else precision)
    keras.config.set_dtype_policy(policy)
    return cases.sized(name, batch_size)


def sequence(found: Sequence[Layer], input_shape: Sequence[int], norm: type) -> keras.Sequential:
    """Build a network of plain layers; `norm` is the class of its batch norms."""
    network = [one_layer(layer, norm) for layer in found]
    return keras.Sequential([keras.Input(input_shape), *network])


def one_layer(layer: Layer, norm: type) -> keras.layers.Layer:
    """Build a layer."""
    match layer:
        case cases.Dense(units, bias):
            # Scores are float32 in any precision.
            return keras.layers.Dense(units, use_bias=bias, dtype="float32" if units == 1 else None)
        case cases.Conv(channels, stride, kernel_size, bias, up):
            made = keras.layers.Conv2DTranspose if up else keras.layers.Conv2D
            return made(channels, kernel_size, strides=stride, padding="same", use_bias=bias)
        case cases.BatchNorm():
            return norm()
        case cases.LeakyReLU():
            return keras.layers.LeakyReLU(negative_slope=cases.LEAK)
        case cases.Tanh():
            return keras.layers.Activation("tanh", dtype="float32")
        case cases.Flatten():
            return keras.layers.Flatten()
        case cases.Reshape(height, width, channels):
            return keras.layers.Reshape((height, width, channels))


def model_class(case: Case) -> type:
    """Return the product's class, with the networks of the case in its hooks."""
    made, own = REGISTRY[case.model].load(), case.layers
    if own is None:
        return made

    class WithLayers(made):
        def build_generator(self):
            return sequence(own.generator(self.image_shape), [self.latents.dim], BatchNorm)

        def build_trunk(self, channels=0):
            return sequence(own.trunk(), self.image_shape, BatchNorm)

    return WithLayers


def model_of(case: Case, made: type | None = None) -> keras.Model:
    """Return the product's model of a case, not compiled, or one of a derived class `made`."""
    made = made or model_class(case)
    return made(case.image_shape, **dataclasses.asdict(case.hp))


def plain_networks(case: Case) -> tuple[keras.Model, keras.Model]:
    """Return G and D for another implementation, with the batch norm of Keras."""
    if case.layers is None:
        model = model_of(case)
        return tuple(
            plain(network) if has_batch_norm(network) else network
            for network in (model.generator, model.discriminator)
        )
    generator = case.layers.generator(case.image_shape)
    return (
        sequence(generator, [case.hp.noise_dim], KerasBatchNorm),
        sequence(case.layers.discriminator(), case.image_shape, KerasBatchNorm),
    )


def has_batch_norm(network: keras.Model) -> bool:
    """Return whether a network has a batch norm of the product."""
    return any(isinstance(layer, BatchNorm) for layer in network._flatten_layers())


def generate(generator: keras.Model, z: tf.Tensor) -> tf.Tensor:
    """Return the images of G in training, with new noise per pixel if G is style-based."""
    if "synthesis" not in [layer.name for layer in generator.layers]:
        return generator(z, training=True)
    g = stylegan.parts_of(generator)
    noise = [tf.random.normal([z.shape[0], *shape]) for shape in g.synthesis.noise_shapes()]
    return g.synthesis(g.styles(g.mapping(z)), noise)


def linear_layers(network: keras.Model) -> list[Linear] | None:
    """Return the linear layers of a network; None if it has one that cannot be counted."""
    found = []
    for layer in network._flatten_layers():
        if isinstance(layer, keras.layers.Dense):
            positions = layer.output.shape[1:-1]
        elif isinstance(layer, keras.layers.Conv2DTranspose):
            positions = layer.input.shape[1:3]
        elif isinstance(layer, keras.layers.Conv2D):
            positions = layer.output.shape[1:3]
        elif not isinstance(layer, keras.Model) and has_matrix(layer):
            return None
        else:
            continue
        found.append(Linear.of(layer.kernel.shape, positions, first=is_first(layer)))
    return found


def has_matrix(layer: keras.layers.Layer) -> bool:
    """Return whether a layer has a weight of two or more axes, unlike a norm."""
    return any(len(weight.shape) > 1 for weight in layer.trainable_weights)


def is_first(layer: keras.layers.Layer) -> bool:
    """Return whether no layer with weights precedes a layer in its network."""
    tensors = keras.tree.flatten(layer.input)
    while tensors:
        before = tensors.pop()._keras_history.operation
        if getattr(before, "trainable_weights", None):
            return False
        if not isinstance(before, keras.layers.InputLayer):
            tensors += keras.tree.flatten(before.input)
    return True
