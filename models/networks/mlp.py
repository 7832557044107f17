"""Fully connected networks, as in the first GAN: Goodfellow et al. 2014."""

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
    """Build G: `depth` hidden layers with leaky ReLU, then one unit per pixel and channel.

    Args:
        image_shape: (h, w, c), of any size.
        latent_dim: dimensions of the joined latents, label included.
        width: units of a hidden layer.
        depth: number of hidden layers.
        norm: "none" or "batch", applied after every hidden layer.
        num_classes: length of the one-hot label that conditions the batch norms; 0 for none.
        initializer: a name in INITIALIZERS.
        activation: "tanh" or "linear", of the output.

    Returns:
        Model: latents [b, latent_dim] -> images [b, h, w, c], float32.

    Raises:
        ValueError: see layers.latent_inputs.
    """
    z, h, factory = layers.latent_inputs(latent_dim, num_classes, norm, initializer)
    for _ in range(depth):
        h = factory.dense(h, width, normalised=True)
        h = keras.layers.LeakyReLU(negative_slope=0.2)(h)
    h = factory.dense(h, math.prod(image_shape))
    h = keras.layers.Reshape(image_shape)(h)
    return keras.Model(z, layers.image_output(h, activation), name="generator")


def trunk(
    image_shape: tuple[int, int, int], *, width: int, depth: int, norm: str, initializer: str
) -> keras.Model:
    """Build a trunk of `depth` hidden layers with leaky ReLU on the flattened image.

    Args:
        image_shape: (h, w, c), of any size.
        width: units of a hidden layer.
        depth: number of hidden layers.
        norm: see layers.LayerFactory. A norm of activations follows every layer but the first.
        initializer: a name in INITIALIZERS.

    Returns:
        Model: images [b, h, w, c] -> features [b, width].
    """
    factory = layers.LayerFactory(norm, initializer)
    x = keras.Input(image_shape, name="images")
    h = keras.layers.Flatten()(x)
    for layer in range(depth):
        h = factory.dense(h, width, normalised=layer > 0)
        h = keras.layers.LeakyReLU(negative_slope=0.2)(h)
    return keras.Model(x, h, name="trunk")
