"""Differentiable augmentation of what a discriminator is shown: Zhao et al. 2020, "Differentiable
Augmentation for Data-Efficient GAN Training"."""

from collections.abc import Callable

import tensorflow as tf

from models.randomness import length

BRIGHTNESS = 0.5  # the most that is added, of images in [-1, 1]
SATURATION = (0.0, 2.0)  # of a pixel's colours about their mean
CONTRAST = (0.5, 1.5)  # of an image about its mean
TRANSLATION = 1 / 8  # of each side
CUTOUT = 1 / 2  # of each side

Uniform = Callable[[str, list], tf.Tensor]


def augment(x: tf.Tensor, uniform: Uniform, purpose: str, p: float | tf.Tensor = 1.0) -> tf.Tensor:
    """Images under `colour`, `translation` and `cutout`, each with the probability p.

    Args:
        x: float images [b, h, w, c] in [-1, 1], 0 wherever something is taken away.
        uniform: (purpose, shape) -> a float32 tensor in [0, 1).
        purpose: begins those of the draws.
        p: of each image and of each of the three on its own; 0 leaves the images as they are.

    Returns:
        float32 images like x, a differentiable function of it.
    """
    x = tf.cast(x, tf.float32)
    n = length(x)
    for change, draws in ((colour, 3), (translation, 2), (cutout, 2)):
        u = uniform(f"{purpose} {change.__name__}", [n, draws + 1])
        chosen = (u[:, -1] < p)[:, None, None, None]
        x = tf.where(chosen, change(x, u[:, :-1]), x)
    return x


def colour(x: tf.Tensor, u: tf.Tensor) -> tf.Tensor:
    """Brightness, then saturation, then contrast, by u [b, 3]."""
    brightness, saturation, contrast = (one[:, None, None, None] for one in tf.unstack(u, axis=1))
    x += BRIGHTNESS * (2.0 * brightness - 1.0)
    gray = tf.reduce_mean(x, axis=3, keepdims=True)
    x = gray + between(saturation, SATURATION) * (x - gray)
    mean = tf.reduce_mean(x, axis=[1, 2, 3], keepdims=True)
    return mean + between(contrast, CONTRAST) * (x - mean)


def between(u: tf.Tensor, limits: tuple[float, float]) -> tf.Tensor:
    """From [0, 1) to [low, high)."""
    low, high = limits
    return low + (high - low) * u


def translation(x: tf.Tensor, u: tf.Tensor) -> tf.Tensor:
    """By whole pixels, as far as an eighth of each side, each as likely; by u [b, 2]."""
    for axis, side in ((1, x.shape[1]), (2, x.shape[2])):
        most = int(side * TRANSLATION + 0.5)
        shift = tf.cast(tf.floor(u[:, axis - 1] * (2 * most + 1)), tf.int32) - most
        # Row i of the matrix has a 1 where the pixel i comes from, if that is within the image.
        source = tf.range(side) - shift[:, None]
        along = "bij,bjwc->biwc" if axis == 1 else "bij,bhjc->bhic"
        x = tf.einsum(along, tf.one_hot(source, side), x)
    return x


def cutout(x: tf.Tensor, u: tf.Tensor) -> tf.Tensor:
    """A rectangle of half of each side is 0; its middle is any pixel, or just beyond the image; by
    u [b, 2]."""
    inside = []
    for axis, side in ((1, x.shape[1]), (2, x.shape[2])):
        length = int(side * CUTOUT + 0.5)
        middle = tf.floor(u[:, axis - 1] * (side + (1 - length % 2)))
        offset = tf.range(side, dtype=tf.float32) - middle[:, None] + length // 2
        inside.append((offset >= 0) & (offset < length))
    rows, columns = inside
    return tf.where((rows[:, :, None] & columns[:, None, :])[..., None], 0.0, x)
