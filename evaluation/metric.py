"""Declaration of a metric: its name, meaning, direction, table and requirements."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Callable
from typing import TYPE_CHECKING

from evaluation.features import INCEPTION
from metrics.measurement import Measurement
from models.abilities import Ability

if TYPE_CHECKING:
    from evaluation.context import Context

HIGHER, LOWER, NEITHER = "higher", "lower", ""
SAMPLES, CODES, LIKELIHOOD = TABLES = ("samples", "codes", "likelihood")
NETWORK = "{features}"  # placeholder in a name for the name of the feature network
LOGGED = "metric_"  # prefix of the names of metrics in metrics.jsonl


def logged_metric(name: str) -> str | None:
    """Return the name of the metric logged under a name in metrics.jsonl, or None."""
    metric = name.removeprefix(LOGGED)
    return metric if metric != name else None


class Features(enum.Enum):
    """Feature network that a metric requires."""

    NONE = "none"
    OPTIONAL = "used if it classifies the data set"
    ANY = "any"
    LOGITS = "with class logits"
    CLASSIFIER = "a classifier of the data set"
    CLEAN = "Inception with the resizing of clean-fid"


class Images(enum.Enum):
    """Real images that a metric requires."""

    ANY = "any"
    UNSEEN = "reference images that were not trained on"
    LABELLED = "labelled reference images"
    LABELLED_TEST = "labelled test images"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Metric:
    """Metric of samples or of a model.

    Attributes:
        name: contains NETWORK if it depends on the name of the feature network.
        meaning: description in one line.
        measure: function of a context that returns the measurement, or raises MetricError if the
            metric is not defined.
        better: direction: HIGHER, LOWER or NEITHER.
        table: SAMPLES, CODES or LIKELIHOOD.
        stage: stage of the timer.
        source: paper.
        inception: name in the features of the Inception network, if it differs.
        log: True if figures have a logarithmic axis.
        default: True if train.py measures it by default.
        published: True if it is in the tables of published results.
        batch_of: for a metric of one batch, the name of the same metric of all samples.
        samples: True for a function of the samples alone; other metrics require a model.
        seeded: True if it depends on the evaluation seed.
        ability: ability of the model that it requires.
        features: feature network that it requires.
        images: real images that it requires.
    """

    name: str
    meaning: str
    measure: Callable[[Context], Measurement]
    better: str
    table: str
    stage: str
    source: str = ""
    inception: str = ""
    log: bool = False
    default: bool = False
    published: bool = True
    batch_of: str = ""
    samples: bool = False
    seeded: bool = True
    ability: Ability | None = None
    features: Features = Features.NONE
    images: Images = Images.ANY

    def exists_in(self, network: str) -> bool:
        """Return whether the metric is defined for the features of a network."""
        return self.features is not Features.CLEAN or network == INCEPTION

    def name_in(self, network: str) -> str:
        """Return the name of the metric in the features of a network."""
        if self.inception and network == INCEPTION:
            return self.inception
        return self.name.replace(NETWORK, network)

    def network_of(self, name: str) -> str | None:
        """Return the feature network in a name: "" if there is none, None for another metric."""
        if name == self.inception:
            return INCEPTION
        before, placeholder, after = self.name.partition(NETWORK)
        if not placeholder:
            return "" if name == self.name else None
        network = name.removeprefix(before).removesuffix(after)
        return network if network and self.name_in(network) == name else None


class Family:
    """Group of metrics with common attributes, declared in one file of `families/`.

    Args:
        title: heading of the family in the list of metrics.
        order: place of the family in its table.
        **shared: attributes of `Metric` for all its metrics; `stage` is the title by default.
    """

    def __init__(self, title: str, *, order: float = 1000, **shared):
        self.title, self.order = title, order
        self.shared = {"stage": title, **shared}
        self.metrics: list[Metric] = []

    def metric(self, name: str, meaning: str, **facts) -> Callable[[Callable], Callable]:
        """Return a decorator that declares the decorated function as a metric.

        Args:
            name: name of the metric.
            meaning: description in one line.
            **facts: further attributes of `Metric`.
        """

        def decorator(measure: Callable) -> Callable:
            declared = {**self.shared, **facts}
            self.metrics.append(Metric(name=name, meaning=meaning, measure=measure, **declared))
            return measure

        return decorator
