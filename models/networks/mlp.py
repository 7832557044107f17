"""Fully connected layers, as in the first GAN of Goodfellow et al. 2014."""

import math

import keras

from models import layers


def generator(
    image_shape: tuple[int, int, int],
    latent_dim: int,
    *,
    width: int,
    depth: int,
    norm: str,
    num_classes: int = 0,
    initializer: str,
    activation: str = "tanh",
) -> keras.Model:
    """`depth` hidden layers with leaky ReLU, then one unit a pixel and channel; `activation`.

    For `norm` and `num_classes` see layers.latent_inputs.
    """
    z, h, kit = layers.latent_inputs(latent_dim, num_classes, norm, initializer)
    for _ in range(depth):
        h = kit.dense(h, width, normalised=True)
        h = keras.layers.LeakyReLU(negative_slope=0.2)(h)
    h = kit.dense(h, math.prod(image_shape))
    h = keras.layers.Reshape(image_shape)(h)
    return keras.Model(z, layers.image(h, activation), name="generator")


def trunk(
    image_shape: tuple[int, int, int], *, width: int, depth: int, norm: str, initializer: str
) -> keras.Model:
    """`depth` hidden layers with leaky ReLU on the pixels side by side; `norm` as in layers.Kit,
    after every layer but the first where it is one of activations."""
    kit = layers.Kit(norm, initializer)
    x = keras.Input(image_shape, name="images")
    h = keras.layers.Flatten()(x)
    for layer in range(depth):
        h = kit.dense(h, width, normalised=layer > 0)
        h = keras.layers.LeakyReLU(negative_slope=0.2)(h)
    return keras.Model(x, h, name="trunk")
