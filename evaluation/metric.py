"""Declaration of a metric: one object states its name, meaning, direction, table and needs."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Callable
from typing import TYPE_CHECKING

from metrics.measurement import Measurement
from models.abilities import Ability

if TYPE_CHECKING:
    from evaluation.context import Context

HIGHER, LOWER, NEITHER = "higher", "lower", ""
SAMPLES, CODES, LIKELIHOOD = TABLES = ("samples", "codes", "likelihood")
NETWORK = "{features}"  # in a name: the name of the feature network
INCEPTION = "inception"
LOGGED = "metric_"  # begins the names that metrics have in metrics.jsonl


def logged_metric(name: str) -> str | None:
    """Return the metric that a name in metrics.jsonl is of, or None."""
    metric = name.removeprefix(LOGGED)
    return metric if metric != name else None


class Features(enum.Enum):
    """Feature network that a metric needs."""

    NONE = "none"
    OPTIONAL = "used if it classifies the data set"
    ANY = "any"
    LOGITS = "with class logits"
    CLASSIFIER = "a classifier of the data set"


class Images(enum.Enum):
    """Real images that a metric needs beside the reference images."""

    ANY = "any"
    UNSEEN = "reference images that were not trained on"
    LABELLED = "labelled reference images"
    LABELLED_TEST = "labelled test images"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Metric:
    """A metric of samples or of a model.

    Attributes:
        name: with NETWORK in the place of the feature network's name, if it depends on that.
        meaning: one line.
        measure: function of a context that returns the measurement, or raises MetricError where
            the metric is not defined.
        better: direction: HIGHER, LOWER or NEITHER.
        table: SAMPLES, CODES or LIKELIHOOD.
        stage: its seconds are counted by this name.
        source: paper.
        inception: name in the features of the Inception network, if it has one of its own there.
        log: whether figures have a logarithmic axis.
        published: whether the README's tables have it.
        batch_of: name of the metric of all samples that this is the protocol of one batch of.
        samples: whether it is a function of the drawn samples alone; all others need a model.
        seeded: whether it depends on the evaluation seed.
        ability: ability of the model that it needs.
        features, images: what it needs beside.
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
    published: bool = True
    batch_of: str = ""
    samples: bool = False
    seeded: bool = True
    ability: Ability | None = None
    features: Features = Features.NONE
    images: Images = Images.ANY

    def name_in(self, network: str) -> str:
        """Return its name in the features of a network."""
        if self.inception and network == INCEPTION:
            return self.inception
        return self.name.replace(NETWORK, network)

    def network_of(self, name: str) -> str | None:
        """Return the network in whose features it has a name: "" if any, None if in none."""
        if name == self.inception:
            return INCEPTION
        before, placeholder, after = self.name.partition(NETWORK)
        if not placeholder:
            return "" if name == self.name else None
        network = name.removeprefix(before).removesuffix(after)
        return network if network and self.name_in(network) == name else None


class Family:
    """Metrics of one file of `families/`, which share facts.

    Args:
        title: heading of the family in the list of metrics.
        order: place of the family in its table.
        **shared: facts of all its metrics, as of `Metric`; `stage` is the title if not given.
    """

    def __init__(self, title: str, *, order: float = 1000, **shared):
        self.title, self.order = title, order
        self.shared = {"stage": title, **shared}
        self.metrics: list[Metric] = []

    def metric(self, name: str, meaning: str, **facts) -> Callable[[Callable], Callable]:
        """Return a decorator that declares a metric, which the decorated function measures."""

        def decorator(measure: Callable) -> Callable:
            declared = {**self.shared, **facts}
            self.metrics.append(Metric(name=name, meaning=meaning, measure=measure, **declared))
            return measure

        return decorator
