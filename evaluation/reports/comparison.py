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

FIGURES = {"comparison.png": ".png", "curves.png": "curves.png"}  # name -> in a list of the files


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
    drawn = []
    with optional(folder):
        dots = folder / "comparison.png"
        plotting.save_dots(dots, metric_panels(evaluations, rows), title)
        drawn.append(dots)
        if panels:
            thin = "thin lines: each seed" if any(len(runs) > 1 for runs in rows.values()) else ""
            curves = folder / "curves.png"
            plotting.save_curves(curves, panels, "step", title, thin)
            drawn.append(curves)
    for name in FIGURES:
        if folder / name not in drawn:  # of an earlier comparison
            (folder / name).unlink(missing_ok=True)
    *names, last = [".json", ".csv", *(FIGURES[path.name] for path in drawn)]
    return f"comparison.md (with the protocols), {', '.join(names)} and {last} are in {folder}"
