"""Batches of images as a function of the step, and a tf.data pipeline that prefetches them."""

import functools
import itertools
from collections.abc import Callable, Iterator

import numpy as np

from data.catalogue import Split
from data.labels import generator, hide_labels
from errors import UserError
from replicas import check_divides

_FLIPS = 2**62  # random key above all epochs and steps


class Batches:
    """Training batches as a deterministic function of the step.

    Each epoch is a permutation of the images that depends only on (seed, epoch), so training can
    start at any step. An incomplete last batch of an epoch is dropped.

    Args:
        split: images uint8 [n, h, w, c], and labels [n] or None.
        batch_size: images per batch.
        seed: seed of the order, of flips and of the choice of labels.
        n_critic: batches per step; above 1, the images of a step are [n_critic, b, h, w, c].
        flip: whether each image is mirrored left to right with probability 1/2; depends only on
            (seed, step).
        labelled: fraction of the images that keep their label, chosen by the seed; the others get
            the label -1.
        labelled_option: name of the option of `labelled` in errors.

    Raises:
        UserError: the images do not fill one step, or a fraction above 0 is less than one image.
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
        labelled_option: str = "labelled",
    ):
        self.split = split
        self.seed = seed
        if split.labels is not None:
            kept = hide_labels(split.labels, labelled, seed, labelled_option)
            self.split = Split(split.images, kept)
        self.flip = flip
        self.shape = (batch_size,) if n_critic == 1 else (n_critic, batch_size)
        self.images_per_step = n_critic * batch_size
        self.steps_per_epoch = len(split.images) // self.images_per_step
        if not self.steps_per_epoch:
            factor = f" x n_critic={n_critic}" if n_critic > 1 else ""
            raise UserError(
                f"{batch_size}{factor} exceeds the {len(split.images)} training images; set a "
                "smaller batch size",
                "batch_size",
            )
        self._order = functools.lru_cache(maxsize=2)(self._permutation)

    def _permutation(self, epoch: int) -> np.ndarray:
        return self._random(epoch).permutation(len(self.split.images))

    def _random(self, key: int) -> np.random.Generator:
        return generator(self.seed, key)

    def batch(self, step: int) -> tuple[np.ndarray, ...]:
        """Return the batch of a step.

        Returns:
            (images,) or (images, labels): uint8 [b, h, w, c] or [n_critic, b, h, w, c], and int32
            labels of the same leading shape.
        """
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
        """Return an infinite, prefetched tf.data.Dataset of the batches from step `start` on.

        Pass the number of steps per epoch to Keras:
        fit(batches.dataset(), epochs=20, steps_per_epoch=batches.steps_per_epoch).
        A later fit continues with batches.dataset(int(model.step.numpy())).
        """

        def batches() -> Iterator[tuple[np.ndarray, ...]]:
            return map(self.batch, itertools.count(start))

        dataset = untuned(self._generated(batches, self.shape).prefetch(2))
        dataset.first_step = start
        return dataset

    def distributed(self, strategy, start: int = 0):
        """Return the batches from step `start` on, each divided among the replicas of a strategy.

        A replica has its rows of the batch that `batch` returns, [b / N, h, w, c] or
        [n_critic, b / N, h, w, c].

        Args:
            strategy: tf.distribute.Strategy of N replicas.
            start: first step.

        Returns:
            An infinite tf.distribute.DistributedDataset.

        Raises:
            UserError: the batch size does not divide by N.
        """
        import tensorflow as tf

        total = strategy.num_replicas_in_sync
        check_divides(self.shape[-1], total)
        *lead, size = self.shape
        size //= total

        def rows(pipeline: tf.distribute.InputContext) -> tf.data.Dataset:
            own = total // pipeline.num_input_pipelines
            first = own * pipeline.input_pipeline_id

            def parts() -> Iterator[tuple[np.ndarray, ...]]:
                for step in itertools.count(start):
                    batch = self.batch(step)
                    for k in range(first, first + own):
                        part = (*[slice(None)] * len(lead), slice(k * size, (k + 1) * size))
                        yield tuple(array[part] for array in batch)

            dataset = self._generated(parts, (*lead, size)).prefetch(2 * own)
            return untuned(dataset.apply(tf.data.experimental.assert_cardinality(-1)))

        dataset = strategy.distribute_datasets_from_function(rows)
        dataset.first_step, dataset.batch_size, dataset.replicas = start, self.shape[-1], total
        return dataset

    def _generated(self, batches: Callable, shape: tuple[int, ...]):
        """Return a tf.data.Dataset of generated batches whose leading axes have a shape."""
        import tensorflow as tf

        image_shape = self.split.images.shape[1:]
        signature = (tf.TensorSpec((*shape, *image_shape), tf.uint8),)
        if self.split.labels is not None:
            signature += (tf.TensorSpec(shape, tf.int32),)
        dataset = tf.data.Dataset.from_generator(batches, output_signature=signature)
        return dataset if self.split.labels is not None else dataset.map(lambda images: images)


def untuned(dataset):
    """Return a tf.data.Dataset without autotuning, which sleeps for up to a minute at the end."""
    import tensorflow as tf

    options = tf.data.Options()
    options.autotune.enabled = False
    return dataset.with_options(options)


def repeated(batch):
    """Return an infinite tf.data.Dataset of one batch, for measurements of the step alone."""
    import tensorflow as tf

    return untuned(tf.data.Dataset.from_tensors(batch).repeat())
