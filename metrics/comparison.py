"""Samples against real images, in the features of one network: the metrics by their names."""

import functools
from collections.abc import Callable, Iterable

import numpy as np

from evaluation.features.statistics import SMALL_BATCH, SPLITS, FeatureStatistics
from metrics.frechet import extrapolated_frechet_distance, frechet_distance
from metrics.inception_score import ClassProbabilities
from metrics.kernel import kernel_distance
from metrics.manifolds import manifold_metrics
from metrics.measurement import Measurement, MetricError
from metrics.moments import Moments

MANIFOLDS = ("precision", "recall", "density", "coverage")


class Comparison:
    """A set of samples beside a set of real images.

    Args:
        fake, real: of one feature network.
        seed: of the subsets that some metrics draw.
    """

    def __init__(self, fake: FeatureStatistics, real: FeatureStatistics, seed: int = 0):
        self.fake, self.real, self.seed = fake, real, seed

    def frechet(self) -> Measurement:
        return frechet_distance(self.fake.moments, self.real.moments)

    def extrapolated_frechet(self) -> Measurement:
        metric = extrapolated_frechet_distance(self.fake.features, self.real.moments, self.seed)
        return Measurement(metric.value, {**metric.protocol, "n_fake": len(self.fake.features)})

    def kernel(self) -> Measurement:
        metric = kernel_distance(self.fake.features, self.real.features, seed=self.seed)
        return Measurement(metric.value, {**metric.protocol, **self.kept})

    def score(self) -> Measurement:
        if self.fake.logits is None:
            raise MetricError("these features come without classes")
        if self.fake.probabilities is None:
            raise MetricError(f"needs at least {SPLITS} images, there are {self.fake.n}")
        metric = self.fake.probabilities.score()
        return Measurement(metric.value, {**metric.protocol, "n_real": 0})

    @functools.cached_property
    def manifolds(self) -> dict[str, Measurement]:
        metrics = manifold_metrics(self.fake.features, self.real.features)
        return {
            name: Measurement(m.value, {**m.protocol, **self.kept}) for name, m in metrics.items()
        }

    @property
    def kept(self) -> dict[str, int]:
        """How many images are compared where it is one by one."""
        return {"n_fake": len(self.fake.features), "n_real": len(self.real.features)}

    def small_frechet(self) -> Measurement:
        """The Fréchet distance of one batch of samples to one random batch of real images."""
        batches = [statistics.features for statistics in (self.fake, self.real)]
        if any(len(features) < SMALL_BATCH for features in batches):
            least = min(map(len, batches))
            raise MetricError(f"needs at least {SMALL_BATCH} images, there are {least}")
        fake, real = batches
        chosen = np.random.default_rng(self.seed).permutation(len(real))[:SMALL_BATCH]
        metric = frechet_distance(Moments.of(fake[:SMALL_BATCH]), Moments.of(real[chosen]))
        return Measurement(
            metric.value, {**metric.protocol, "n_fake": SMALL_BATCH, "n_real": SMALL_BATCH}
        )

    def small_score(self) -> Measurement:
        """The Inception Score of one batch of samples, in one split."""
        if self.fake.logits is None:
            raise MetricError("these features come without classes")
        probabilities = ClassProbabilities(len(self.fake.logits), splits=1)
        if probabilities.n < SMALL_BATCH:
            raise MetricError(f"needs at least {SMALL_BATCH} images, there are {probabilities.n}")
        probabilities.update(self.fake.logits)
        metric = probabilities.score()
        return Measurement(metric.value, {**metric.protocol, "n_fake": SMALL_BATCH, "n_real": 0})


def metrics_in(features: str) -> dict[str, Callable[[Comparison], Measurement]]:
    """The metrics that a feature network allows, by name.

    Only what is measured in the Inception network's features is called fid, kid and
    inception_score; in others it is fd_<features>, kd_<features> and is_<features>. What ends in
    _256 is the protocol of one batch.
    """
    suffix = f"_{features}"
    fd, kd, score = (f"{kind}{suffix}" for kind in ("fd", "kd", "is"))
    if features == "inception":
        fd, kd, score = "fid", "kid", "inception_score"
    return {
        fd: Comparison.frechet,
        f"{fd}_infinity": Comparison.extrapolated_frechet,
        kd: Comparison.kernel,
        score: Comparison.score,
        **{name: lambda c, name=name: c.manifolds[name] for name in MANIFOLDS},
        f"{fd}_{SMALL_BATCH}": Comparison.small_frechet,
        f"{score}_{SMALL_BATCH}": Comparison.small_score,
    }


def compare(comparison: Comparison, wanted: Iterable[str]) -> dict[str, Measurement]:
    """The wanted metrics; without a value, and with the reason, where one cannot be had."""
    functions = metrics_in(comparison.fake.extractor.name)
    metrics = {}
    for name in wanted:
        try:
            metrics[name] = functions[name](comparison)
        except MetricError as error:
            metrics[name] = Measurement(None, {"reason": str(error)})
    return metrics
