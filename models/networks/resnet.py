"""Residual networks of WGAN-GP (Gulrajani et al. 2017, appendix F) and SN-GAN (Miyato et al. 2018,
table 4), sized from the image; self-attention after SAGAN (Zhang et al. 2019)."""

import keras

from errors import UserError
from models import layers
from models.networks import stages


def map_sides(image_shape: tuple[int, int, int], attention: int = 0) -> list[int]:
    """The sides of a trunk's feature maps, which a generator has as well, down to 8 or 7:
    64 -> [32, 16, 8], 28 -> [14, 7].

    Raises:
        UserError: the image does not fit, or `attention` is neither one of them nor 0.
    """
    _, halvings = stages(image_shape)
    sides = [image_shape[0] >> k for k in range(1, halvings + 1)]
    sides = [side for side in sides if side >= 7]
    if attention not in (0, *sides):
        raise UserError(
            f"images of {image_shape[0]}x{image_shape[1]} have feature maps with a side of "
            f"{' or '.join(map(str, sides))}, got {attention}; 0 is no attention",
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
    """Dense to the smallest map, residual blocks that double it, norm, ReLU, conv; `activation`.

    Args:
        attention: side of the feature map that self-attention follows; 0: none.
        norm, num_classes: see layers.latent_inputs.
    """
    base, halvings = stages(image_shape)
    map_sides(image_shape, attention)
    z, h, kit = layers.latent_inputs(latent_dim, num_classes, norm, initializer)
    h = kit.dense(h, base * base * width)
    h = keras.layers.Reshape((base, base, width))(h)
    for doubling in range(halvings + 1):
        if doubling > 0:
            h = block(h, kit, width, up=True)
        if attention == base << doubling:
            h = layers.self_attention(h, kit)
    h = keras.layers.ReLU()(kit.norm(h))
    h = kit.conv(h, image_shape[-1], 3)
    return keras.Model(z, layers.image(h, activation), name="generator")


def trunk(
    image_shape: tuple[int, int, int],
    *,
    width: int,
    attention: int,
    norm: str,
    initializer: str,
) -> keras.Model:
    """A residual block for each halving to 8x8 or 7x7, two without, ReLU, and the sum over places.

    SN-GAN's sum, not WGAN-GP's mean: spectrally normalised kernels cannot make up for a mean,
    which would hold the scores near 0; without a norm the two differ by a constant.

    Args:
        attention: side of the feature map that self-attention follows; 0: none.
        norm: see layers.Kit; the first block has none of activations, as in WGAN-GP.

    Returns:
        images [b, h, w, c] -> features [b, width], float32.
    """
    kit = layers.Kit(norm, initializer)
    x = h = keras.Input(image_shape, name="images")
    for side in map_sides(image_shape, attention):
        h = block(h, kit, width, down=True, first=h is x)
        if attention == side:
            h = layers.self_attention(h, kit)
    for _ in range(2):
        h = block(h, kit, width)
    h = keras.layers.ReLU(dtype="float32")(h)
    h = keras.layers.GlobalAveragePooling2D(dtype="float32")(h)
    h = keras.layers.Rescaling(float(side * side), dtype="float32")(h)
    return keras.Model(x, h, name="trunk")


def block(h, kit: layers.Kit, width: int, *, up=False, down=False, first=False):
    """norm, ReLU, conv 3x3, norm, ReLU, conv 3x3, beside a shortcut; on maps h [b, side, side, c].

    With `up` the first convolution sees the map doubled, with `down` the last one's is halved; the
    shortcut then has a 1x1 convolution, on the small map, where it costs a quarter and gives the
    same. The `first` block of a trunk has no norms, and no ReLU on the image.
    """
    shortcut = h
    use_bias = not (up and kit.batch)  # a generator's last norm would remove it
    if not first:
        h = keras.layers.ReLU()(kit.norm(h))
    if up:
        h = keras.layers.UpSampling2D(2)(h)
        shortcut = keras.layers.UpSampling2D(2)(kit.conv(shortcut, width, 1, use_bias=use_bias))
    h = kit.conv(h, width, 3, normalised=not first)
    h = kit.conv(keras.layers.ReLU()(h), width, 3, use_bias=use_bias)
    if down:
        h = keras.layers.AveragePooling2D(2)(h)
        shortcut = kit.conv(keras.layers.AveragePooling2D(2)(shortcut), width, 1)
    return keras.layers.Add()([shortcut, h])
