"""Published results: docs/results/results.json, and the pictures that pages show.

A record describes a finished run of a committed flagfile: model, dataset, flagfile, seed, steps,
kimg (thousands of real images seen), wall_minutes, machine, commit of the code, scalars (the range
of each logged scalar in the last third of the training: its 5 % and 95 % quantiles), and metrics,
each with its value and protocol.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import plotting
from evaluation.reports import pages
from evaluation.reports.groups import run_name
from storage.files import write_atomically, write_json

RESULTS = pages.ROOT / "docs" / "results" / "results.json"
ASSETS = pages.ROOT / "assets"
FILM = "progress.gif"


def read_results() -> list[dict]:
    """Return the records of results.json."""
    return json.loads(RESULTS.read_text("utf-8")) if RESULTS.exists() else []


def publish(record: dict, run: Path | None = None) -> None:
    """Add a record to results.json; it replaces one of the same flagfile and seed.

    The pictures of the run, if it is given, that a page shows as assets/<flagfile>-seed<seed>/...
    are copied, and the generated tables are rewritten.
    """
    add(record)
    if run:
        copy_pictures(run, run_name(pages.stem(record), record["seed"]))
    pages.write(read_results())


def copy_pictures(source: Path, name: str) -> None:
    """Copy the pictures of a folder that a page shows to the folder `name` in assets/."""
    folder = ASSETS / name
    for target in sorted(pages.linked_files()):
        if folder not in target.parents:
            continue
        picture = source / target.relative_to(folder)
        if picture.name == FILM and picture.exists():
            write_atomically(target, plotting.compact_gif(picture.read_bytes()))
        elif picture.exists():
            write_atomically(target, picture.read_bytes())


def publish_baselines(evaluations: Sequence[dict]) -> None:
    """Add the evaluations of baselines to results.json and update the tables."""
    for evaluation in evaluations:
        about = {"model": evaluation["name"], "dataset": evaluation["dataset"]}
        about |= {"flagfile": "", "seed": 0}
        add({**about, "metrics": evaluation["metrics"]})
    pages.write(read_results())


def add(record: dict) -> None:
    """Add a record to results.json; it replaces one with the same key."""
    key = ("dataset", "flagfile", "model", "seed")
    records = [r for r in read_results() if any(r[k] != record[k] for k in key)] + [record]
    # Baselines have no flagfile and follow the models.
    order = sorted(records, key=lambda r: (r["dataset"], not r["flagfile"], *(r[k] for k in key)))
    write_json(RESULTS, order)
