"""Check of a configuration against an existing run. Does not import TensorFlow."""

import os

from errors import UserError, as_text
from storage.run_directory import RunDirectory
from training.options import Config


def check(config: Config, run: RunDirectory) -> None:
    """Check that a configuration can start or resume the run in a directory.

    Raises:
        UserError: `resume` forbids it, or the run was started with another configuration.
    """
    resume = config.options.resume
    trained = run.has_checkpoints
    if resume == "must" and not trained:
        raise UserError(f"resume=must requires a checkpoint, {run.path} has none", "resume")
    if resume == "never" and trained:
        raise UserError(
            f"resume=never requires a new directory, {run.path} has checkpoints. Set outdir=... "
            "to a new directory, or move it away",
            "resume",
        )
    # Without config.json, the checkpoint is compared with the configuration when it is restored.
    if trained and run.config.exists() and (changed := differences(Config.of_run(run), config)):
        raise UserError(
            f"{run.path} was started with another configuration: {'; '.join(changed)}. Resume it "
            "with the old values, or set outdir=... to a new directory"
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
