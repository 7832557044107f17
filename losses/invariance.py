"""Small changes of an image that leave what it shows as it is."""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

# How far a copy may be from its image.
ROTATION = 0.35  # radians
SHEAR = 0.3  # sideways, as a share of the height
SIZE = 0.1  # natural logarithm
STRETCH = 0.2  # natural logarithm: as much narrower as higher
SHIFT = 0.07  # of each side

Uniform = Callable[[str, tf.Tensor], tf.Tensor]


def affine_copies(x: tf.Tensor, uniform: Uniform, upright: bool = False) -> tf.Tensor:
    """Images, each sheared, turned, stretched, resized and shifted a little about its middle.

    Args:
        x: images [b, h, w, c].
        uniform: (purpose, shape) -> a float32 tensor in [0, 1).
        upright: neither sheared nor turned.

    Returns:
        Images like x; each of the changes is uniform up to the limits above.
    """
    purpose = "upright copies" if upright else "affine copies"
    u = tf.unstack(2.0 * uniform(purpose, [tf.shape(x)[0], 6]) - 1.0, axis=1)
    angle, shear = (0.0, 0.0) if upright else (ROTATION * u[0], SHEAR * u[1])
    sin, cos = tf.sin(angle), tf.cos(angle)
    high, wide = tf.exp(SIZE * u[2] - STRETCH * u[3]), tf.exp(SIZE * u[2] + STRETCH * u[3])
    down, right = 2.0 * SHIFT * u[4], 2.0 * SHIFT * u[5]
    rows = [
        [cos * high, sin * wide, down],
        [(shear * cos - sin) * high, (shear * sin + cos) * wide, right],
    ]
    return resample(x, tf.stack([tf.stack(row, axis=1) for row in rows], axis=1))


def resample(x: tf.Tensor, maps: tf.Tensor) -> tf.Tensor:
    """Images read at other places, bilinearly; outside, they go on as at their edge.

    Args:
        x: images [b, h, w, c].
        maps: float32 [b, 2, 3], M: the new image has at p what the old one has at M [p; 1]. A place
            is (y, x), and the centres of the corner pixels are at -1 and 1.

    Returns:
        Images like x.
    """
    height, width, channels = x.shape[1:]
    y, x_ = np.meshgrid(np.linspace(-1, 1, height), np.linspace(-1, 1, width), indexing="ij")
    places = np.stack([y, x_, np.ones_like(y)], axis=-1).reshape(-1, 3).astype(np.float32)
    last = np.array([height - 1, width - 1], np.float32)
    at = (tf.einsum("pk,bik->bpi", places, maps) + 1.0) / 2.0 * last
    at = tf.clip_by_value(at, 0.0, last)
    first = tf.clip_by_value(tf.floor(at), 0.0, last - 1.0)
    (up, left), (row, column) = tf.unstack(at - first, axis=-1), tf.unstack(first, axis=-1)
    corner = tf.cast(row * width + column, tf.int32)
    pixels = tf.reshape(x, [-1, height * width, channels])

    def corners(offset: int, share: tf.Tensor) -> tf.Tensor:
        return share[..., None] * tf.gather(pixels, corner + offset, batch_dims=1)

    top = corners(0, (1.0 - up) * (1.0 - left)) + corners(1, (1.0 - up) * left)
    bottom = corners(width, up * (1.0 - left)) + corners(width + 1, up * left)
    return tf.reshape(top + bottom, tf.shape(x))
