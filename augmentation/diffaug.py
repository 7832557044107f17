"""DiffAugment: Zhao et al. 2020, "Differentiable Augmentation for Data-Efficient GAN Training"."""

import tensorflow as tf

from augmentation import operations, streams

BRIGHTNESS = 0.5  # of images in [-1, 1]
SATURATION = (0.0, 2.0)
CONTRAST = (0.5, 1.5)
TRANSLATION = 1 / 8  # of each side
CUTOUT = 1 / 2  # of each side


def augment(
    x: tf.Tensor, uniform: streams.Uniform, stream: str, p: float | tf.Tensor = 1.0
) -> tf.Tensor:
    """Apply `colour`, `translation` and `cutout` in this order, each with probability p.

    Args:
        x: float images [b, h, w, c] in [-1, 1]; removed pixels become 0.
        uniform: (name of a random stream, shape) -> a float32 tensor in [0, 1).
        stream: prefix of the names of the operations' random streams.
        p: probability per image and operation, independent; 0 leaves the images unchanged.

    Returns:
        float32 images like x, a differentiable function of x.
    """
    x = tf.cast(x, tf.float32)
    # A static batch size, if known, gives XLA static shapes inside conditions too.
    n = tf.shape(x)[0] if x.shape[0] is None else x.shape[0]
    for name, (operation, draws) in OPERATIONS.items():
        u = uniform(streams.of_operation(stream, name), [n, draws + 1])
        chosen = operations.per_image(u[:, -1] < p)
        x = tf.where(chosen, operation(x, u[:, :-1]), x)
    return x


def colour(x: tf.Tensor, u: tf.Tensor) -> tf.Tensor:
    """Change brightness, then saturation, then contrast; u is [b, 3]."""
    brightness, saturation, contrast = tf.unstack(u, axis=1)
    x = operations.brightness(x, brightness, BRIGHTNESS)
    x = operations.saturation(x, saturation, SATURATION)
    return operations.contrast(x, contrast, CONTRAST)


def translation(x: tf.Tensor, u: tf.Tensor) -> tf.Tensor:
    """Shift each image by up to an eighth of each side; u is [b, 2]."""
    return operations.translation(x, u, TRANSLATION)


def cutout(x: tf.Tensor, u: tf.Tensor) -> tf.Tensor:
    """Set a rectangle of half of each side to 0; u is [b, 2]."""
    return operations.cutout(x, u, CUTOUT)


# Name of an operation in its random stream -> the operation, and its number of draws per image.
OPERATIONS = {
    streams.COLOUR: (colour, 3),
    streams.TRANSLATION: (translation, 2),
    streams.CUTOUT: (cutout, 2),
}
