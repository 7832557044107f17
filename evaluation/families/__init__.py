"""Families of metrics, one per file; the files of this folder are discovered automatically.

Importing them does not import TensorFlow; their functions do.
"""

import collections
import functools
import importlib
import pkgutil
import textwrap
from collections.abc import Iterable
from typing import Any

from evaluation.features import fixed_names
from evaluation.metric import NEITHER, NETWORK, TABLES, Family, Features, Metric

INDENT = " " * 6


@functools.cache
def families() -> tuple[Family, ...]:
    """Return the families of all files in the order of the tables."""
    modules = [
        importlib.import_module(f"{__name__}.{m.name}") for m in pkgutil.iter_modules(__path__)
    ]
    return in_order(value for module in modules for value in vars(module).values())


def in_order(values: Iterable[Any]) -> tuple[Family, ...]:
    """Return the families among values, each once, in the order of the tables.

    Raises:
        ValueError: a family has no metrics, or two metrics have the same name.
    """
    found = {id(value): value for value in values if isinstance(value, Family)}.values()
    if empty := [family.title for family in found if not family.metrics]:
        raise ValueError(f"the family {empty[0]} has no metrics")
    names = collections.Counter(metric.name for family in found for metric in family.metrics)
    if doubled := [name for name, count in names.items() if count > 1]:
        raise ValueError(f"two metrics have the name {', '.join(doubled)}")
    return tuple(sorted(found, key=lambda f: (TABLES.index(f.metrics[0].table), f.order)))


def declared() -> list[Metric]:
    """Return all metrics in the order of the tables."""
    return [metric for family in families() for metric in family.metrics]


def named(network: str | None) -> dict[str, Metric]:
    """Return the metrics by name for a feature network.

    Without a network, return the metrics that require no features.
    """
    if network is None:
        return {m.name: m for m in declared() if m.features is Features.NONE}
    return {m.name_in(network): m for m in declared() if m.exists_in(network)}


def find(name: str) -> Metric | None:
    """Return the metric of a name for any feature network, or None."""
    found = [metric for metric in declared() if metric.network_of(name) is not None]
    return max(found, key=lambda metric: len(metric.name), default=None)


def networks_of(name: str) -> list[str]:
    """Return the built-in feature networks in which a metric of this name exists."""
    return [network for network in fixed_names() if name in named(network)]


def of_all_samples(name: str) -> str | None:
    """Return the name of the all-samples counterpart of a one-batch metric, or None."""
    metric = find(name)
    if metric is None or not metric.batch_of:
        return None
    (whole,) = (other for other in declared() if other.name == metric.batch_of)
    return whole.name_in(metric.network_of(name))


def describe() -> str:
    """Return the help text: all metrics by family."""
    return "\n\n".join(
        "\n".join([f"{family.title}:", *map(_described, family.metrics)]) for family in families()
    )


def _described(metric: Metric) -> str:
    name = metric.name.replace(NETWORK, "<features>")
    alias = f"  (inception: {metric.inception})" if metric.inception else ""
    better = "" if metric.better == NEITHER else f"; {metric.better} is better"
    source = f" ({metric.source})" if metric.source else ""
    text = f"{metric.meaning}{source}{better}"
    return f"  {name}{alias}\n" + textwrap.fill(
        text, 96, initial_indent=INDENT, subsequent_indent=INDENT, break_on_hyphens=False
    )
