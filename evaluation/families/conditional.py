"""Class accuracy of class-conditional samples."""

import numpy as np

import plotting
from evaluation.metric import HIGHER, SAMPLES, Family, Features
from evaluation.reference import counted
from metrics.measurement import Measurement
from models.abilities import CLASS_CONDITIONAL

CONDITIONS = Family("samples of classes", order=60, table=SAMPLES)


@CONDITIONS.metric(
    "conditional_accuracy",
    "share of samples, equally many per class, that a classifier assigns to their class",
    better=HIGHER,
    ability=CLASS_CONDITIONAL,
    features=Features.CLASSIFIER,
)
def conditional_accuracy(context):
    model, n = context.model, context.n
    labels = np.arange(n) % context.reference.data.num_classes
    latents = model.draw_latents(n, context.seed, labels)
    right = 0
    batches = counted(model.generate_batches(latents), n, "samples")
    for images in map(plotting.to_uint8, batches):
        expected, labels = labels[: len(images)], labels[len(images) :]
        right += int((context.extractor.classes(images) == expected).sum())
    return Measurement(right / n, {"n_fake": n, **context.features_protocol})
