"""Records of runs to publish: finished runs of one flagfile and a seed."""

import shlex

from errors import UserError
from storage.checkpoint_files import steps_of
from storage.run_directory import RunDirectory
from training import options


def published_record(run: RunDirectory) -> dict:
    """Return the record of a finished run for docs/results/results.json, without its metrics.

    Raises:
        UserError: the run is not finished, or was trained with flags besides a flagfile and a seed.
    """
    saved = run.read_config()
    config = options.Config.of_run(run)
    words = shlex.split(saved["commands"][0].replace("--flagfile=", "--flagfile "))
    flagfile = words[words.index("--flagfile") + 1] if "--flagfile" in words else ""
    anywhere = config.with_options(outdir="", data_dir="")
    seed = f"--seed={config.options.seed}"
    argv = [f"--flagfile={flagfile}", seed, "--outdir=", "--data_dir="]
    if not flagfile or options.parse(argv) != anywhere:
        raise UserError(
            f"{run.path}: only a run of one flagfile and a seed, without other flags, is published",
            "publish",
        )
    records = [record for record in run.records() if {"kimg", "seconds"} <= record.keys()]
    if not run.finished or not records:
        step = next(iter(steps_of(run.checkpoints)), 0)
        raise UserError(f"{run.path}: the run stopped at step {step}. Finish it", "publish")
    last = records[-1]
    return {
        "model": config.options.model,
        "dataset": run.read_data()["name"],
        "flagfile": flagfile,
        "seed": config.options.seed,
        "steps": last["step"],
        "kimg": last["kimg"],
        "wall_minutes": round(last["seconds"] / 60, 1),
        "machine": saved["environment"]["machine"],
    }
