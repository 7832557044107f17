"""Comparison of several evaluations: Markdown, JSON, CSV, a figure and shared curves."""

import csv
import io
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import plotting
from evaluation.reports.comparison_figures import (
    Logs,
    Rows,
    curve_panels,
    metric_panels,
    title_of,
)
from evaluation.reports.pictures import optional
from evaluation.reports.tables import low_middle_high, notes, tables
from storage.files import write_atomically, write_json


def csv_rows(evaluations: Sequence[dict]) -> Iterator[list]:
    """Yield rows: run, metric, value, lowest and highest value over the seeds, protocol."""
    for evaluation in evaluations:
        for name, entry in evaluation["metrics"].items():
            low, value, high = low_middle_high(entry) or ("", "", "")
            yield [evaluation["name"], name, value, low, high, json.dumps(entry["protocol"])]


def write_comparison(
    folder: Path,
    evaluations: Sequence[dict],
    logs: Logs,
    rows: Rows,
) -> str:
    """Write the comparison of several evaluations as Markdown, JSON, CSV and figures.

    Args:
        folder: folder of the files.
        evaluations: records of evaluations.
        logs: records of metrics.jsonl by run, for curves.png.
        rows: the runs of each row of the figures.

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
    title, panels = title_of(evaluations), curve_panels(logs, rows)
    for name in ("comparison.png", "curves.png"):  # of an earlier comparison
        (folder / name).unlink(missing_ok=True)
    with optional(folder):
        plotting.save_dots(folder / "comparison.png", metric_panels(evaluations, rows), title)
        if panels:
            thin = "thin lines: each seed" if any(len(runs) > 1 for runs in rows.values()) else ""
            plotting.save_curves(folder / "curves.png", panels, "step", title, thin)
    curves = " and curves.png" if panels else ""
    return f"comparison.md (with the protocols), .json, .csv and .png{curves} are in {folder}"
