"""Gray levels of samples, duplicates, and copies of training images."""

import numpy as np

from evaluation.metric import HIGHER, LOWER, NEITHER, SAMPLES, Family, Images
from evaluation.reference import in_batches
from metrics import neighbours
from metrics.measurement import Measurement
from metrics.pixels import pixel_statistics

PIXELS = Family("pixels", order=40, table=SAMPLES, samples=True, published=False)
UNSEEN = 1000  # maximum number of reference images for the threshold of a copy


def pixels(context) -> dict[str, Measurement]:
    """Return the metrics of gray levels and distinct samples by name."""
    return pixel_statistics(context.samples.pixels, context.reference.pixels)


@PIXELS.metric(
    "pixel_mean", "mean gray level; the protocol lists that of real images", better=NEITHER
)
def pixel_mean(context):
    return context.shared(pixels)["pixel_mean"]


@PIXELS.metric(
    "pixel_std",
    "standard deviation of gray levels; the protocol lists that of real images",
    better=NEITHER,
)
def pixel_std(context):
    return context.shared(pixels)["pixel_std"]


@PIXELS.metric(
    "pixel_distance",
    "1-Wasserstein distance between the gray levels of samples and of real images",
    better=LOWER,
)
def pixel_distance(context):
    return context.shared(pixels)["pixel_distance"]


@PIXELS.metric(
    "distinct_share", "share of samples that are not an exact copy of an earlier one", better=HIGHER
)
def distinct_share(context):
    return context.shared(pixels)["distinct_share"]


@PIXELS.metric(
    "copied_share",
    "share of samples that are closer to their nearest training image than 99 % of the test images "
    "are to theirs; neighbours.png shows samples beside their nearest training images",
    better=LOWER,
    published=True,
    stage="neighbours",
    images=Images.UNSEEN,
)
def copied_share(context):
    reference = context.reference
    unseen = np.concatenate(list(in_batches(reference.images, seed=0, most=UNSEEN)))
    return neighbours.copied_share(context.samples.first, context.train.images, unseen)
