"""Distances of the reference images to their reconstructions."""

import collections

import numpy as np

import plotting
from evaluation.metric import CODES, HIGHER, LOWER, Family, Features, Images
from evaluation.reference import in_batches
from metrics import reconstruction
from metrics.measurement import Measurement
from models.abilities import RECONSTRUCT

RECONSTRUCTIONS = Family(
    "reconstructions", order=20, table=CODES, ability=RECONSTRUCT, seeded=False
)
ERROR, DISTANCE, ACCURACY = (
    f"reconstruction_{end}" for end in ("error", "feature_distance", "accuracy")
)


def compared(context) -> dict[str, np.ndarray]:
    """Return the wanted values of each reference image, name -> [n].

    The values of ACCURACY are the predicted classes of the reconstructions.

    Raises:
        MetricError: a reconstruction is not finite.
    """
    import tensorflow as tf

    from models.base import to_unit_range

    wanted = [name for name in (ERROR, DISTANCE, ACCURACY) if context.wants(name)]
    found = collections.defaultdict(list)
    for images in in_batches(context.reference.images):
        x = to_unit_range(tf.constant(images))
        y = np.asarray(context.model.reconstruct(x))
        values = {ERROR: reconstruction.squared_errors(x.numpy(), y)}
        if set(wanted) - {ERROR}:
            features, logits = context.extractor(plotting.to_uint8(y))
        if DISTANCE in wanted:
            real, _ = context.extractor(images)
            values[DISTANCE] = reconstruction.feature_distances(real, features)
        if ACCURACY in wanted:
            values[ACCURACY] = logits.argmax(1)
        for name in wanted:
            found[name].append(values[name])
    return {name: np.concatenate(parts) for name, parts in found.items()}


def mean(context, values: np.ndarray, **protocol) -> Measurement:
    """Return the mean over the reference images as a measurement."""
    return Measurement(float(np.mean(values)), {**context.reference.protocol, **protocol})


@RECONSTRUCTIONS.metric(
    ERROR,
    "mean squared error of the reconstructions of real images, per pixel and channel, of images "
    "in [-1, 1]",
    better=LOWER,
)
def error(context):
    return mean(context, context.shared(compared)[ERROR])


@RECONSTRUCTIONS.metric(
    DISTANCE,
    "squared distance of the normalised features of images and reconstructions",
    source="after Zhang et al. 2018",
    better=LOWER,
    features=Features.ANY,
)
def feature_distance(context):
    return mean(context, context.shared(compared)[DISTANCE], **context.features_protocol)


@RECONSTRUCTIONS.metric(
    ACCURACY,
    "share of reconstructions that a classifier assigns to the class of the image",
    better=HIGHER,
    features=Features.CLASSIFIER,
    images=Images.LABELLED,
)
def accuracy(context):
    right = context.shared(compared)[ACCURACY] == context.reference.images.labels
    return mean(context, right, **context.features_protocol)
