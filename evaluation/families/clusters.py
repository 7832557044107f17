"""Agreement of the categorical code with the classes of real images."""

from evaluation.metric import CODES, HIGHER, Family, Images
from evaluation.reference import over_batches
from metrics import representation
from metrics.measurement import Measurement
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


CLUSTER_ACCURACY = "cluster_accuracy"


def clustering(context) -> dict[str, Measurement]:
    """Return the metrics of the most likely category of each test image, by name."""
    data = context.reference.data
    logits = over_batches(context.model.code_logits, data.test)
    found = representation.clustering(
        logits.argmax(1), data.test.labels, logits.shape[1], data.num_classes
    )
    count = {"n_test": len(logits)}
    return {name: Measurement(m.value, {**count, **m.protocol}) for name, m in found.items()}


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
