"""Distances of samples to the reference images, in the features of a network.

In the features of the Inception network their names are fid, kid and inception_score; clean_fid has
another resizing.
"""

from evaluation.features.statistics import SPLITS
from evaluation.metric import HIGHER, LOWER, SAMPLES, Family, Features
from metrics.frechet import extrapolated_frechet_distance, frechet_distance
from metrics.kernel import kernel_distance
from metrics.measurement import Measurement, MetricError

DISTANCES = Family("distances", order=10, table=SAMPLES, samples=True, features=Features.ANY)


@DISTANCES.metric(
    "fd_{features}",
    "Fréchet distance between Gaussians fitted to the features",
    inception="fid",
    source="Heusel et al. 2017",
    better=LOWER,
    log=True,
    default=True,
)
def frechet(context):
    return frechet_distance(context.samples.features.moments, context.real_features.moments)


@DISTANCES.metric(
    "fd_{features}_infinity",
    "Fréchet distance, extrapolated to infinitely many samples",
    inception="fid_infinity",
    source="Chong and Forsyth 2020",
    better=LOWER,
    log=True,
    published=False,
)
def extrapolated_frechet(context):
    features, real = context.samples.features.features, context.real_features.moments
    metric = extrapolated_frechet_distance(features, real, context.seed)
    return Measurement(metric.value, {**metric.protocol, "n_fake": len(features)})


@DISTANCES.metric(
    "clean_fid",
    "Fréchet distance in features of Inception by the clean-fid protocol: images resized by "
    "Pillow's bicubic filter, antialiased and not quantized; requires features=inception, and is "
    "not comparable with fid",
    source="Parmar et al. 2022",
    features=Features.CLEAN,
    better=LOWER,
    log=True,
)
def clean_frechet(context):
    return frechet_distance(
        context.samples.clean_features.moments, context.clean_real_features.moments
    )


@DISTANCES.metric(
    "kd_{features}",
    "unbiased kernel distance, mean of 100 subsets of 1,000",
    inception="kid",
    source="Bińkowski et al. 2018",
    better=LOWER,
    log=True,
)
def kernel(context):
    fake, real = context.compared_features
    metric = kernel_distance(fake, real, seed=context.seed)
    return Measurement(metric.value, {**metric.protocol, "n_fake": len(fake), "n_real": len(real)})


@DISTANCES.metric(
    "is_{features}",
    "Inception Score: confident and diverse class predictions, mean of 10 splits",
    inception="inception_score",
    source="Salimans et al. 2016",
    better=HIGHER,
    features=Features.LOGITS,
)
def score(context):
    statistics = context.samples.features
    if statistics.probabilities is None:
        raise MetricError(f"needs at least {SPLITS} images, there are {statistics.n}")
    metric = statistics.probabilities.score()
    return Measurement(metric.value, {**metric.protocol, "n_real": 0})
