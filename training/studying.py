"""Studies for study.py: runs of several flagfiles and seeds, trained in turn and compared.

The options can be imported without TensorFlow.
"""

import dataclasses
import functools
import sys
import traceback
from collections.abc import Mapping, Sequence
from typing import Any

import fields
from cli import flags
from errors import UserError
from evaluation.options import EvaluateOptions, MeasureOptions
from fields import field
from storage.paths import require_writable, several_paths
from training import options
from training.running import command_line, run_training

Run = tuple[list[str], options.Config]  # command line of train.py, and its configuration


@fields.options()
class StudyOptions:
    """Options of study.py in addition to `MeasureOptions`."""

    configs: str = field(
        "",
        "flagfiles of train.py, separated by commas",
        group="runs and metrics",
        convert=several_paths,
    )
    seeds: str = field(
        "",
        "training seeds of each flagfile, separated by commas; default: the flagfile's own seed",
        group="runs and metrics",
    )

    def __post_init__(self):
        fields.check(self)


OPTIONS = (StudyOptions, MeasureOptions)


def run_study(given: Mapping[str, Any]) -> int:
    """Train the runs of a study in turn, then measure and compare them; return the exit code.

    Args:
        given: the given options of the classes in OPTIONS, name -> value.

    Raises:
        UserError: a flagfile, a seed, a data set or an option of the measurement is invalid.
    """
    own = {spec.name for spec in dataclasses.fields(StudyOptions)} & set(given)
    measuring = {name: value for name, value in given.items() if name not in own}
    request = StudyOptions(**{name: given[name] for name in own})
    runs = runs_of(request, measuring.get("data_dir", ""))
    folders = ",".join(str(config.outdir) for _, config in runs)
    measured = EvaluateOptions(**measuring, run=folders)
    if len(runs) > 1 or measured.baselines:
        require_writable(measured.folder, "outdir")
    check_measurable([config for _, config in runs], measured)
    if code := train_all(runs):
        return code
    from training.evaluating import evaluate_all

    print(evaluate_all(measured, only_new=True))
    return 0


def runs_of(request: StudyOptions, data_dir: str = "") -> list[Run]:
    """Return the runs of a study, flagfile by flagfile, each checked as train.py checks it.

    Raises:
        UserError: no flagfile is given, a flagfile or a seed is invalid, or two runs have the same
            run directory.
    """
    files = fields.listed(request.configs)
    if not files:
        raise UserError("expected at least one flagfile of train.py", "configs")
    runs = [run for file in files for run in runs_of_flagfile(file, request.seeds, data_dir)]
    folders = [config.outdir.resolve() for _, config in runs]
    for folder in folders:
        if folders.count(folder) > 1:
            raise UserError(
                f"two runs have the run directory {folder}. Give each flagfile its own outdir, and "
                "each seed once",
                "configs",
            )
    return runs


def runs_of_flagfile(file: str, seeds: str, data_dir: str) -> list[Run]:
    """Return the runs of a flagfile, one per seed."""
    own = parsed([f"--flagfile={file}"], file, "configs")
    runs = []
    for seed in fields.listed(seeds) or [str(own.options.seed)]:
        command = [f"--flagfile={file}", f"--seed={seed}"]
        seed = parsed(command, seeds, "seeds").options.seed
        if seed != own.options.seed:
            command.append(f"--outdir={own.outdir}-seed{seed}")
        if data_dir:
            command.append(f"--data_dir={data_dir}")
        runs.append((command, options.parse(command)))
    return runs


def parsed(command: Sequence[str], value: str, option: str) -> options.Config:
    """Parse a command line of train.py; report an error under the study's own option."""
    try:
        return options.parse(command)
    except UserError as error:
        raise UserError(f"{value}: {error}", option) from None


def check_measurable(configs: Sequence[options.Config], measured: EvaluateOptions) -> None:
    """Raise UserError if a data set is missing, or has no such metrics, features or baselines."""
    from evaluation import runner
    from training import devices

    devices.warn_of_hidden_gpus()
    for config in {repr(c.data_arguments): c for c in configs}.values():
        runner.load_reference(config.load_data(), measured)


def train_all(runs: Sequence[Run]) -> int:
    """Train the runs that are not finished, one after the other; return the exit code.

    If a run fails, the next one is trained. A signal stops the study.
    """
    failed = []
    for number, (command, config) in enumerate(runs, 1):
        print(f"run {number} of {len(runs)}: {command_line(command)}", flush=True)
        train_one = functools.partial(run_training, config)
        try:
            code = flags.run_script(train_one, command)
        except Exception:
            traceback.print_exc()
            code = 1
        if code > 128:
            return code
        if code:
            failed.append(str(config.outdir))
    if failed:
        print(
            f"error: {', '.join(failed)}: training failed, see above. The other runs are trained "
            "but not measured. Correct the cause and run the same command to resume",
            file=sys.stderr,
        )
    return 1 if failed else 0
