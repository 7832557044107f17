"""Differentiable operations on images, as functions of the images and of explicit draws.

Images are float32 [b, h, w, c]. Draws u are float32 in [0, 1), one per example and parameter, so
that the result is a function of the arguments alone.
"""

import numpy as np
import tensorflow as tf


def brightness(x: tf.Tensor, u: tf.Tensor, limit: float) -> tf.Tensor:
    """Add a value from [-limit, limit) to all pixels of an image; u is [b]."""
    return x + limit * (2.0 * per_image(u) - 1.0)


def saturation(x: tf.Tensor, u: tf.Tensor, limits: tuple[float, float]) -> tf.Tensor:
    """Scale the channels of each pixel about their mean by a factor from the limits; u is [b]."""
    gray = tf.reduce_mean(x, axis=3, keepdims=True)
    return gray + between(per_image(u), limits) * (x - gray)


def contrast(x: tf.Tensor, u: tf.Tensor, limits: tuple[float, float]) -> tf.Tensor:
    """Scale each image about its mean by a factor from the limits; u is [b]."""
    mean = tf.reduce_mean(x, axis=[1, 2, 3], keepdims=True)
    return mean + between(per_image(u), limits) * (x - mean)


def exposure(x: tf.Tensor, u: tf.Tensor, limits: tuple[float, float]) -> tf.Tensor:
    """Scale images in [-1, 1] about -1 (black) by a factor from the limits; u is [b]."""
    return between(per_image(u), limits) * (x + 1.0) - 1.0


def hue(x: tf.Tensor, u: tf.Tensor, limit: float) -> tf.Tensor:
    """Rotate the colours of an image about the gray axis by an angle up to a limit in radians.

    The rotation leaves gray and the mean of the channels unchanged.

    Args:
        x: images [b, h, w, 3].
        u: [b].
        limit: largest angle, in both directions.
    """
    angle = limit * (2.0 * per_image(u) - 1.0)
    gray = tf.reduce_mean(x, axis=3, keepdims=True)
    # Rodrigues' formula: the cross product with the axis (1, 1, 1) / sqrt(3) exchanges channels.
    across = (tf.roll(x, 1, axis=3) - tf.roll(x, -1, axis=3)) / np.sqrt(3.0).astype(np.float32)
    return gray + tf.cos(angle) * (x - gray) + tf.sin(angle) * across


def gray(x: tf.Tensor, u: tf.Tensor, probability: float | tf.Tensor) -> tf.Tensor:
    """Replace all channels of an image by their mean with a probability; u is [b]."""
    mean = tf.reduce_mean(x, axis=3, keepdims=True)
    return tf.where(per_image(u) < probability, tf.broadcast_to(mean, tf.shape(x)), x)


def flip(x: tf.Tensor, u: tf.Tensor, probability: float | tf.Tensor) -> tf.Tensor:
    """Mirror images left to right with a probability; u is [b]."""
    return tf.where(per_image(u) < probability, x[:, :, ::-1], x)


def crop(x: tf.Tensor, u: tf.Tensor, smallest: float | tf.Tensor) -> tf.Tensor:
    """Resize a random square part of each image to its size, bilinearly.

    Args:
        x: images [b, h, w, c].
        u: [b, 3], for the side and the two positions, each uniform.
        smallest: smallest side of the part, a share of the side of the image.
    """
    size, down, right = tf.unstack(u, axis=1)
    side = smallest + (1.0 - smallest) * size
    off = tf.zeros_like(side)
    rows = [
        [side, off, (1.0 - side) * (2.0 * down - 1.0)],
        [off, side, (1.0 - side) * (2.0 * right - 1.0)],
    ]
    return resample(x, affine_maps(rows))


def translation(x: tf.Tensor, u: tf.Tensor, share: float) -> tf.Tensor:
    """Shift each image by whole pixels and fill with 0.

    Args:
        x: images [b, h, w, c].
        u: [b, 2], for the shifts down and to the right.
        share: the largest shift as a share of each side; all shifts up to it are equally likely.
    """
    for axis, side in ((1, x.shape[1]), (2, x.shape[2])):
        most = int(side * share + 0.5)
        shift = tf.cast(tf.floor(u[:, axis - 1] * (2 * most + 1)), tf.int32) - most
        # Row i of the matrix has a 1 at the source of pixel i, if that is inside the image.
        source = tf.range(side) - shift[:, None]
        along = "bij,bjwc->biwc" if axis == 1 else "bij,bhjc->bhic"
        x = tf.einsum(along, tf.one_hot(source, side), x)
    return x


def cutout(x: tf.Tensor, u: tf.Tensor, share: float) -> tf.Tensor:
    """Set a rectangle of each image to 0.

    Args:
        x: images [b, h, w, c].
        u: [b, 2], for the row and the column of its centre: any pixel or, where the rectangle has
            an even side, one beyond the last.
        share: its sides as a share of those of the image.
    """
    inside = []
    for axis, side in ((1, x.shape[1]), (2, x.shape[2])):
        length = int(side * share + 0.5)
        centre = tf.floor(u[:, axis - 1] * (side + (1 - length % 2)))
        offset = tf.range(side, dtype=tf.float32) - centre[:, None] + length // 2
        inside.append((offset >= 0) & (offset < length))
    rows, columns = inside
    return tf.where((rows[:, :, None] & columns[:, None, :])[..., None], 0.0, x)


def resample(x: tf.Tensor, maps: tf.Tensor) -> tf.Tensor:
    """Sample images bilinearly at affinely mapped positions; the edge continues outside.

    Args:
        x: images [b, h, w, c], h and w at least 2.
        maps: float32 [b, 2, 3], M: the result at p is the image at M [p; 1]. A position is (y, x),
            and the centres of the corner pixels are at -1 and 1.

    Returns:
        Images like x, a differentiable function of x and of the maps.
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


def affine_maps(rows: list[list[tf.Tensor]]) -> tf.Tensor:
    """Return the maps [b, 2, 3] of `resample` from two rows of three tensors [b]."""
    return tf.stack([tf.stack(row, axis=1) for row in rows], axis=1)


def between(u: tf.Tensor, limits: tuple[float, float]) -> tf.Tensor:
    """Map draws from [0, 1) to [low, high)."""
    low, high = limits
    return low + (high - low) * u


def per_image(u: tf.Tensor) -> tf.Tensor:
    """Reshape u [b] to [b, 1, 1, 1]."""
    return u[:, None, None, None]
