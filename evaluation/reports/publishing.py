"""Published results: assets/results.json and the pictures beside it.

A record describes a finished run of a committed flagfile: model, dataset, flagfile, seed, steps,
kimg (thousands of real images seen), wall_minutes, machine and metrics, each with its value and
protocol.
"""

import json
from collections.abc import Sequence
from pathlib import Path

from evaluation.reports import readme
from storage.files import write_atomically, write_json

RESULTS = Path(__file__).resolve().parents[2] / "assets" / "results.json"
PICTURES = (
    *("samples.png", "plane-1.png", "plane-3.png", "curves.png", "progress.gif"),
    *("neighbours.png", "confusion.png", "codes.png", "traversals/*.png", "reconstructions.png"),
    "styles/*.png",
)
COMPARED = ("comparison.png", "curves.png")  # of several runs


def read_results() -> list[dict]:
    """Return the records of assets/results.json."""
    return json.loads(RESULTS.read_text()) if RESULTS.exists() else []


def publish(record: dict, run: Path) -> None:
    """Add a record to results.json; it replaces one of the same flagfile and seed.

    The pictures of the run are copied to <flagfile>-seed<seed>/ beside it, and the tables of the
    README are rewritten.
    """
    add(record)
    copy_pictures(run, f"{Path(record['flagfile']).stem}-seed{record['seed']}", PICTURES)
    readme.write(read_results())


def publish_comparison(folder: Path) -> None:
    """Copy the figures of a comparison to the folder of the same name beside results.json."""
    copy_pictures(folder, folder.name, COMPARED)


def copy_pictures(source: Path, name: str, pictures: Sequence[str]) -> None:
    """Copy the existing pictures of a folder to the folder `name` beside results.json."""
    for picture in (path for pattern in pictures for path in sorted(source.glob(pattern))):
        there = RESULTS.parent / name / picture.relative_to(source)
        write_atomically(there, picture.read_bytes())


def publish_baselines(evaluations: Sequence[dict]) -> None:
    """Add the evaluations of baselines to results.json and update the README's tables."""
    for evaluation in evaluations:
        about = {"model": evaluation["name"], "dataset": evaluation["dataset"]}
        about |= {"flagfile": "", "seed": 0}
        add({**about, "metrics": evaluation["metrics"]})
    readme.write(read_results())


def add(record: dict) -> None:
    """Add a record to results.json; it replaces one with the same key."""
    key = ("dataset", "flagfile", "model", "seed")
    records = [r for r in read_results() if any(r[k] != record[k] for k in key)] + [record]
    # Baselines have no flagfile and follow the models.
    order = sorted(records, key=lambda r: (r["dataset"], not r["flagfile"], *(r[k] for k in key)))
    write_json(RESULTS, order)
