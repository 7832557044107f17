"""Families of metrics, one per file; every file of this folder is found by itself.

They can be read without TensorFlow: what needs it is imported inside functions.
"""

import functools
import importlib
import pkgutil
import textwrap

from evaluation.features import NAMES
from evaluation.metric import NEITHER, NETWORK, TABLES, Family, Features, Metric

INDENT = " " * 6


@functools.cache
def families() -> tuple[Family, ...]:
    """Return the families in the order of the tables."""
    modules = [
        importlib.import_module(f"{__name__}.{m.name}") for m in pkgutil.iter_modules(__path__)
    ]
    found = [f for module in modules for f in vars(module).values() if isinstance(f, Family)]
    return tuple(sorted(found, key=lambda f: (TABLES.index(f.metrics[0].table), f.order)))


def declared() -> list[Metric]:
    """Return all metrics in the order of the tables."""
    return [metric for family in families() for metric in family.metrics]


def named(network: str | None) -> dict[str, Metric]:
    """Return the metrics by their names in the features of a network; without one, those that
    need no network."""
    if network is None:
        return {m.name: m for m in declared() if m.features is Features.NONE}
    return {metric.name_in(network): metric for metric in declared()}


def find(name: str) -> Metric | None:
    """Return the metric of a stored name, in whatever features; None if no metric has the name."""
    found = [metric for metric in declared() if metric.network_of(name) is not None]
    return max(found, key=lambda metric: len(metric.name), default=None)


def networks_of(name: str) -> list[str]:
    """Return the networks of fixed names in whose features there is a metric of that name."""
    fixed = [network for network in NAMES if network not in ("auto", "classifier")]
    return [network for network in fixed if name in named(network)]


def of_all_samples(name: str) -> str | None:
    """Return the name of the metric of all samples, of a name of one of a single batch; else
    None."""
    metric = find(name)
    if metric is None or not metric.batch_of:
        return None
    (whole,) = (other for other in declared() if other.name == metric.batch_of)
    return whole.name_in(metric.network_of(name))


def describe() -> str:
    """Return the list of all metrics, by family, for `--help`."""
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
