"""Distances of one batch of samples, for comparison with studies that report these."""

import numpy as np

from evaluation.features.statistics import SMALL_BATCH
from evaluation.metric import HIGHER, LOWER, SAMPLES, Family, Features
from metrics.frechet import frechet_distance
from metrics.inception_score import ClassProbabilities
from metrics.measurement import Measurement, MetricError
from metrics.moments import Moments

BATCHES = Family(
    f"distances of one batch of {SMALL_BATCH} samples",
    order=30,
    stage="distances",
    table=SAMPLES,
    samples=True,
    published=False,
)


def require_batch(count: int) -> None:
    """Raise MetricError if there are fewer images than a batch."""
    if count < SMALL_BATCH:
        raise MetricError(f"needs at least {SMALL_BATCH} images, there are {count}")


@BATCHES.metric(
    f"fd_{{features}}_{SMALL_BATCH}",
    "Fréchet distance between one batch of samples and one random batch of real images",
    inception=f"fid_{SMALL_BATCH}",
    batch_of="fd_{features}",
    features=Features.ANY,
    better=LOWER,
    log=True,
)
def frechet_of_batch(context):
    fake, real = context.compared_features
    require_batch(min(len(fake), len(real)))
    chosen = np.random.default_rng(context.seed).permutation(len(real))[:SMALL_BATCH]
    metric = frechet_distance(Moments.of(fake[:SMALL_BATCH]), Moments.of(real[chosen]))
    counts = {"n_fake": SMALL_BATCH, "n_real": SMALL_BATCH}
    return Measurement(metric.value, {**metric.protocol, **counts})


@BATCHES.metric(
    f"is_{{features}}_{SMALL_BATCH}",
    "Inception Score of one batch, in one split",
    inception=f"inception_score_{SMALL_BATCH}",
    batch_of="is_{features}",
    features=Features.LOGITS,
    better=HIGHER,
)
def score_of_batch(context):
    logits = context.samples.features.logits
    require_batch(len(logits))
    probabilities = ClassProbabilities(len(logits), splits=1)
    probabilities.update(logits)
    metric = probabilities.score()
    return Measurement(metric.value, {**metric.protocol, "n_fake": SMALL_BATCH, "n_real": 0})
