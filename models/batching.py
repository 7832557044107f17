"""Methods of images that run in batches."""

import functools
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from models import inputs

BATCH = 250  # images on the device


def in_batches(method: Callable) -> Callable:
    """Make a method images [b, h, w, c] -> tensor [b, ...] run on any number of images.

    The new method has a further argument `batch_size` and returns an array; only one batch is on
    the device at a time. It raises UserError if the images have another shape, type or range. In a
    graph it is the method itself.
    """

    @functools.wraps(method)
    def batched(self, x, batch_size: int = BATCH):
        if tf.is_tensor(x) and not hasattr(x, "numpy"):
            return method(self, x)
        inputs.check_images(x, self.image_shape)
        starts = range(0, max(len(x), 1), batch_size)
        return np.concatenate([np.asarray(method(self, x[k : k + batch_size])) for k in starts])

    return batched
