"""Bounds of the likelihood of real images."""

import math

import numpy as np

from evaluation.metric import HIGHER, LIKELIHOOD, LOWER, Family
from evaluation.reference import in_batches
from metrics import likelihood
from metrics.measurement import Measurement, MetricError
from models import abilities

LIKELIHOODS = Family(
    "likelihoods", order=20, table=LIKELIHOOD, seeded=False, ability=abilities.LIKELIHOOD
)


def log_weights(context) -> np.ndarray:
    """Return log p(x, z) - log q(z|x) of latent samples z of each image, [samples, n], in nats."""
    import tensorflow as tf

    from models.base import to_unit_range

    samples, seed = context.likelihood_samples, context.seed
    parts = [
        np.asarray(context.model.log_weights(to_unit_range(tf.constant(batch)), samples, seed))
        for batch in in_batches(context.reference.images)
    ]
    return np.concatenate(parts, axis=1)


def mean(context, values: np.ndarray, **facts) -> Measurement:
    """Return the mean over the reference images as a measurement."""
    protocol = {
        **context.reference.protocol,
        "samples": context.likelihood_samples,
        "seed": context.seed,
        "likelihood": context.model.likelihood,
    }
    return Measurement(float(values.mean()), {**protocol, **facts})


@LIKELIHOODS.metric(
    "elbo",
    "lower bound of the log likelihood of a real image in nats, from likelihood_samples latent "
    "samples",
    source="Kingma and Welling 2014",
    better=HIGHER,
)
def elbo(context):
    return mean(context, likelihood.elbo(context.shared(log_weights)), unit="nats")


@LIKELIHOODS.metric(
    "importance_weighted_bound",
    "tighter lower bound of the log likelihood in nats, from the same latent samples",
    source="Burda et al. 2016",
    better=HIGHER,
)
def importance_weighted_bound(context):
    bound = likelihood.importance_weighted_bound(context.shared(log_weights))
    return mean(context, bound, unit="nats")


@LIKELIHOODS.metric(
    "bits_per_dimension",
    "bits per dimension of images that are not binary, from importance_weighted_bound, without "
    "dequantisation noise; with a squared-error likelihood the variance is fixed at 1/2, so the "
    "value is at least 7.82; do not compare it with models that learn the variance",
    source="after Theis et al. 2016",
    better=LOWER,
)
def bits_per_dimension(context):
    if not context.model.likelihood_is_density:
        raise MetricError("requires a density; a Bernoulli likelihood has none")
    bound = likelihood.importance_weighted_bound(context.shared(log_weights))
    dimensions = math.prod(context.reference.data.image_shape)
    return mean(context, likelihood.bits_per_dimension(bound, dimensions), dequantisation="none")
