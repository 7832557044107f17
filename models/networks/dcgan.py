"""DCGAN's convolutional networks, with a depth that follows from the image size.

Radford et al. 2016, "Unsupervised Representation Learning with Deep Convolutional Generative
Adversarial Networks".
"""

import keras

from models import layers
from models.initializers import INITIALIZERS
from models.networks import stages


def channels(width: int, halving: int) -> int:
    """Return the channels after `halving` >= 1 halvings: width, 2 width, 4 width, then 8 width."""
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
    """Build G: a dense layer to the smallest map, then transposed convolutions with ReLU.

    The norm of the smallest map is applied before the reshape, to each unit separately, as in the
    code of the DCGAN and InfoGAN papers. With one statistic per channel instead, a spatial pattern
    common to all latents dominates the variance, and G collapses against a discriminator without
    batch norm.

    Args:
        image_shape: (h, w, c); see `stages` for the supported sides.
        latent_dim: dimensions of the joined latents, label included.
        width: channels of the layer nearest the image, see `channels`.
        kernel_size: side of the kernels.
        dense_units: units of a dense layer before the smallest map; 0 for none.
        norm: "none" or "batch", applied after every layer but the last.
        num_classes: length of the one-hot label that conditions the batch norms; 0 for none.
        initializer: a name in INITIALIZERS.
        activation: "tanh" or "linear", of the output.

    Returns:
        Model: latents [b, latent_dim] -> images [b, h, w, c], float32.

    Raises:
        UserError: if the image size is not supported.
        ValueError: see layers.latent_inputs.
    """
    base, halvings = stages(image_shape)
    z, h, factory = layers.latent_inputs(latent_dim, num_classes, norm, initializer)
    if dense_units:
        h = keras.layers.ReLU()(factory.dense(h, dense_units, normalised=True))
    h = factory.dense(h, base * base * channels(width, halvings), normalised=True)
    h = keras.layers.ReLU()(h)
    h = keras.layers.Reshape((base, base, -1))(h)
    for halving in range(halvings, 0, -1):
        last = halving == 1
        h = keras.layers.Conv2DTranspose(
            image_shape[-1] if last else channels(width, halving - 1),
            kernel_size,
            strides=2,
            padding="same",
            use_bias=last or not factory.batch_norm,
            kernel_initializer=INITIALIZERS[initializer].make(),
        )(h)
        if not last:
            h = keras.layers.ReLU()(factory.norm(h))
    return keras.Model(z, layers.image_output(h, activation), name="generator")


def trunk(
    image_shape: tuple[int, int, int],
    *,
    width: int,
    kernel_size: int,
    dense_units: int,
    norm: str,
    initializer: str,
) -> keras.Model:
    """Build a trunk of strided convolutions with leaky ReLU, flattened.

    Args:
        image_shape: (h, w, c); see `stages` for the supported sides.
        width: channels of the layer nearest the image, see `channels`.
        kernel_size: side of the kernels.
        dense_units: units of a dense layer after the convolutions; 0 for none.
        norm: see layers.LayerFactory. A norm of activations follows every layer but the first, as
            in the paper.
        initializer: a name in INITIALIZERS.

    Returns:
        Model: images [b, h, w, c] -> features [b, f].

    Raises:
        UserError: if the image size is not supported.
    """
    _, halvings = stages(image_shape)
    factory = layers.LayerFactory(norm, initializer)
    x = h = keras.Input(image_shape, name="images")
    for halving in range(1, halvings + 1):
        filters = channels(width, halving)
        h = factory.conv(h, filters, kernel_size, strides=2, normalised=halving > 1)
        h = keras.layers.LeakyReLU(negative_slope=0.2)(h)
    h = keras.layers.Flatten()(h)
    if dense_units:
        h = factory.dense(h, dense_units, normalised=True)
        h = keras.layers.LeakyReLU(negative_slope=0.2)(h)
    return keras.Model(x, h, name="trunk")
