"""Comparison of several evaluations: Markdown, JSON, CSV, a figure and shared curves."""

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import plotting
from evaluation import families
from evaluation.metric import NEITHER, logged_metric
from evaluation.reports.tables import (
    by_dataset,
    low_middle_high,
    metric_names,
    notes,
    tables,
)
from models.scalars import group_of
from storage.files import write_atomically, write_json


def csv_rows(evaluations: Sequence[dict]) -> Iterator[list]:
    """Yield rows: run, metric, value, lowest and highest value over the seeds, protocol."""
    for evaluation in evaluations:
        for name, entry in evaluation["metrics"].items():
            low, value, high = low_middle_high(entry) or ("", "", "")
            yield [evaluation["name"], name, value, low, high, json.dumps(entry["protocol"])]


def direction(name: str) -> str:
    """Return the direction of a stored metric, "higher", "lower" or "" for neither."""
    metric = families.find(name)
    return metric.better if metric else NEITHER


def is_logarithmic(name: str) -> bool:
    """Return whether figures of a stored metric have a logarithmic axis."""
    metric = families.find(name)
    return bool(metric and metric.log)


def write_comparison(
    folder: Path, evaluations: Sequence[dict], logs: Mapping[str, Sequence[dict]]
) -> str:
    """Write the comparison of several evaluations as Markdown, JSON, CSV and figures.

    Args:
        folder: folder of the files.
        evaluations: records of evaluations.
        logs: records of metrics.jsonl by run, for curves.png.

    Returns:
        A line that lists the files.
    """
    write_json(folder / "comparison.json", evaluations)
    text = "\n".join(notes(evaluation) for evaluation in evaluations)
    write_atomically(folder / "comparison.md", f"{tables(evaluations)}\n\n```\n{text}\n```\n")
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["run", "metric", "value", "lowest", "highest", "protocol"])
    writer.writerows(csv_rows(evaluations))
    write_atomically(folder / "comparison.csv", text.getvalue())
    groups = by_dataset(evaluations)
    plotting.save_bars(
        folder / "comparison.png",
        [
            plotting.Bars(
                metric if len(groups) == 1 else f"{dataset}: {metric}",
                {e["name"]: low_middle_high(e["metrics"].get(metric)) for e in group},
                log=is_logarithmic(metric),
                better=direction(metric),
            )
            for dataset, group in groups.items()
            for metric in metric_names(group)
        ],
    )
    panels = shared_curves(logs)
    if panels:
        plotting.save_curves(folder / "curves.png", panels, "step")
    curves = " and curves.png" if panels else ""
    return f"comparison.md (with the protocols), .json, .csv and .png{curves} are in {folder}"


def shared_curves(logs: Mapping[str, Sequence[dict]]) -> list[plotting.Panel]:
    """Return a panel with a curve per run for each loss and metric that several logs have."""
    panels = []
    names = dict.fromkeys(name for records in logs.values() for r in records for name in r)
    for name in names:
        metric = logged_metric(name)
        group = group_of(name)
        if not metric and not (group and group.is_loss):
            continue
        series = {
            run: tuple(zip(*points, strict=True))
            for run, records in logs.items()
            if (points := [(r["step"], r[name]) for r in records if name in r])
        }
        if len(series) > 1:
            title = metric or name
            panels.append(plotting.Panel(title, series, log_y=is_logarithmic(title)))
    return panels
