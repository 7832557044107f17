"""Studies for study.py: runs of several flagfiles, settings and seeds, trained and compared.

The options can be imported without TensorFlow.
"""

import dataclasses
import functools
import itertools
import sys
import traceback
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import fields
from cli import flags
from errors import UserError
from evaluation.options import EvaluateOptions, MeasureOptions
from evaluation.reports.groups import configuration_name, run_name
from fields import field
from models import REGISTRY
from storage.paths import require_writable, several_paths
from training import options
from training.running import command_line, run_training
from waiting import waiting

OUTDIR = "runs/study"
NO_SETTINGS = ("outdir", "seed", "flagfile")  # flags that a study sets itself


class Run(NamedTuple):
    """Run of a study.

    Attributes:
        command: arguments of train.py.
        config: the configuration that they give.
        group: name of the configuration that the run shares with those of other seeds.
    """

    command: list[str]
    config: options.Config
    group: str


@fields.options()
class StudyOptions:
    """Options of study.py in addition to `StudyMeasureOptions`."""

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
    set: str = field(
        "",
        "values of a flag of train.py, such as width=32,64: each flagfile is trained with each; "
        "with several --set, with each combination of their values; semicolons separate values "
        "with commas: 'penalty=r1:5,r2:0.5;r1'",
        group="runs and metrics",
        repeated=True,
    )

    def __post_init__(self):
        fields.check(self)


@fields.options(
    defaults={"outdir": OUTDIR},
    help={
        "outdir": "directory of the run directories, of the table of means and the comparison",
        "repeats": "number of evaluation seeds: seed, seed + 1, ...; the value of a run is the "
        "median over them",
        "data_dir": "directory of TensorFlow Datasets; default: that of each flagfile",
        "publish": "also add the runs to docs/results/results.json, copy the pictures that a page "
        "shows to assets/, and update the tables of the pages",
    },
)
class StudyMeasureOptions(MeasureOptions):
    """Options of the measurement and of the outputs of study.py."""


OPTIONS = (StudyOptions, StudyMeasureOptions)


def run_study(given: Mapping[str, Any]) -> int:
    """Train the runs of a study in turn, then measure and compare them; return the exit code.

    Args:
        given: the given options of the classes in OPTIONS, name -> value.

    Raises:
        UserError: a flagfile, a setting, a seed, a data set or an option of the measurement is
            invalid.
    """
    own = {spec.name for spec in dataclasses.fields(StudyOptions)} & set(given)
    measuring = {name: value for name, value in given.items() if name not in own}
    measuring["outdir"] = given.get("outdir") or OUTDIR
    request = StudyOptions(**{name: given[name] for name in own})
    outdir = StudyMeasureOptions(**measuring).folder
    runs = runs_of(request, outdir, measuring.get("data_dir", ""))
    folders = ",".join(str(run.config.outdir) for run in runs)
    measured = EvaluateOptions(**measuring, run=folders)
    if measured.publish and request.set:
        raise UserError("only runs of a flagfile and a seed are published; omit set", "publish")
    require_writable(outdir, "outdir")
    check_measurable([run.config for run in runs], measured)
    if code := train_all(runs):
        return code
    from training.evaluating import evaluate_all

    groups = {str(run.config.outdir): run.group for run in runs}
    data_dirs = {str(run.config.outdir): run.config.options.data_dir for run in runs}
    print(evaluate_all(measured, only_new=True, groups=groups, data_dirs=data_dirs))
    return 0


def runs_of(request: StudyOptions, outdir: Path, data_dir: str = "") -> list[Run]:
    """Return the runs of a study, flagfile by flagfile, each checked as train.py checks it.

    Raises:
        UserError: no flagfile is given, a flagfile, a setting or a seed is invalid, or two of them
            have the same name or the same value.
    """
    files = fields.listed(request.configs)
    if not files:
        raise UserError("expected at least one flagfile of train.py", "configs")
    names = [configuration_name(file) for file in files]
    if doubled := [name for name in names if names.count(name) > 1]:
        raise UserError(f"two flagfiles have the name {doubled[0]}; give each once", "configs")
    settings = grid(request.set)
    runs = []
    for file in files:
        of_file = [runs_of_setting(file, s, request.seeds, outdir, data_dir) for s in settings]
        for (one, *_), (other, *_) in itertools.combinations(of_file, 2):
            if one.group == other.group or is_equal(one.config, other.config):
                raise UserError(
                    f"{one.group} and {other.group} are equal; give each value once", "set"
                )
        runs += [run for of_setting in of_file for run in of_setting]
    return runs


def is_equal(one: options.Config, other: options.Config) -> bool:
    """Return whether two configurations differ in their run directories at most."""
    return one.with_options(outdir="") == other.with_options(outdir="")


def grid(text: str) -> list[dict[str, str]]:
    """Return all combinations of settings, flag of train.py -> value.

    Args:
        text: a line such as "width=32,64" per flag; "" gives one combination of none. Semicolons
            separate the values if there are any, else commas.

    Raises:
        UserError: a line is invalid, a flag is given twice, or is one that a study sets itself, or
            commas separate the values of a flag whose values may have commas.
    """
    values: dict[str, list[str]] = {}
    for line in filter(None, text.splitlines()):
        name, _, listed = line.partition("=")
        name = name.strip().removeprefix("--")
        separator = ";" if ";" in listed else ","
        given = [value.strip() for value in listed.split(separator) if value.strip()]
        if not name or not given:
            raise UserError(f"expected a flag with values, such as width=32,64, got {line}", "set")
        if name in NO_SETTINGS:
            advice = "; use --seeds" * (name == "seed")
            raise UserError(f"{name} cannot be set, the study sets it itself{advice}", "set")
        if name in values:
            raise UserError(f"{name} is given twice; list its values in one", "set")
        if len(given) > 1 and separator == "," and takes_commas(name):
            raise UserError(
                f"a value of {name} may have commas; separate the values by semicolons, and end a "
                f"single one with a semicolon: '{name}={listed.strip()};'",
                "set",
            )
        values[name] = given
    return [
        dict(zip(values, chosen, strict=True)) for chosen in itertools.product(*values.values())
    ]


def takes_commas(name: str) -> bool:
    """Return whether a value of a flag of train.py may have commas."""
    classes = (options.RunOptions, *(model.hyperparameters for model in REGISTRY.values()))
    facts = [c.__dataclass_fields__[name].metadata for c in classes if options.has(c, name)]
    return any(fact["several"] or fact.get("commas") for fact in facts)


def runs_of_setting(
    file: str, setting: Mapping[str, str], seeds: str, outdir: Path, data_dir: str
) -> list[Run]:
    """Return the runs of a flagfile with a setting, one per seed."""
    command = [f"--flagfile={file}", *(f"--{name}={value}" for name, value in setting.items())]
    own = parsed(command, file, "configs", setting).options.seed
    group = configuration_name(file, setting)
    runs: list[Run] = []
    for seed in fields.listed(seeds) or [str(own)]:
        of_seed = [*command, f"--seed={seed}"]
        number = parsed(of_seed, seeds, "seeds").options.seed
        if number in (run.config.options.seed for run in runs):
            raise UserError(f"{seeds}: the seed {number} is given twice", "seeds")
        of_seed.append(f"--outdir={outdir / run_name(group, number)}")
        if data_dir:
            of_seed.append(f"--data_dir={data_dir}")
        runs.append(Run(of_seed, options.parse(of_seed), group))
    return runs


def parsed(
    command: Sequence[str], value: str, option: str, setting: Collection[str] = ()
) -> options.Config:
    """Parse a command line of train.py; report an error under the study's own option.

    Args:
        command: arguments of train.py.
        value: value of the option.
        option: name of the option.
        setting: flags for which the option `set` is reported instead.
    """
    try:
        return options.parse(command)
    except UserError as error:
        option = "set" if error.option in setting else option
        raise UserError(f"{value}: {error}", option) from None


def check_measurable(configs: Sequence[options.Config], measured: EvaluateOptions) -> None:
    """Raise UserError if a data set is missing, or has no such metrics, features or baselines."""
    from evaluation import runner
    from training import devices

    devices.warn_of_hidden_gpus()
    for config in {repr(c.data_arguments): c for c in configs}.values():
        with waiting(f"loading {config.options.dataset}"):
            runner.load_reference(config.load_data(), measured)


def train_all(runs: Sequence[Run]) -> int:
    """Train the runs that are not finished, one after the other; return the exit code.

    If a run fails, the next one is trained. A signal stops the study.
    """
    failed = []
    for number, (command, config, _) in enumerate(runs, 1):
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
