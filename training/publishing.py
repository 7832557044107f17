"""Records of runs to publish: finished runs of one flagfile and a seed."""

import math
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from errors import UserError
from evaluation.metric import logged_metric
from storage.checkpoint_files import steps_of
from storage.run_directory import RunDirectory
from training import options
from training.curves import POSITION

QUANTILES = (0.05, 0.95)  # of a logged scalar, in the last third of the training


def published_record(run: RunDirectory) -> dict:
    """Return the record of a finished run for docs/results/results.json, without its metrics.

    Raises:
        UserError: the run is not finished, or was trained with flags besides a flagfile and a seed.
    """
    config = options.Config.of_run(run)
    flagfile = run.parsed_config(flagfile_of)
    anywhere = config.with_options(outdir="", data_dir="")
    seed = f"--seed={config.options.seed}"
    argv = [f"--flagfile={flagfile}", seed, "--outdir=", "--data_dir="]
    if not flagfile or options.parse(argv).for_run(run) != anywhere:
        raise UserError(
            f"{run.path}: only a run of one flagfile and a seed, without other flags, is published",
            "publish",
        )
    step = next(iter(steps_of(run.checkpoints)), 0)
    if not run.finished:
        raise UserError(f"{run.path}: the run stopped at step {step}. Finish it", "publish")
    return training_record(run, step) | {"scalars": scalar_ranges(run.records(), step)}


def scalar_ranges(records: Sequence[Mapping[str, float]], last_step: int) -> dict[str, list[float]]:
    """Return the quantiles of each logged scalar in the last third of a training, by name.

    Learning rates, the speed, metrics of samples and values that are not finite are left out.

    Args:
        records: entries of metrics.jsonl.
        last_step: last step of the training.
    """
    from training.callbacks import LEARNING_RATES, SPEED  # imports TensorFlow

    values: dict[str, list[float]] = {}
    for record in records:
        if not 2 * last_step < 3 * record["step"] <= 3 * last_step:
            continue
        for name, value in record.items():
            of_run = name in POSITION or any(g.label_of(name) for g in (LEARNING_RATES, SPEED))
            if math.isfinite(value) and not of_run and not logged_metric(name):
                values.setdefault(name, []).append(value)
    return {
        name: [float(f"{value:.4g}") for value in np.quantile(of_name, QUANTILES)]
        for name, of_name in values.items()
    }


def training_record(run: RunDirectory, step: int) -> dict:
    """Return the record of a run up to a step; its minutes are those up to the last log entry.

    Raises:
        UserError: config.json cannot be read.
    """
    config = options.Config.of_run(run)
    records = [r for r in run.records() if {"kimg", "seconds"} <= r.keys() and r["step"] <= step]
    last = records[-1] if records else {"step": 1, "kimg": 0.0, "seconds": 0.0}
    return {
        "model": config.options.model,
        "dataset": run.read_data()["name"],
        "flagfile": run.parsed_config(flagfile_of),
        "seed": config.options.seed,
        "steps": step,
        "kimg": round(last["kimg"] / last["step"] * step, 3),
        "wall_minutes": round(last["seconds"] / 60, 1),
        "machine": run.parsed_config(machine_of),
        "commit": run.parsed_config(commit_of),
    }


def flagfile_of(saved: dict[str, Any]) -> str:
    """Return the flagfile of the first command in config.json, "" without one.

    Raises:
        ValueError: a quotation mark is not closed.
        IndexError: the name of the file is missing.
    """
    words = shlex.split(saved["commands"][0].replace("--flagfile=", "--flagfile "))
    return words[words.index("--flagfile") + 1] if "--flagfile" in words else ""


def commit_of(saved: dict[str, Any]) -> str:
    """Return the commit of the code in config.json, "" if it is unknown."""
    return str(saved["environment"].get("zoo", ""))


def machine_of(saved: dict[str, Any]) -> str:
    """Return the description of the machine in config.json.

    Raises:
        KeyError or TypeError: it is missing or no text.
    """
    machine = saved["environment"]["machine"]
    if not isinstance(machine, str):
        raise TypeError(f"environment: machine is {machine!r}")
    return machine
