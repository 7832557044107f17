"""Accuracy of classifiers of an encoder's codes."""

from evaluation.metric import CODES, HIGHER, Family, Images
from evaluation.reference import over_batches
from metrics import representation
from metrics.measurement import Measurement
from models.abilities import ENCODE

ENCODINGS = Family(
    "encodings",
    order=30,
    stage="codes",
    table=CODES,
    seeded=False,
    ability=ENCODE,
    images=Images.LABELLED_TEST,
    better=HIGHER,
)
SHARE = "share of test images whose class is predicted from their encoding by "


def encodings(context):
    """Return the codes of the training and of the test images, [n, d] and [m, d]."""
    data, encode = context.reference.data, context.model.encode
    test = over_batches(encode, data.test)
    return over_batches(encode, data.train), test


def accuracy(context, measure) -> Measurement:
    """Return the test accuracy of a classifier fitted to the codes of the training images."""
    (train, test), data = context.shared(encodings), context.reference.data
    protocol = {"n_train": len(train), "n_test": len(test), "code_dimension": train.shape[1]}
    metric = measure(train, data.train.labels, test, data.test.labels)
    return Measurement(metric.value, {**protocol, **metric.protocol})


@ENCODINGS.metric("knn1_accuracy", SHARE + "the nearest training image")
def knn1_accuracy(context):
    return accuracy(context, lambda *codes: representation.knn_accuracy(*codes, k=1))


@ENCODINGS.metric("knn3_accuracy", SHARE + "the 3 nearest training images")
def knn3_accuracy(context):
    return accuracy(context, lambda *codes: representation.knn_accuracy(*codes, k=3))


@ENCODINGS.metric(
    "linear_probe_accuracy", SHARE + "logistic regression", source="Alain and Bengio 2016"
)
def linear_probe_accuracy(context):
    return accuracy(context, representation.linear_probe_accuracy)
