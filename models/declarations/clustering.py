"""Clustering of real images by Q, selected by `clustering`, and its options."""

import dataclasses

from fields import Choice, Choices, field
from losses.clustering import contrastive, invariant_information

AUTO, NONE = "auto", "none"


def explicit(text: str) -> str | None:
    """Return the value of `clustering`; None, the default, for AUTO."""
    return None if text == AUTO else text


@dataclasses.dataclass(frozen=True, kw_only=True)
class Clustering(Choice):
    """Objective by which Q learns categories from real images.

    `make` is (outputs for copies a, outputs for copies b, **options of the loss) -> terms by name,
    each [n] or a scalar, see losses.clustering.

    Attributes:
        clusters: True if categories are learnt from real images.
        categorical_weight: default of the option of that name.
        auxiliary: name of the option with the units of the auxiliary head.
        of_loss: names of the options of the loss.
    """

    clusters: bool = True
    categorical_weight: float = 0.5
    auxiliary: str = ""
    of_loss: tuple[str, ...] = ()


def _option(default, help: str, **facts):
    return field(default, help, group="clustering", **facts)


Q_OPTIONS = {
    "q_trunk": _option(
        "own",
        "trunk of the categories of Q: own, or shared with the discriminator",
        choices=("own", "shared"),
    ),
    "q_width": _option(
        32,
        "channels of the first convolution of Q's own trunk, doubled at each halving of the side "
        "up to 8 times the first",
        at_least=1,
    ),
    "q_heads": _option(
        3, "heads of each categorical code, of which one is selected, without labels", at_least=1
    ),
    "q_head_units": _option(256, "units of the hidden layer of each head", at_least=1),
    "selection_step": _option(
        1000,
        "step at which a head is selected and the generator's loss begins to include the "
        "categories, at most a tenth of the training",
        at_least=1,
    ),
    "train_q_on_generated": _option(False, "train the categories of Q on generated images as well"),
    "generated_copy_strength": _option(
        0.4,
        "strength of the changes of generated images before Q predicts their categories, relative "
        "to those of real images; 0: no changes",
        at_least=0,
        at_most=1,
    ),
    "clustering_learning_rate": _option(
        1e-3, "learning rate of the categories of Q", above=0, schedulable=True
    ),
}

CLUSTERINGS = Choices(
    Clustering,
    Clustering(name=NONE, clusters=False, categorical_weight=1.0),
    Clustering(
        name="contrastive",
        make=contrastive,
        options={
            **Q_OPTIONS,
            "embedding_dim": _option(
                64,
                "dimensions of the embeddings of the instance-level contrastive loss",
                at_least=2,
            ),
            "instance_temperature": _option(0.5, "temperature of the instance-level loss", above=0),
            "cluster_temperature": _option(1.0, "temperature of the cluster-level loss", above=0),
        },
        auxiliary="embedding_dim",
        of_loss=("instance_temperature", "cluster_temperature"),
    ),
    Clustering(
        name="iic",
        make=invariant_information,
        options={
            **Q_OPTIONS,
            "overclustering": _option(
                50, "categories of the auxiliary over-clustering head (Ji et al. 2019)", at_least=2
            ),
        },
        auxiliary="overclustering",
    ),
)
