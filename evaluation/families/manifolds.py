"""Precision, recall, density and coverage of samples, in the features of a network."""

from evaluation.metric import HIGHER, SAMPLES, Family, Features
from metrics.manifolds import manifold_metrics
from metrics.measurement import Measurement

MANIFOLDS = Family(
    "precision and recall",
    order=20,
    stage="distances",
    table=SAMPLES,
    samples=True,
    features=Features.ANY,
    better=HIGHER,
)
KYNKAANNIEMI, NAEEM = "Kynkäänniemi et al. 2019", "Naeem et al. 2020"


def manifolds(context) -> dict[str, Measurement]:
    """Return the four measurements by name."""
    fake, real = context.compared_features
    counts = {"n_fake": len(fake), "n_real": len(real)}
    found = manifold_metrics(fake, real)
    return {name: Measurement(m.value, {**m.protocol, **counts}) for name, m in found.items()}


@MANIFOLDS.metric(
    "precision",
    "share of samples inside the manifold of the real images (k = 5)",
    source=KYNKAANNIEMI,
)
def precision(context):
    return context.shared(manifolds)["precision"]


@MANIFOLDS.metric(
    "recall", "share of real images inside the manifold of the samples (k = 5)", source=KYNKAANNIEMI
)
def recall(context):
    return context.shared(manifolds)["recall"]


@MANIFOLDS.metric(
    "density",
    "mean number of real images whose neighbourhood contains the sample, divided by k = 5; less "
    "sensitive to outliers than precision",
    source=NAEEM,
)
def density(context):
    return context.shared(manifolds)["density"]


@MANIFOLDS.metric(
    "coverage",
    "share of real images with a sample in their neighbourhood (k = 5); less sensitive to "
    "outliers than recall",
    source=NAEEM,
)
def coverage(context):
    return context.shared(manifolds)["coverage"]
