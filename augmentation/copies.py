"""Transformed copies of images, for consistency and clustering losses."""

from collections.abc import Callable, Mapping

import tensorflow as tf

from augmentation import operations, streams
from augmentation.operations import affine_maps, resample

Limits = Mapping[str, float]  # option -> value, see augmentation.changes


def copies(
    x: tf.Tensor,
    uniform: streams.Uniform,
    stream: str,
    changes: Mapping[str, float],
    limits: Limits,
) -> tf.Tensor:
    """Return copies of images with random changes.

    Args:
        x: images [b, h, w, c] in [-1, 1].
        uniform: (name of a random stream, shape) -> a float32 tensor in [0, 1).
        stream: prefix of the names of the random streams.
        changes: name in augmentation.changes.CHANGES -> its strength, a factor of its limits and
            probabilities from 0 (no change) to 1. They are applied in the order of declaration.
        limits: their options.

    Returns:
        Images like x, a differentiable function of x.
    """
    for name, (change, draws) in FUNCTIONS.items():
        if strength := changes.get(name, 0.0):
            u = uniform(streams.of_operation(stream, name), [tf.shape(x)[0], draws])
            x = change(x, u, limits, strength)
    return x


def affine_copies(
    x: tf.Tensor, uniform: streams.Uniform, limits: Limits, upright: bool = False
) -> tf.Tensor:
    """Return the copies of the consistency loss, with affine changes from streams of their own.

    Args:
        x: images [b, h, w, c].
        uniform: (name of a random stream, shape) -> a float32 tensor in [0, 1).
        limits: options of the change "affine".
        upright: omit shear and rotation.

    Returns:
        Images like x.
    """
    stream = streams.UPRIGHT_COPIES if upright else streams.AFFINE_COPIES
    if upright:
        limits = {**limits, "copy_rotation": 0.0, "copy_shear": 0.0}
    return affine(x, uniform(stream, [tf.shape(x)[0], 6]), limits)


def affine(x: tf.Tensor, u: tf.Tensor, limits: Limits, strength: float = 1.0) -> tf.Tensor:
    """Shear, rotate, stretch, resize and shift each image at random; u is [b, 6].

    Each parameter is uniform within plus or minus its limit; changes are about the image centre.
    """
    names = ("copy_rotation", "copy_shear", "copy_size", "copy_stretch", "copy_shift")
    rotation, shear, size, stretch, shift = (strength * limits[name] for name in names)
    u = tf.unstack(2.0 * u - 1.0, axis=1)
    angle, shear = rotation * u[0], shear * u[1]
    sin, cos = tf.sin(angle), tf.cos(angle)
    high, wide = tf.exp(size * u[2] - stretch * u[3]), tf.exp(size * u[2] + stretch * u[3])
    down, right = 2.0 * shift * u[4], 2.0 * shift * u[5]
    rows = [
        [cos * high, sin * wide, down],
        [(shear * cos - sin) * high, (shear * sin + cos) * wide, right],
    ]
    return resample(x, affine_maps(rows))


def crop(x: tf.Tensor, u: tf.Tensor, limits: Limits, strength: float) -> tf.Tensor:
    """Crop each image to a random square and resize it; u is [b, 3]."""
    return operations.crop(x, u, 1.0 - strength * (1.0 - limits["copy_crop"]))


def flip(x: tf.Tensor, u: tf.Tensor, limits: Limits, strength: float) -> tf.Tensor:
    """Mirror each image with probability 1/2 at any strength; u is [b, 1]."""
    return operations.flip(x, u[:, 0], 0.5)


def light(x: tf.Tensor, u: tf.Tensor, limits: Limits, strength: float) -> tf.Tensor:
    """Change the brightness, then the contrast, by random factors; u is [b, 2]."""
    x = operations.exposure(x, u[:, 0], around_one(strength * limits["copy_brightness"]))
    return operations.contrast(x, u[:, 1], around_one(strength * limits["copy_contrast"]))


def colour(x: tf.Tensor, u: tf.Tensor, limits: Limits, strength: float) -> tf.Tensor:
    """Change the saturation, then the hue, then remove the colour of some images; u is [b, 3]."""
    x = operations.saturation(x, u[:, 0], around_one(strength * limits["copy_saturation"]))
    x = operations.hue(x, u[:, 1], strength * limits["copy_hue"])
    return operations.gray(x, u[:, 2], strength * limits["copy_gray"])


def around_one(limit: float) -> tuple[float, float]:
    """Return the range of a factor that differs from 1 by at most a limit."""
    return 1.0 - limit, 1.0 + limit


# Name of a change -> the function, and its number of draws per image.
FUNCTIONS: dict[str, tuple[Callable, int]] = {
    "affine": (affine, 6),
    "crop": (crop, 3),
    "flip": (flip, 1),
    "light": (light, 2),
    "colour": (colour, 3),
}
