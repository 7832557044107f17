"""Batches of images as a function of the step, and the tf.data pipeline that reads them ahead."""

import functools
import itertools
from collections.abc import Iterator

import numpy as np

from data.catalogue import Split
from errors import UserError

_FLIPS, _LABELS = 2**62, 2**63  # keys of random numbers beyond those of all epochs


class Batches:
    """The batches of a training: which images, in which order, at which step.

    Each epoch is a permutation of the images that depends on (seed, epoch) alone, so that a
    training can start at any step. What does not fill a last batch is left out of that epoch.

    Args:
        split: images uint8 [n, h, w, c], and labels [n] or None.
        batch_size: images in a batch.
        seed: of the order.
        n_critic: batches a step; above 1 the images of a step are [n_critic, b, h, w, c].
        flip: mirror each image left to right with probability 1/2, by (seed, step) alone.
        labelled: the share of the images that keep their label, chosen by the seed; the others
            have -1.

    Raises:
        UserError: the images do not fill one step, or a share above 0 of them is none.
    """

    def __init__(
        self,
        split: Split,
        batch_size: int,
        *,
        seed: int = 0,
        n_critic: int = 1,
        flip: bool = False,
        labelled: float = 1.0,
    ):
        self.split = split
        self.seed = seed
        if split.labels is not None and labelled < 1:
            order = self._random(_LABELS).permutation(len(split.images))
            known = round(labelled * len(order))
            if labelled and not known:
                raise UserError(
                    f"--supervised_fraction={labelled}: of the {len(order)} images that is none"
                )
            labels = split.labels.copy()
            labels[order[known:]] = -1
            self.split = Split(split.images, labels)
        self.flip = flip
        self.shape = (batch_size,) if n_critic == 1 else (n_critic, batch_size)
        self.images_per_step = n_critic * batch_size
        self.steps_per_epoch = len(split.images) // self.images_per_step
        if not self.steps_per_epoch:
            times = f" x --n_critic={n_critic}" if n_critic > 1 else ""
            raise UserError(
                f"--batch_size={batch_size}{times} is more than the {len(split.images)} images "
                "for training: make it smaller"
            )
        self._order = functools.lru_cache(maxsize=2)(self._permutation)

    def _permutation(self, epoch: int) -> np.ndarray:
        return self._random(epoch).permutation(len(self.split.images))

    def _random(self, key: int) -> np.random.Generator:
        return np.random.Generator(np.random.Philox(key=[self.seed, key]))

    def batch(self, step: int) -> tuple[np.ndarray, ...]:
        """The images of a step, uint8 [b, h, w, c] or [n_critic, b, h, w, c], and the labels, int32
        of the same leading shape, if there are any."""
        epoch, within = divmod(step, self.steps_per_epoch)
        start = within * self.images_per_step
        chosen = self._order(epoch)[start : start + self.images_per_step]
        images = self.split.images[chosen]
        if self.flip:
            mirrored = self._random(_FLIPS + step).integers(2, size=len(images), dtype=bool)
            images[mirrored] = images[mirrored, :, ::-1]
        batch = (images.reshape(*self.shape, *images.shape[1:]),)
        if self.split.labels is not None:
            batch += (self.split.labels[chosen].astype(np.int32).reshape(self.shape),)
        return batch

    def dataset(self, start: int = 0):
        """An endless tf.data.Dataset of the batches from step `start` on, read ahead.

        Keras is told how long it is: fit(batches.dataset(), epochs=20,
        steps_per_epoch=batches.steps_per_epoch).
        """
        import tensorflow as tf

        def batches() -> Iterator[tuple[np.ndarray, ...]]:
            return map(self.batch, itertools.count(start))

        image_shape = self.split.images.shape[1:]
        signature = (tf.TensorSpec((*self.shape, *image_shape), tf.uint8),)
        if self.split.labels is not None:
            signature += (tf.TensorSpec(self.shape, tf.int32),)
        dataset = tf.data.Dataset.from_generator(batches, output_signature=signature)
        if self.split.labels is None:
            dataset = dataset.map(lambda images: images)
        return dataset.prefetch(2)
