"""Strided convolutions after Radford et al. 2016, sized from the image."""

import keras

from models import layers
from models.networks import ImageShapeError


def stages(image_shape: tuple[int, int, int]) -> tuple[int, int]:
    """(side of the smallest feature map, halvings) of a square image: 28 -> (7, 2), 64 -> (4, 4).

    Raises:
        ImageShapeError: unless the side is 4 or 7 times a power of two from 4 to 64.
    """
    height, width, _ = image_shape
    for base in (4, 7):
        halvings = (height // base).bit_length() - 1
        if height == width == base * 2**halvings and 2 <= halvings <= 6:
            return base, halvings
    raise ImageShapeError(
        f"images of {height}x{width} do not fit these networks: use a side of 28, 32, 64 or 128 "
        "pixels (4 or 7 times a power of two), as by --image_size"
    )


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
    initializer: str,
) -> keras.Model:
    """Dense to the smallest map, then transposed convolutions with batch norm and ReLU; tanh."""
    base, halvings = stages(image_shape)
    z = keras.Input((latent_dim,), name="latents")
    h = z
    if dense_units:
        h = keras.layers.Dense(
            dense_units, use_bias=False, kernel_initializer=layers.initializer(initializer)
        )(h)
        h = keras.layers.ReLU()(keras.layers.BatchNormalization(momentum=0.9)(h))
    h = keras.layers.Dense(
        base * base * channels(width, halvings),
        use_bias=False,
        kernel_initializer=layers.initializer(initializer),
    )(h)
    h = keras.layers.Reshape((base, base, -1))(h)
    for halving in range(halvings, 0, -1):
        h = keras.layers.ReLU()(keras.layers.BatchNormalization(momentum=0.9)(h))
        last = halving == 1
        h = keras.layers.Conv2DTranspose(
            image_shape[-1] if last else channels(width, halving - 1),
            kernel_size,
            strides=2,
            padding="same",
            use_bias=last,
            kernel_initializer=layers.initializer(initializer),
        )(h)
    return keras.Model(z, layers.tanh_image(h), name="generator")


def trunk(
    image_shape: tuple[int, int, int],
    *,
    width: int,
    kernel_size: int,
    dense_units: int,
    norm: str,
    initializer: str,
) -> keras.Model:
    """Strided convolutions with leaky ReLU, flattened.

    Args:
        norm: "batch" normalises every layer but the first, as in the paper; "spectral" every
            kernel; "both" does both; "none" neither.
    """
    batch_norm, spectral = norm in ("batch", "both"), norm in ("spectral", "both")
    Conv2D = layers.SpectralConv2D if spectral else keras.layers.Conv2D
    Dense = layers.SpectralDense if spectral else keras.layers.Dense
    _, halvings = stages(image_shape)
    x = h = keras.Input(image_shape, name="images")
    for halving in range(1, halvings + 1):
        normalised = batch_norm and halving > 1
        h = Conv2D(
            channels(width, halving),
            kernel_size,
            strides=2,
            padding="same",
            use_bias=not normalised,
            kernel_initializer=layers.initializer(initializer),
        )(h)
        if normalised:
            h = keras.layers.BatchNormalization(momentum=0.9)(h)
        h = keras.layers.LeakyReLU(negative_slope=0.2)(h)
    h = keras.layers.Flatten()(h)
    if dense_units:
        h = Dense(
            dense_units, use_bias=not batch_norm, kernel_initializer=layers.initializer(initializer)
        )(h)
        if batch_norm:
            h = keras.layers.BatchNormalization(momentum=0.9)(h)
        h = keras.layers.LeakyReLU(negative_slope=0.2)(h)
    return keras.Model(x, h, name="trunk")
