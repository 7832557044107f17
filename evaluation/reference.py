"""Reference images, and their cached feature statistics."""

import contextlib
import functools
import hashlib
import json
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sized

import numpy as np

from data import ImageData, Split
from evaluation.features import Extractor
from evaluation.features.statistics import FeatureStatistics
from evaluation.sharing import Sharing
from metrics.measurement import MetricError
from metrics.pixels import PixelStatistics
from storage.cache import STATISTICS, STATISTICS_FORMAT, cache_directory, mark_used
from waiting import waiting

BATCH = 250


class Reference(Sharing):
    """Reference images and a feature network.

    Attributes:
        data: the data set.
        extractor: the feature network, or None.
        split: "test" or "train"; "train" for data sets without test images.
        images: the reference images.
        prefix: prefix of the options of the measurement in messages, such as "eval_".
    """

    def __init__(self, data: ImageData, split: str, extractor: Extractor | None, prefix: str = ""):
        super().__init__()
        self.data, self.extractor, self.prefix = data, extractor, prefix
        self.split = split if data.test else "train"
        self.images = data.test if self.split == "test" else data.train

    @property
    def protocol(self) -> dict:
        """Protocol entries of the reference images."""
        return {"split": self.split, "n_real": len(self.images.images)}

    @functools.cached_property
    def pixels(self) -> PixelStatistics:
        """Pixel statistics of the reference images."""
        pixels = PixelStatistics()
        for batch in in_batches(self.images):
            pixels.update(batch)
        return pixels

    @functools.cached_property
    def has_classifier(self) -> bool:
        """True if the feature network classifies the data set."""
        return bool(self.extractor) and self.extractor.classifies(self.data)

    @property
    def statistics(self) -> FeatureStatistics:
        """Feature statistics of the reference images; MetricError if a feature is not finite."""
        return self.shared(feature_statistics)

    @property
    def clean_statistics(self) -> FeatureStatistics:
        """The same with the resizing of clean-fid."""
        return self.shared(clean_feature_statistics)


def feature_statistics(reference: Reference) -> FeatureStatistics:
    """Return the feature statistics of the reference images, cached on disk.

    Raises:
        MetricError: a feature is not finite.
    """
    return _statistics(reference, reference.extractor)


def clean_feature_statistics(reference: Reference) -> FeatureStatistics:
    """Return `feature_statistics` with the resizing of clean-fid."""
    return _statistics(reference, reference.extractor.clean)


def _statistics(reference: Reference, extractor: Extractor) -> FeatureStatistics:
    images = reference.images
    content = [STATISTICS_FORMAT, reference.data.fingerprint, reference.split]
    content += [list(images.images.shape)]
    content += [extractor.name, extractor.sha256, extractor.resizing]
    key = hashlib.sha256(json.dumps(content).encode()).hexdigest()
    path = cache_directory() / STATISTICS / f"{key}.npz"
    damaged = (EOFError, ValueError, KeyError, TypeError, RuntimeError, zipfile.BadZipFile)
    with contextlib.suppress(OSError, *damaged):
        statistics = FeatureStatistics.load(extractor, path)
        mark_used(path)
        return statistics

    # In random order, since only the first features of a large split are stored.
    statistics = FeatureStatistics(extractor, len(images.images))
    for batch in in_batches(images, seed=0, title=f"features of {reference.split} images"):
        statistics.update(batch)
    with contextlib.suppress(OSError, MetricError):  # a single image has no covariance
        about = {"dataset": reference.data.name, "split": reference.split}
        about |= {"features": extractor.name, "format": STATISTICS_FORMAT}
        statistics.save(path, about)
    return statistics


def in_batches(
    split: Split, seed: int | None = None, most: int | None = None, title: str = "images"
) -> Iterator[np.ndarray]:
    """Yield a split, or `most` images of it, in batches; shuffled if a seed is given.

    Notes about the progress have the title.
    """
    order = np.arange(len(split.images))
    if seed is not None:
        order = np.random.default_rng(seed).permutation(order)
    order = order[:most]
    batches = (
        np.asarray(split.images[order[start : start + BATCH]])
        for start in range(0, len(order), BATCH)
    )
    yield from counted(batches, len(order), title)


def counted(batches: Iterable[Sized], total: int, title: str) -> Iterator:
    """Yield batches, with notes about the progress (`waiting`).

    Args:
        batches: the batches.
        total: number of items in all of them.
        title: title of the notes; "" for none.
    """
    if not title:
        yield from batches
        return
    with waiting(title, total) as work:
        for batch in batches:
            yield batch
            work.done += len(batch)


def over_batches(function: Callable, split: Split) -> np.ndarray:
    """Return the outputs float32 [n, d] of a function of images in [-1, 1] on a split."""
    import tensorflow as tf

    from models.base import to_unit_range

    parts = [np.asarray(function(to_unit_range(tf.constant(b)))) for b in in_batches(split)]
    return np.concatenate(parts)
