"""Figures of a comparison: metrics as dots with ranges, and shared curves of the trainings.

Runs of one configuration with several seeds share a row and a colour.
"""

import re
from collections.abc import Hashable, Mapping, Sequence
from os.path import basename

import numpy as np

import plotting
from evaluation import families
from evaluation.metric import NEITHER, logged_metric
from evaluation.reports.tables import by_dataset, low_middle_high, metric_names
from models.scalars import group_of
from plotting.looks import Look, in_order, look_of, look_with_marker

SEED = re.compile(r"([\W_]*seed[\W_]*\d*)?[\W_]*$")  # end of the names of runs of one configuration

Logs = Mapping[str, Sequence[dict]]  # records of metrics.jsonl by run
Rows = Mapping[str, Sequence[str]]  # label of a configuration -> names of its runs


def direction(name: str) -> str:
    """Return the direction of a stored metric, "higher", "lower" or "" for neither."""
    metric = families.find(name)
    return metric.better if metric else NEITHER


def is_logarithmic(name: str) -> bool:
    """Return whether figures of a stored metric have a logarithmic axis."""
    metric = families.find(name)
    return bool(metric and metric.log)


def look_of_metric(name: str) -> Look:
    """Return the look of the curve of a metric: one of its own for each declared metric."""
    metric = families.find(name)
    return (
        look_with_marker([m.name for m in families.declared()].index(metric.name))
        if metric
        else look_of(name)
    )


def rows_of(names: Sequence[str], configurations: Mapping[str, Hashable]) -> Rows:
    """Group runs by their configuration.

    Args:
        names: names of the runs; a baseline of several data sets has the same name in each.
        configurations: run -> the values that runs with other seeds share; a run without an entry
            has a row of its own.

    Returns:
        Label -> runs. The label of one run is its name, that of several the first words of their
        names, without "seed", or all names. Folders are left out if the names differ without them.
    """
    groups: dict[Hashable, list[str]] = {}
    for name in dict.fromkeys(names):
        groups.setdefault(configurations.get(name, (name,)), []).append(name)
    shown = {name: basename(name.rstrip("/")) for name in names}
    if len({*shown.values()}) < len(shown):
        shown = {name: name for name in names}
    members = [[shown[name] for name in group] for group in groups.values()]
    labels = [SEED.sub("", beginning(each)) if each[1:] else each[0] for each in members]
    labels = [
        label if label and labels.count(label) == 1 else ", ".join(each)
        for label, each in zip(labels, members, strict=True)
    ]
    return dict(zip(labels, groups.values(), strict=True))


def beginning(names: Sequence[str]) -> str:
    """Return the whole words with which all names begin."""
    equal = [len({*letters}) == 1 for letters in zip(*names, strict=False)]
    common = names[0][: [*equal, False].index(False)]
    if all(re.match(r"[\W_]|$", name[len(common) :]) for name in names):
        return common
    return re.sub(r"[^\W_]+$", "", common)


def title_of(evaluations: Sequence[dict]) -> str:
    """Return the title of figures of evaluations: their models and data sets."""
    protocols = [entry["protocol"] for e in evaluations for entry in e["metrics"].values()]
    models = dict.fromkeys(p["model"] for p in protocols if p.get("model"))
    datasets = ", ".join(dict.fromkeys(e["dataset"] for e in evaluations))
    return f"{', '.join(models) or 'images'} on {datasets}"


def metric_panels(evaluations: Sequence[dict], rows: Rows) -> list[plotting.Dots]:
    """Return a panel per metric of each data set, with a row per configuration.

    The middle of a configuration is the mean over its runs, the range that of all their values. It
    is n/a if one of the runs lacks the metric, as in the table of a study.
    """
    groups = by_dataset(evaluations)
    looks = in_order(rows)
    panels = []
    for dataset, group in groups.items():
        entries = {evaluation["name"]: evaluation["metrics"] for evaluation in group}
        for metric in metric_names(group):
            values, seeds = {}, {}
            for label, runs in rows.items():
                if not any(run in entries for run in runs):
                    continue
                found = [low_middle_high(entries[r].get(metric)) for r in runs if r in entries]
                if None in found:
                    values[label] = None
                    continue
                low, middle, high = np.array(found).T
                values[label] = (low.min(), middle.mean(), high.max())
                if len(runs) > 1:
                    seeds[label] = middle.tolist()
            panels.append(
                plotting.Dots(
                    metric if len(groups) == 1 else f"{dataset}: {metric}",
                    values,
                    seeds=seeds,
                    log=is_logarithmic(metric),
                    better=direction(metric),
                    looks=looks,
                )
            )
    return panels


def curve_panels(logs: Logs, rows: Rows) -> list[plotting.Panel]:
    """Return a panel for each loss and metric that several logs have.

    It has a curve per configuration: that of a run, or the mean of several with their own; without
    a step that all of them have, their own alone.
    """
    looks = in_order(rows)
    panels = []
    names = dict.fromkeys(name for records in logs.values() for r in records for name in r)
    for name in names:
        metric = logged_metric(name)
        group = group_of(name)
        if not metric and not (group and group.is_loss):
            continue
        series, seeds, colours, count = {}, {}, {}, 0
        for row, runs in rows.items():
            own = [curve for run in runs if (curve := curve_of(logs.get(run, ()), name))]
            count += len(own)
            if not own:
                continue
            mean = mean_of(own)
            averaged = len(own) > 1 and mean[0]
            label = f"{row}, mean of {len(own)} seeds" if averaged else row
            colours[label] = looks[row]
            series[label] = mean if len(own) > 1 else own[0]
            seeds[label] = own[1:] and own
        if count > 1:
            title, log = metric or name, is_logarithmic(metric or name)
            panels.append(plotting.Panel(title, series, log_y=log, looks=colours, seeds=seeds))
    return panels


def curve_of(records: Sequence[dict], name: str) -> tuple[tuple, tuple] | None:
    """Return the steps and values of a scalar in the records of a log, None without any."""
    points = [(record["step"], record[name]) for record in records if name in record]
    return tuple(zip(*points, strict=True)) if points else None


def mean_of(curves: Sequence[tuple[tuple, tuple]]) -> tuple[tuple, tuple]:
    """Return the mean of curves at the steps that all of them have."""
    values = [dict(zip(*curve, strict=True)) for curve in curves]
    common = sorted(set.intersection(*(set(one) for one in values)))
    return tuple(common), tuple(float(np.mean([one[step] for one in values])) for step in common)
