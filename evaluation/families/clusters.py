"""Agreement of the categorical code with the classes of real and of generated images."""

import collections
from collections.abc import Iterable

import numpy as np

import plotting
from data import in_colour
from evaluation.categories import CLUSTER_ACCURACY
from evaluation.families.factors import latents
from evaluation.features import Extractor, classifier
from evaluation.metric import CODES, HIGHER, Family, Features, Images
from evaluation.reference import counted, in_batches, over_batches
from metrics import representation
from metrics.measurement import Measurement, MetricError
from models.abilities import CATEGORICAL_CODE

CLUSTERS = Family(
    "clusters",
    order=40,
    stage="codes",
    table=CODES,
    seeded=False,
    ability=CATEGORICAL_CODE,
    images=Images.LABELLED_TEST,
    better=HIGHER,
)

CLASS_INFORMATION = "category_class_information"
GRAY_CLASS_INFORMATION = f"gray_{CLASS_INFORMATION}"


def category_logits(context) -> np.ndarray:
    """Return the logits of the categories of all test images, [n, k]."""
    return over_batches(context.model.code_logits, context.reference.data.test)


def clustering(context) -> dict[str, Measurement]:
    """Return the metrics of the most likely category of each test image, by name."""
    data, logits = context.reference.data, context.shared(category_logits)
    found = representation.clustering(
        logits.argmax(1), data.test.labels, logits.shape[1], data.num_classes
    )
    count = {"n_test": len(logits)}
    names = {CLUSTER_ACCURACY: {"class_names": list(data.class_names)}}  # of its mapping
    return {
        name: Measurement(m.value, {**count, **m.protocol, **names.get(name, {})})
        for name, m in found.items()
    }


@CLUSTERS.metric(
    CLUSTER_ACCURACY,
    "share of test images whose category is matched to their class, by Hungarian matching; "
    "confusion.png shows the counts",
    source="Xie et al. 2016",
)
def cluster_accuracy(context):
    return context.shared(clustering)[CLUSTER_ACCURACY]


@CLUSTERS.metric("nmi", "normalised mutual information of category and class")
def nmi(context):
    return context.shared(clustering)["nmi"]


@CLUSTERS.metric("ari", "adjusted Rand index", source="Hubert and Arabie 1985")
def ari(context):
    return context.shared(clustering)["ari"]


def classifiers(context) -> dict[str, Extractor]:
    """Return the classifier of each wanted metric, by its name."""
    data, found = context.reference.data, {}
    if context.wants(CLASS_INFORMATION):
        found[CLASS_INFORMATION] = context.extractor
    if context.wants(GRAY_CLASS_INFORMATION) and in_colour(data.image_shape):
        network = classifier.of_gray_images(data.name, data.fingerprint)
        if network:
            found[GRAY_CLASS_INFORMATION] = network
    return found


def classes_of(context, batches: Iterable[np.ndarray]) -> dict[str, np.ndarray]:
    """Return the classes that each classifier predicts for images uint8, int [n]."""
    found = collections.defaultdict(list)
    for images in batches:
        for name, network in context.shared(classifiers).items():
            found[name].append(network.classes(images))
    return {name: np.concatenate(parts) for name, parts in found.items()}


def classes_of_samples(context) -> dict[str, np.ndarray]:
    """Return the classes that each classifier predicts for the samples."""
    batches = context.model.generate_batches(context.shared(latents))
    batches = counted(batches, context.n, "samples")
    return classes_of(context, map(plotting.to_uint8, batches))


def classes_of_test_images(context) -> dict[str, np.ndarray]:
    """Return the classes that each classifier predicts for the test images."""
    return classes_of(context, in_batches(context.reference.data.test))


def class_information(context, name: str) -> Measurement:
    """Return I(categorical code; class of the sample that a classifier predicts), in nats.

    The protocol lists the value for permuted codes, and that of test images with the categories
    that the model predicts.
    """
    network = context.shared(classifiers)[name]
    codes = np.argmax(context.shared(latents)[context.model.latents.categorical[0]], axis=1)
    classes = context.shared(classes_of_samples)[name]
    value, permuted = representation.class_information(codes, classes, context.seed)
    predicted = context.shared(category_logits).argmax(1)
    real, _ = representation.class_information(
        predicted, context.shared(classes_of_test_images)[name]
    )
    protocol = {
        "n_fake": len(codes), "n_test": len(predicted), "classifier": network.name,
        "classifier_sha256": network.sha256, "permuted": permuted, "real": real,
    }  # fmt: skip
    return Measurement(value, protocol)


@CLUSTERS.metric(
    CLASS_INFORMATION,
    "mutual information of the categorical code of a sample and its class by a classifier, in "
    "nats; the protocol lists that of test images and that of permuted codes",
    seeded=True,
    features=Features.CLASSIFIER,
)
def category_class_information(context):
    return class_information(context, CLASS_INFORMATION)


@CLUSTERS.metric(
    GRAY_CLASS_INFORMATION,
    "category_class_information of gray versions of colour samples, with a classifier of gray "
    "images, so that categories that are colours do not count",
    seeded=True,
)
def gray_category_class_information(context):
    data = context.reference.data
    if data.image_shape[-1] != 3:
        raise MetricError("requires images with three channels")
    if GRAY_CLASS_INFORMATION not in context.shared(classifiers):
        raise MetricError(
            f"requires a classifier of gray images of {data.name}; train it with "
            "train_classifier.py and to_gray"
        )
    return class_information(context, GRAY_CLASS_INFORMATION)
