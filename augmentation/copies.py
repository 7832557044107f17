"""Affinely transformed copies of images, for the consistency loss."""

import tensorflow as tf

from augmentation import streams
from augmentation.operations import affine_maps, resample

# Limits of the transformations.
ROTATION = 0.35  # radians
SHEAR = 0.3  # horizontal, as a share of the height
SIZE = 0.1  # natural logarithm of the factor of both sides
STRETCH = 0.2  # natural logarithm of the factors: width by one, height by its inverse
SHIFT = 0.07  # share of each side


def affine_copies(x: tf.Tensor, uniform: streams.Uniform, upright: bool = False) -> tf.Tensor:
    """Return images that are each sheared, rotated, stretched, scaled and shifted at random.

    Args:
        x: images [b, h, w, c].
        uniform: (name of a random stream, shape) -> a float32 tensor in [0, 1).
        upright: omit shear and rotation.

    Returns:
        Images like x. Each parameter is uniform within plus or minus its limit above; all
        transformations are about the image centre.
    """
    stream = streams.UPRIGHT_COPIES if upright else streams.AFFINE_COPIES
    u = tf.unstack(2.0 * uniform(stream, [tf.shape(x)[0], 6]) - 1.0, axis=1)
    angle, shear = (0.0, 0.0) if upright else (ROTATION * u[0], SHEAR * u[1])
    sin, cos = tf.sin(angle), tf.cos(angle)
    high, wide = tf.exp(SIZE * u[2] - STRETCH * u[3]), tf.exp(SIZE * u[2] + STRETCH * u[3])
    down, right = 2.0 * SHIFT * u[4], 2.0 * SHIFT * u[5]
    rows = [
        [cos * high, sin * wide, down],
        [(shear * cos - sin) * high, (shear * sin + cos) * wide, right],
    ]
    return resample(x, affine_maps(rows))
