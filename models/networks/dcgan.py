"""Strided convolutions after Radford et al. 2016, sized from the image."""

import keras

from models import layers
from models.initializers import INITIALIZERS
from models.networks import stages


def channels(width: int, halving: int) -> int:
    """Channels after so many halvings of the image: width, 2 width, 4 width ... at most 8 width."""
    return width * min(2 ** (halving - 1), 8)


def generator(
    image_shape: tuple[int, int, int],
    latent_dim: int,
    *,
    width: int,
    kernel_size: int,
    dense_units: int,
    norm: str,
    num_classes: int = 0,
    initializer: str,
    activation: str = "tanh",
) -> keras.Model:
    """Dense to the smallest map, then transposed convolutions with ReLU, and the `activation`.

    The smallest map is normalised before it is laid out, each unit on its own, as in the paper's
    code and in InfoGAN's: normalised by channels, a pattern that all latents share takes the place
    of what tells them apart, and G collapses under a discriminator without batch norm.

    For `norm` and `num_classes` see layers.latent_inputs.
    """
    base, halvings = stages(image_shape)
    z, h, kit = layers.latent_inputs(latent_dim, num_classes, norm, initializer)
    if dense_units:
        h = keras.layers.ReLU()(kit.dense(h, dense_units, normalised=True))
    h = kit.dense(h, base * base * channels(width, halvings), normalised=True)
    h = keras.layers.ReLU()(h)
    h = keras.layers.Reshape((base, base, -1))(h)
    for halving in range(halvings, 0, -1):
        last = halving == 1
        h = keras.layers.Conv2DTranspose(
            image_shape[-1] if last else channels(width, halving - 1),
            kernel_size,
            strides=2,
            padding="same",
            use_bias=last or not kit.batch,
            kernel_initializer=INITIALIZERS[initializer].make(),
        )(h)
        if not last:
            h = keras.layers.ReLU()(kit.norm(h))
    return keras.Model(z, layers.image(h, activation), name="generator")


def trunk(
    image_shape: tuple[int, int, int],
    *,
    width: int,
    kernel_size: int,
    dense_units: int,
    norm: str,
    initializer: str,
) -> keras.Model:
    """Strided convolutions with leaky ReLU, flattened; `norm` as in layers.Kit, after every layer
    but the first where it is one of activations, as in the paper."""
    _, halvings = stages(image_shape)
    kit = layers.Kit(norm, initializer)
    x = h = keras.Input(image_shape, name="images")
    for halving in range(1, halvings + 1):
        filters = channels(width, halving)
        h = kit.conv(h, filters, kernel_size, strides=2, normalised=halving > 1)
        h = keras.layers.LeakyReLU(negative_slope=0.2)(h)
    h = keras.layers.Flatten()(h)
    if dense_units:
        h = kit.dense(h, dense_units, normalised=True)
        h = keras.layers.LeakyReLU(negative_slope=0.2)(h)
    return keras.Model(x, h, name="trunk")
