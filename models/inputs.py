"""Checks of the first images and labels of a training, before its step is compiled.

XLA drops assertions, so invalid values within a step would not raise.
"""

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from errors import UserError

CHECKED_IMAGES = 1000  # of an array, whose values are checked
TYPES = "images must be uint8, or floats in [-1, 1]"
TOLERANCE = 1e-3  # of the range [-1, 1]
SEVERAL = (Mapping, tuple, list)


def first_batch(x: Any, y: Any = None, option: str = "x") -> tuple[tuple | None, Any]:
    """Return the first batch of the arguments of `fit`, and x with the batch still in it.

    Args:
        x: array, tf.data.Dataset, keras.utils.PyDataset or iterator.
        y: labels, if x is an array.
        option: name of x in errors.

    Returns:
        ((images, labels or None, weights or None), x). The batch is None if x is of another type.

    Raises:
        UserError: there is no batch.
    """
    if isinstance(x, tf.data.Dataset):
        batch = next(iter(x.take(1)), None)
    elif isinstance(x, keras.utils.PyDataset):
        batch = x[0] if x.num_batches != 0 else None
    elif isinstance(x, Iterator):
        batch, rest = next(x, None), x
        items = itertools.chain([batch], rest)
        # A generator of tuples, which Keras requires.
        x = (item if isinstance(item, SEVERAL) else (item,) for item in items)
    elif isinstance(x, SEVERAL) or hasattr(x, "__array__") or tf.is_tensor(x):
        return (x, y, None), x
    else:
        return None, x
    if batch is None:
        raise UserError("the data set is empty", option)
    return keras.utils.unpack_x_y_sample_weight(batch), x


def check_images(
    images: Any,
    image_shape: tuple[int, int, int],
    in_training: bool = False,
    option: str = "x",
) -> None:
    """Check images [..., h, w, c], uint8 or float in [-1, 1].

    Args:
        images: array or tensor.
        image_shape: (h, w, c) of the model.
        in_training: whether floats that are all >= 0 are an error, since their range is another,
            and so are no images.
        option: name of the argument in errors.

    Raises:
        UserError: the images have another shape, type or range.
    """
    if isinstance(images, Mapping):
        raise UserError(
            f"expected images or (images, labels), got a dictionary of {', '.join(images)}; with "
            "TensorFlow Datasets, pass as_supervised=True to tfds.load",
            option,
        )
    if isinstance(images, SEVERAL):
        raise UserError("expected one array of images, got several", option)
    shape, (height, width, channels) = tuple(images.shape), image_shape
    if len(shape) < 4 or shape[-3:] != (height, width, channels):
        cure = ""
        if shape == image_shape:
            cure = "; add the axis of the batch: x[None], or .batch(n) of a data set"
        elif len(shape) > 3 and shape[-3:] == (channels, height, width):
            cure = "; channels are last: use np.moveaxis(x, -3, -1)"
        elif channels == 1 and shape[-2:] == (height, width):
            cure = "; add the axis of the channel: x[..., None]"
        raise UserError(
            f"expected images [n, {height}, {width}, {channels}], got {list(shape)}{cure}", option
        )
    if in_training and not shape[0]:
        raise UserError("the data set is empty", option)
    dtype = tf.as_dtype(images.dtype)
    if dtype == tf.uint8:
        return
    if not dtype.is_floating:
        raise UserError(f"{TYPES}, not {dtype.name}", option)
    values = np.asarray(images[:CHECKED_IMAGES], np.float32)
    if values.size:
        _check_range(values.min(), values.max(), in_training, option)


def _check_range(lowest: float, highest: float, in_training: bool, option: str) -> None:
    if not np.isfinite([lowest, highest]).all():
        raise UserError("the images contain NaN or infinity", option)
    beyond = max(-lowest, highest) > 1 + TOLERANCE
    if not beyond and not (in_training and lowest >= 0):
        return
    found = f"float images must be in [-1, 1], got values from {lowest:.3g} to {highest:.3g}"
    if lowest < 0 or highest > 255:
        raise UserError(found, option)
    raise UserError(f"{found}; pass uint8, or x {'/ 127.5' if beyond else '* 2'} - 1", option)


def check_labels(
    labels: Any, images: Any, num_classes: int, unknown: bool = False, option: str = "y"
) -> None:
    """Check labels: integers from 0 to num_classes - 1, one per image.

    Args:
        labels: array or tensor [...] or [..., 1].
        images: images [..., h, w, c].
        num_classes: number of classes; 0: any.
        unknown: whether -1, an unknown class, is valid.
        option: name of the argument in errors.

    Raises:
        UserError: the labels have another shape, type or range.
    """
    if isinstance(labels, SEVERAL):
        raise UserError("expected one array of labels, got several", option)
    expected, shape = tuple(images.shape)[:-3], tuple(labels.shape)
    classes = f"integers from 0 to {num_classes - 1}" if num_classes else "integers >= 0"
    if shape == tuple(images.shape):
        raise UserError("targets are images: pass the images alone, without targets", option)
    if len(shape) == len(expected) + 1 and shape[-1] > 1:
        raise UserError(
            f"expected labels that are {classes}, got {list(shape)}; if they are one-hot, use "
            "np.argmax(y, -1)",
            option,
        )
    if shape not in (expected, (*expected, 1)):
        raise UserError(
            f"expected labels {list(expected)}, one per image, got {list(shape)}", option
        )
    dtype = tf.as_dtype(labels.dtype)
    if not dtype.is_integer:
        raise UserError(
            f"expected labels that are {classes}, got {dtype.name}; use y.astype('int32')", option
        )
    values = np.asarray(labels)
    lowest, highest = (int(values.min()), int(values.max())) if values.size else (0, 0)
    if lowest < -unknown or (num_classes and highest >= num_classes):
        raise UserError(
            f"expected labels that are {classes}{' (-1: unknown)' * unknown}, got values from "
            f"{lowest} to {highest}",
            option,
        )
