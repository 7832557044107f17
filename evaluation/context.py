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
        features: feature statistics of all samples; None if no wanted metric requires them.
        first: the first FIRST samples, uint8 [n, h, w, c].
    """

    pixels: PixelStatistics
    features: FeatureStatistics | None
    first: np.ndarray


def draw_samples(context: Context) -> Samples:
    """Return the statistics of n samples, drawn batch by batch.

    Raises:
        MetricError: a feature of the samples is not finite.
    """
    wanted, watch = context.wanted.values(), context.watch
    gathers = any(m.samples and m.features is not Features.NONE for m in wanted)
    statistics = FeatureStatistics(context.extractor, context.n) if gathers else None
    pixels, first = PixelStatistics(), []
    batches = counted(context.subject.draw(context.n, context.seed), context.n, "samples")
    while True:
        with watch.stage("sampling"):
            images = next(batches, None)
        if images is None:
            break
        if statistics:
            with watch.stage("features of samples"):
                statistics.update(images)
        with watch.stage("pixels"):
            pixels.update(images)
        if sum(map(len, first)) < FIRST:
            first.append(images)
    return Samples(pixels, statistics, np.concatenate(first)[:FIRST])


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
        network = self.extractor
        return {
            "features": network.name,
            "features_sha256": network.sha256,
            "resizing": network.resizing,
        }

    @property
    def samples(self) -> Samples:
        """Statistics of the samples; MetricError if a feature is not finite."""
        return self.shared(draw_samples)

    @property
    def real_features(self) -> FeatureStatistics:
        """Feature statistics of the reference images."""
        with self.watch.stage("features of real images"):
            return self.reference.statistics

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
        if metric.features is Features.CLASSIFIER and not self.reference.has_classifier:
            option = f"{self.reference.prefix}features"
            return f"requires a classifier of {data.name}; use --{option}=classifier"
        if metric.features is Features.LOGITS and self.samples.features.logits is None:
            return "the feature network has no class logits"
        if metric.images is Images.UNSEEN and split == "train":
            return "requires images that were not trained on"
        if metric.images is Images.LABELLED and self.reference.images.labels is None:
            return f"{data.name} has no labelled {split} images"
        if metric.images is Images.LABELLED_TEST and (not data.test or data.test.labels is None):
            return f"{data.name} has no labelled test images"
        return None
