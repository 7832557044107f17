"""Residual networks of WGAN-GP and SN-GAN, with a depth that follows from the image size.

Gulrajani et al. 2017, appendix F; Miyato et al. 2018, table 4. Self-attention is that of SAGAN
(Zhang et al. 2019).
"""

import keras

from errors import UserError
from models import layers
from models.networks import stages


def map_sides(image_shape: tuple[int, int, int], attention: int = 0) -> list[int]:
    """Return the sides of a trunk's feature maps down to 8 or 7; a generator has them as well.

    Examples: a side of 64 gives [32, 16, 8], a side of 28 gives [14, 7].

    Args:
        image_shape: (h, w, c); see `stages` for the supported sides.
        attention: side of the feature map with self-attention; 0 for none.

    Raises:
        UserError: if the image size is not supported, or if no feature map has the side
            `attention`.
    """
    _, halvings = stages(image_shape)
    sides = [image_shape[0] >> k for k in range(1, halvings + 1)]
    sides = [side for side in sides if side >= 7]
    if attention not in (0, *sides):
        raise UserError(
            f"expected 0 (no attention) or the side of a feature map, "
            f"{' or '.join(map(str, sides))} for images of {image_shape[0]}x{image_shape[1]}, "
            f"got {attention}",
            "attention",
        )
    return sides


def generator(
    image_shape: tuple[int, int, int],
    latent_dim: int,
    *,
    width: int,
    attention: int,
    norm: str,
    num_classes: int = 0,
    initializer: str,
    activation: str = "tanh",
) -> keras.Model:
    """Build G: dense layer to the smallest map, upsampling blocks, norm, ReLU, 3x3 convolution.

    Args:
        image_shape: (h, w, c); see `stages` for the supported sides.
        latent_dim: dimensions of the joined latents, label included.
        width: channels of every block.
        attention: side of the feature map followed by self-attention; 0 for none.
        norm: "none" or "batch".
        num_classes: length of the one-hot label that conditions the batch norms; 0 for none.
        initializer: a name in INITIALIZERS.
        activation: "tanh" or "linear", of the output.

    Returns:
        Model: latents [b, latent_dim] -> images [b, h, w, c], float32.

    Raises:
        UserError: see `map_sides`.
        ValueError: see layers.latent_inputs.
    """
    base, halvings = stages(image_shape)
    map_sides(image_shape, attention)
    z, h, factory = layers.latent_inputs(latent_dim, num_classes, norm, initializer)
    h = factory.dense(h, base * base * width)
    h = keras.layers.Reshape((base, base, width))(h)
    for doubling in range(halvings + 1):
        if doubling > 0:
            h = block(h, factory, width, up=True)
        if attention == base << doubling:
            h = layers.self_attention(h, factory)
    h = keras.layers.ReLU()(factory.norm(h))
    h = factory.conv(h, image_shape[-1], 3)
    return keras.Model(z, layers.image_output(h, activation), name="generator")


def trunk(
    image_shape: tuple[int, int, int],
    *,
    width: int,
    attention: int,
    norm: str,
    initializer: str,
) -> keras.Model:
    """Build a trunk: downsampling blocks to 8x8 or 7x7, two more blocks, ReLU, global sum pooling.

    The pooling is SN-GAN's sum instead of WGAN-GP's mean. Spectrally normalised kernels cannot
    compensate for the small scale of a mean, which would keep the scores near 0. Without spectral
    norm the two differ only by a constant factor.

    Args:
        image_shape: (h, w, c); see `stages` for the supported sides.
        width: channels of every block.
        attention: side of the feature map followed by self-attention; 0 for none.
        norm: see layers.LayerFactory. The first block has no norm of activations, as in WGAN-GP.
        initializer: a name in INITIALIZERS.

    Returns:
        Model: images [b, h, w, c] -> features [b, width], float32.

    Raises:
        UserError: see `map_sides`.
    """
    factory = layers.LayerFactory(norm, initializer)
    x = h = keras.Input(image_shape, name="images")
    for side in map_sides(image_shape, attention):
        h = block(h, factory, width, down=True, first=h is x)
        if attention == side:
            h = layers.self_attention(h, factory)
    for _ in range(2):
        h = block(h, factory, width)
    h = keras.layers.ReLU(dtype="float32")(h)
    h = keras.layers.GlobalAveragePooling2D(dtype="float32")(h)
    h = keras.layers.Rescaling(float(side * side), dtype="float32")(h)
    return keras.Model(x, h, name="trunk")


def block(h, factory: layers.LayerFactory, width: int, *, up=False, down=False, first=False):
    """Apply a residual block: twice norm, ReLU and 3x3 convolution, added to a shortcut.

    The shortcut is the identity, or with `up` or `down` a 1x1 convolution. That convolution is
    applied at the smaller of the two resolutions: the result is the same at a quarter of the cost.

    Args:
        h: feature maps [b, side, side, c]; c = width unless `up` or `down`.
        factory: builds the layers.
        width: channels of the output.
        up: whether the map is upsampled by 2, before the first 3x3 convolution.
        down: whether the map is downsampled by 2, after the last 3x3 convolution.
        first: whether this is the first block of a trunk, which has no norms and no ReLU before
            its first convolution.

    Returns:
        [b, side, side, width], with twice the side for `up` and half the side for `down`.
    """
    shortcut = h
    use_bias = not (up and factory.batch_norm)  # the generator's last norm cancels it
    if not first:
        h = keras.layers.ReLU()(factory.norm(h))
    if up:
        h = keras.layers.UpSampling2D(2)(h)
        shortcut = keras.layers.UpSampling2D(2)(factory.conv(shortcut, width, 1, use_bias=use_bias))
    h = factory.conv(h, width, 3, normalised=not first)
    h = factory.conv(keras.layers.ReLU()(h), width, 3, use_bias=use_bias)
    if down:
        h = keras.layers.AveragePooling2D(2)(h)
        shortcut = factory.conv(keras.layers.AveragePooling2D(2)(shortcut), width, 1)
    return keras.layers.Add()([shortcut, h])
