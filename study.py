"""Trains the runs of a study in turn, then compares them: python study.py --configs=A.txt,B.txt.

See --help.
"""

import dataclasses
import shlex
import sys
import traceback
from collections.abc import Sequence

import fields
import train
from cli import flags
from errors import UserError
from evaluation.options import EvaluateOptions, MeasureOptions
from fields import field
from storage.run_directory import RunDirectory
from training import options

USAGE = """usage: python study.py --configs FILE[,FILE ...] [--flag value ...] [--flagfile FILE]

Trains each flagfile with each seed, one after the other, as train.py does: a run that is finished
is left alone, and one that was stopped goes on, so the same command goes on with the study. A run
has the folder that its flagfile names, with -seed<N> behind it where the seed is not the flagfile's
own. A run that fails does not keep the others from being trained. When all are there, they are
measured and compared as evaluate.py does it, whose flags but --run are taken too; what was measured
in the same way before is not measured again. Flags with their defaults:
"""


@dataclasses.dataclass(frozen=True)
class StudyOptions:
    """What to train."""

    configs: str = field("", "flagfiles of train.py, with commas between them", group="training")
    seeds: str = field(
        "",
        "what each is trained with, with commas between them; else the flagfile's own",
        group="training",
    )


def main(argv: Sequence[str]) -> int:
    """Runs the command line `argv` (without the program's name); returns the exit code."""
    if flags.wants_help(argv):
        print(f"{USAGE}\n{flags.describe(StudyOptions, MeasureOptions)}")
        return 0
    given = flags.given(argv, StudyOptions, MeasureOptions)
    asked = StudyOptions(**{n: given.pop(n) for n in ("configs", "seeds") if n in given})
    runs = runs_of(asked, given.get("data_dir", ""))
    measured = EvaluateOptions(**given, run=",".join(str(config.outdir) for _, config in runs))
    refuse_unmeasurable([config for _, config in runs], measured)
    failed = []
    for number, (command, config) in enumerate(runs, 1):
        print(f"run {number} of {len(runs)}: python train.py {shlex.join(command)}", flush=True)
        try:
            code = flags.run_script(train_unless_finished, command)
        except Exception:
            traceback.print_exc()
            code = 1
        if code > 128:
            return code
        if code:
            failed.append(str(config.outdir))
    if failed:
        told = "see above; the others are there, and nothing is measured yet"
        print(f"error: {', '.join(failed)}: not trained, {told}", file=sys.stderr)
        return 1
    from training.evaluating import evaluate_all

    print(evaluate_all(measured, only_new=True))
    return 0


def runs_of(asked: StudyOptions, data_dir: str = "") -> list[tuple[list[str], options.Config]]:
    """Each run's command line and what it says, flagfile by flagfile; all are checked before one is
    trained.

    Raises:
        UserError: there is none, or train.py refuses one, or a seed, or two runs have one folder.
    """
    files = fields.listed(asked.configs)
    if not files:
        raise UserError("--configs: say which flagfiles to train")
    runs = []
    for file in files:
        own = parsed([f"--flagfile={file}"], f"--configs={file}")
        for seed in fields.listed(asked.seeds) or [str(own.options.seed)]:
            command = [f"--flagfile={file}", f"--seed={seed}"]
            seed = parsed(command, f"--seeds={asked.seeds}").options.seed
            if seed != own.options.seed:
                command.append(f"--outdir={own.outdir}-seed{seed}")
            if data_dir:
                command.append(f"--data_dir={data_dir}")
            runs.append((command, options.parse(command)))
    folders = [config.outdir.resolve() for _, config in runs]
    for folder in folders:
        if folders.count(folder) > 1:
            raise UserError(
                f"--configs={asked.configs}: two runs have one folder, {folder}; give each "
                "flagfile an --outdir of its own, and each seed once"
            )
    return runs


def refuse_unmeasurable(configs: Sequence[options.Config], measured: EvaluateOptions) -> None:
    """Raises UserError now, not after the trainings, if the images of a run cannot be had, or no
    such metrics, features or baselines of them."""
    from evaluation import runner
    from training import setup

    about = ("dataset", "data_dir", "image_size", "gray")
    for config in {tuple(getattr(c.options, n) for n in about): c for c in configs}.values():
        runner.load_reference(setup.load_data(config), measured)


def parsed(command: Sequence[str], flag: str) -> options.Config:
    """What a command line of train.py says; a refusal names the flag that it comes from."""
    try:
        return options.parse(command)
    except UserError as error:
        raise UserError(f"{flag}: {error}") from None


def train_unless_finished(command: Sequence[str]) -> int:
    """What train.py does, unless it has nothing to do any more; returns the exit code."""
    config = options.parse(command)
    run = RunDirectory(config.outdir)
    finished = run.has_checkpoints and run.finished
    if finished and options.Config.from_dict(run.read_config()) == config:
        print(f"{config.outdir} is finished")
        return 0
    return train.main(command)


if __name__ == "__main__":
    if code := flags.run_script(main):
        sys.exit(code)
