"""Backbones: functions that build generators and discriminator trunks for an image shape.

The modules mlp, dcgan and resnet define

    generator(image_shape, latent_dim, *, norm, num_classes, initializer, activation, ...)
    trunk(image_shape, *, norm, initializer, ...)

Both return a keras.Model:

    generator: joined latents [b, latent_dim] -> images [b, h, w, c], float32. The activation is
        "tanh" by default, for pixels in [-1, 1], or "linear", for unbounded values such as logits.
        With num_classes > 0 the latents end in a one-hot label, see layers.latent_inputs.
    trunk: images [b, h, w, c] -> features [b, f]. A model adds its heads to these.

`norm` and `initializer` are described in layers.LayerFactory, the other options in backbones.py.
"""

from errors import UserError, either

# Side of an image -> (side of the smallest feature map, number of halvings).
SIDES = {base * 2**halvings: (base, halvings) for base in (4, 7) for halvings in range(2, 7)}


def stages(image_shape: tuple[int, int, int]) -> tuple[int, int]:
    """Return (side of the smallest feature map, number of halvings) for a square image.

    Examples: a side of 28 gives (7, 2), a side of 64 gives (4, 4).

    Args:
        image_shape: (h, w, c).

    Raises:
        UserError: unless h = w is 4 or 7 times a power of two from 4 to 64.
    """
    height, width, _ = image_shape
    if height == width and height in SIDES:
        return SIDES[height]
    sides = either([str(side) for side in sorted(SIDES)])
    raise UserError(
        f"expected a square image with a side of {sides} pixels, got {height}x{width}", "image_size"
    )
