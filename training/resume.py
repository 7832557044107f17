"""Check of a configuration against an existing run. Does not import TensorFlow."""

import math
import os

from errors import UserError, as_text
from storage.checkpoint_files import steps_of
from storage.run_directory import RunDirectory
from training.options import Config

OUTPUTS = (  # of a finished run
    *("metrics.jsonl", "samples.png", "real.png", "curves.png", "progress.gif"),
    *("export/generator.keras", "export/saved_model/saved_model.pb"),
)


def check(config: Config, run: RunDirectory) -> None:
    """Check that a configuration can start or resume the run in a directory.

    Raises:
        UserError: `resume` forbids it, the checkpoints of the run are missing or beyond `steps`,
            or it was started with another configuration.
    """
    resume = config.options.resume
    trained = run.has_checkpoints
    if resume == "must" and not trained:
        raise UserError(f"resume=must requires a checkpoint, {run.path} has none", "resume")
    if resume == "never" and trained:
        raise UserError(
            f"resume=never requires a new directory, {run.path} has checkpoints. Set --outdir "
            "to a new directory, or move it away",
            "resume",
        )
    if run.has_lost_checkpoints(every=math.inf):
        raise run.without_checkpoints()
    # Without config.json, the checkpoint is compared with the configuration when it is restored.
    if trained and run.config.exists() and (changed := differences(Config.of_run(run), config)):
        moved = Config.of_run(run).options.dataset
        if os.path.abspath(config.options.dataset) == moved and not os.path.exists(moved):
            raise UserError(
                f"{run.path}: {moved}: no such folder or file; if it has moved, set --dataset"
            )
        raise UserError(
            f"{run.path} was started with another configuration: {'; '.join(changed)}. Resume it "
            "with the old values, or set --outdir to a new directory"
        )
    steps = steps_of(run.checkpoints)
    finished = run.status().get("finished")
    # Of several checkpoints the newest may be damaged, which only TensorFlow can tell.
    if steps and config.options.steps:
        step = finished if finished == steps[0] else steps[-1]
        require_not_beyond(run, step, config.options.steps)


def finished_step(config: Config, run: RunDirectory) -> int | None:
    """Return the last step of a run that is finished with this configuration, or None.

    None also if one of its outputs is missing, or its copy is not finished.
    """
    places = [place for place in (run, config.copy and RunDirectory(config.copy)) if place]
    for place in places:
        if not (place.has_checkpoints and place.config.exists() and place.finished):
            return None
    ignored = {"outdir": "", "data_dir": "", "copy_to": "", "resume": "auto", "profile_steps": ""}
    if Config.of_run(run).with_options(**ignored) != config.with_options(**ignored):
        return None
    step = steps_of(run.checkpoints)[0]
    outputs = (run.samples / f"step-{step:07}.png", *(run.path / name for name in OUTPUTS))
    return step if all(path.exists() for path in outputs) else None


def require_not_beyond(run: RunDirectory, step: int, total: int) -> None:
    """Raise UserError if the step of a run is beyond the last one of its training."""
    if step > total:
        raise UserError(
            f"{run.path}: at step {step}, beyond the last step {total}; set --steps or "
            "--epochs to a later one"
        )


def differences(old: Config, new: Config) -> list[str]:
    """Return one phrase per changed option that must stay the same in a resumed run.

    If the models differ, only the model is listed. Images in a folder or a file may move: their
    fingerprint is compared later.
    """
    was, now = old.fixed(), new.fixed()
    if all(os.path.isabs(values["dataset"]) for values in (was, now)):
        was["dataset"] = now["dataset"]
    names = ["model"] if was["model"] != now["model"] else now
    return [
        f"{name} was {displayed(was[name])}, is {displayed(now[name])}"
        for name in names
        if was[name] != now[name]
    ]


def displayed(value) -> str:
    """Return the text of an option's value in messages."""
    return "not given" if value in (None, "") else as_text(value)
