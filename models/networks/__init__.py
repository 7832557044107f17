"""Backbones: functions from an image shape to a generator or to a discriminator's trunk.

Each module has

    generator(image_shape, latent_dim, *, norm, num_classes, initializer, activation, ...)
    trunk(image_shape, *, norm, initializer, ...)

that return a keras.Model. A generator maps joined latents [b, d] to images [b, h, w, c], float32:
in [-1, 1] by the activation "tanh", its default, or of any value by "linear", as a discriminator's
decoder may give. A trunk maps images to features [b, f], on which a model puts its heads. What
`norm` may be, and what it does, is said by layers.Kit.
"""

from errors import UserError


def stages(image_shape: tuple[int, int, int]) -> tuple[int, int]:
    """(side of the smallest feature map, halvings) of a square image: 28 -> (7, 2), 64 -> (4, 4).

    Raises:
        UserError: unless the side is 4 or 7 times a power of two from 4 to 64.
    """
    height, width, _ = image_shape
    for base in (4, 7):
        halvings = (height // base).bit_length() - 1
        if height == width == base * 2**halvings and 2 <= halvings <= 6:
            return base, halvings
    raise UserError(
        f"images of {height}x{width} do not fit these networks: use a side of 28, 32, 64 or 128 "
        "pixels (4 or 7 times a power of two from 4 to 64)",
        "image_size",
    )
