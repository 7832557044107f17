"""Context of a measurement: samples, features and other results shared by its metrics."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np

from data import Split
from evaluation.features import Extractor
from evaluation.features.statistics import FeatureStatistics
from evaluation.metric import Features, Images, Metric
from evaluation.reference import Reference, counted
from evaluation.sharing import Sharing
from evaluation.subject import Subject
from metrics.measurement import MetricError
from metrics.pixels import PixelStatistics

if TYPE_CHECKING:
    from models.base import GenerativeModel

FIRST = 1000  # number of samples kept as images


class Stopwatch:
    """Timer of stages; the seconds of a nested stage do not count for the outer stage."""

    def __init__(self):
        self.seconds = collections.Counter()
        self._inner = [0.0]

    @contextlib.contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Add the seconds spent in the block to a stage."""
        start = time.perf_counter()
        self._inner.append(0.0)
        try:
            yield
        finally:
            total = time.perf_counter() - start
            self.seconds[name] += total - self._inner.pop()
            self._inner[-1] += total


@dataclasses.dataclass(frozen=True)
class Samples:
    """Statistics of the drawn samples.

    Attributes:
        pixels: pixel statistics of all samples.
        first: the first FIRST samples, uint8 [n, h, w, c].
        found: feature statistics of all samples, or why there are none; None if no wanted metric
            requires them.
        clean_found: the same with the resizing of clean-fid.
    """

    pixels: PixelStatistics
    first: np.ndarray
    found: FeatureStatistics | MetricError | None = None
    clean_found: FeatureStatistics | MetricError | None = None

    @property
    def features(self) -> FeatureStatistics:
        """Feature statistics; MetricError if a feature is not finite."""
        return _required(self.found)

    @property
    def clean_features(self) -> FeatureStatistics:
        """Feature statistics with the resizing of clean-fid, as `features`."""
        return _required(self.clean_found)


def _required(found: FeatureStatistics | MetricError) -> FeatureStatistics:
    if isinstance(found, MetricError):
        raise found
    return found


def draw_samples(context: Context) -> Samples:
    """Return the statistics of n samples, drawn batch by batch."""
    watch, network = context.watch, context.extractor
    networks = [context.extractor_of(m) for m in context.wanted.values() if m.samples]
    found = {
        name: FeatureStatistics(one, context.n)
        for name, one in (("found", network), ("clean_found", network and network.clean))
        if one and one in networks
    }
    pixels, first = PixelStatistics(), []
    batches = counted(context.subject.draw(context.n, context.seed), context.n, "samples")
    while True:
        with watch.stage("sampling"):
            images = next(batches, None)
        if images is None:
            break
        for name, statistics in found.items():
            if not isinstance(statistics, MetricError):
                with watch.stage("features of samples"):
                    try:
                        statistics.update(images)
                    except MetricError as error:
                        found[name] = error
        with watch.stage("pixels"):
            pixels.update(images)
        if sum(map(len, first)) < FIRST:
            first.append(images)
    return Samples(pixels, np.concatenate(first)[:FIRST], **found)


class Context(Sharing):
    """Shared inputs and results of the metrics of one evaluation seed, computed at first use.

    Args:
        subject: the model, baseline or images to measure.
        reference: the reference images and the feature network.
        wanted: the metrics to measure, by name.
        n: number of samples.
        seed: evaluation seed.
        likelihood_samples: number of latent samples per image.
        watch: timer of the stages.
    """

    def __init__(
        self,
        subject: Subject,
        reference: Reference,
        wanted: Mapping[str, Metric],
        *,
        n: int,
        seed: int = 0,
        likelihood_samples: int = 1,
        watch: Stopwatch | None = None,
    ):
        super().__init__()
        self.subject, self.reference, self.wanted = subject, reference, wanted
        self.n, self.seed, self.likelihood_samples = n, seed, likelihood_samples
        self.watch = watch or Stopwatch()

    @property
    def model(self) -> GenerativeModel | None:
        """The model, or None if images are measured."""
        return self.subject.model

    @property
    def extractor(self) -> Extractor | None:
        """The feature network, or None."""
        return self.reference.extractor

    @property
    def train(self) -> Split:
        """The images that the model was trained on, or else the training images."""
        return self.subject.train or self.reference.data.train

    @property
    def features_protocol(self) -> dict[str, str]:
        """Protocol entries of the feature network."""
        return self.extractor.protocol

    def extractor_of(self, metric: Metric) -> Extractor | None:
        """Return the feature network of a metric, with its resizing, or None."""
        if metric.features is Features.NONE:
            return None
        return self.extractor.clean if metric.features is Features.CLEAN else self.extractor

    @property
    def samples(self) -> Samples:
        """Statistics of the samples."""
        return self.shared(draw_samples)

    @property
    def real_features(self) -> FeatureStatistics:
        """Feature statistics of the reference images."""
        with self.watch.stage("features of real images"):
            return self.reference.statistics

    @property
    def clean_real_features(self) -> FeatureStatistics:
        """Feature statistics of the reference images with the resizing of clean-fid."""
        with self.watch.stage("features of real images"):
            return self.reference.clean_statistics

    @property
    def compared_features(self) -> tuple[np.ndarray, np.ndarray]:
        """Stored features of the samples and of the reference images, [n, d] and [m, d]."""
        return self.samples.features.features, self.real_features.features

    def wants(self, name: str) -> bool:
        """Return whether a metric is wanted and can be measured."""
        return name in self.wanted and self.missing(name) is None

    def missing(self, name: str) -> str | None:
        """Return the reason why a wanted metric cannot be measured, or None."""
        metric, data, split = self.wanted[name], self.reference.data, self.reference.split
        if not metric.samples and self.model is None:
            return "requires a model"
        if metric.ability and (reason := self.model.lacks(metric.ability)):
            return reason
        if metric.features is Features.LOGITS and self.samples.features.logits is None:
            return "the feature network has no class logits"
        if metric.images is Images.UNSEEN and split == "train":
            return "requires images that were not trained on"
        if metric.images is Images.LABELLED and self.reference.images.labels is None:
            return f"{data.name} has no labelled {split} images"
        if metric.images is Images.LABELLED_TEST and (not data.test or data.test.labels is None):
            return f"{data.name} has no labelled test images"
        if metric.features is Features.CLASSIFIER and not self.reference.has_classifier:
            option = f"{self.reference.prefix}features"
            return f"requires a classifier of the classes of {data.name}; use --{option}=classifier"
        return None
