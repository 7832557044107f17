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
    initializer: str,
) -> keras.Model:
    """`depth` hidden layers with leaky ReLU, then one tanh unit a pixel and channel."""
    z = keras.Input((latent_dim,), name="latents")
    h = hidden(z, width=width, depth=depth, initializer=initializer)
    h = keras.layers.Dense(
        math.prod(image_shape), kernel_initializer=layers.initializer(initializer)
    )(h)
    h = keras.layers.Reshape(image_shape)(h)
    return keras.Model(z, layers.tanh_image(h), name="generator")


def trunk(
    image_shape: tuple[int, int, int], *, width: int, depth: int, initializer: str
) -> keras.Model:
    """`depth` hidden layers with leaky ReLU on the pixels side by side."""
    x = keras.Input(image_shape, name="images")
    h = hidden(keras.layers.Flatten()(x), width=width, depth=depth, initializer=initializer)
    return keras.Model(x, h, name="trunk")


def hidden(h, *, width: int, depth: int, initializer: str):
    """A stack of dense layers with leaky ReLU on the features h [b, f]."""
    for _ in range(depth):
        h = keras.layers.Dense(width, kernel_initializer=layers.initializer(initializer))(h)
        h = keras.layers.LeakyReLU(negative_slope=0.2)(h)
    return h
