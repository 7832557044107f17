"""Trains the runs of a study in turn, then compares them: python study.py --configs=A.txt,B.txt.

See --help.
"""

import dataclasses
import shlex
import sys
from collections.abc import Sequence

import train
from evaluate import EvaluateOptions, MeasureOptions, evaluate_all
from models.hyperparameters import field
from training import flags, options
from training.run_directory import RunDirectory

USAGE = """usage: python study.py --configs FILE[,FILE ...] [--flag value ...] [--flagfile FILE]

Trains each flagfile with each seed, one after the other, as train.py does: a run that is finished
is left alone, and one that was stopped goes on, so the same command goes on with the study. A run
has the folder that its flagfile names, with -seed<N> behind it where the seed is not the flagfile's
own. A run that fails is named at the end, and the others are trained all the same. Then all are
measured and compared as evaluate.py does it, whose flags but --run are taken too. Flags with their
defaults:
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
    commands = commands_of(asked)
    folders = [str(options.parse(command).outdir) for command in commands]
    measured = EvaluateOptions(**given, run=",".join(folders))
    failed = []
    for number, (command, folder) in enumerate(zip(commands, folders, strict=True), 1):
        of_all = f"run {number} of {len(commands)}"
        if finished(options.parse(command)):
            print(f"{of_all}: {folder} is finished")
            continue
        print(f"{of_all}: python train.py {shlex.join(command)}", flush=True)
        code = flags.run_script(train.main, command)
        if code > 128:
            return code
        if code:
            failed.append(folder)
    if failed:
        print(f"error: not trained, for what is said above: {', '.join(failed)}", file=sys.stderr)
        return 1
    return evaluate_all(measured)


def commands_of(asked: StudyOptions) -> list[list[str]]:
    """The command line of each run, flagfile by flagfile; all are checked before one is trained.

    Raises:
        UsageError: there is none, or a seed is none, or two runs have one folder.
        HyperparameterError: a flagfile that train.py refuses.
    """
    files = [name for name in asked.configs.split(",") if name]
    if not files:
        raise flags.UsageError("--configs: say which flagfiles to train")
    commands = []
    for file in files:
        own = options.parse([f"--flagfile={file}"])
        for seed in asked.seeds.split(",") if asked.seeds else [str(own.options.seed)]:
            command = [f"--flagfile={file}", f"--seed={seed}"]
            if options.parse(command).options.seed != own.options.seed:
                command.append(f"--outdir={own.outdir}-seed{seed}")
            commands.append(command)
    folders = [options.parse(command).outdir for command in commands]
    for folder in folders:
        if folders.count(folder) > 1:
            raise flags.UsageError(
                f"--configs={asked.configs}: two runs have one folder, {folder}; give each "
                "flagfile an --outdir of its own, and each seed once"
            )
    return commands


def finished(config: options.Config) -> bool:
    """Whether the run of a configuration was trained to its end."""
    run = RunDirectory(config.outdir)
    if not run.has_checkpoints:
        return False
    saved = run.read_config()
    records = run.records()
    return (
        options.Config.from_dict(saved) == config
        and bool(records)
        and records[-1]["step"] == saved["total_steps"]
    )


if __name__ == "__main__":
    if code := flags.run_script(main):
        sys.exit(code)
