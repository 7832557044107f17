"""Configuration of a run: its options and the hyperparameters of its model."""

import dataclasses
import json
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import data
import fields
from cli import flags
from cli.flagfiles import with_flagfiles
from errors import UserError, near
from fields import field
from models import REGISTRY, schedules
from models.declarations.base import Hyperparameters
from models.networks import stages
from storage.paths import expanded, one_path
from storage.run_directory import RunDirectory
from storage.saved_config import SavedConfig
from training.step_range import step_range


@fields.options()
class RunOptions:
    """Options that do not depend on the model."""

    model: str = field("", "model to train: " + ", ".join(REGISTRY), group="run")
    dataset: str = field(
        "MNIST",
        "MNIST (embedded), FASHION_MNIST, CIFAR10 or another image set of TensorFlow Datasets by "
        "its name, a folder of images (flat, or one sub-folder per class), or an .npz file",
        group="data",
        convert=one_path,
    )
    data_dir: str = field(
        "", "directory of TensorFlow Datasets; default: TFDS_DATA_DIR", group="data",
        convert=one_path, may_change=True,
    )  # fmt: skip
    image_size: int | None = field(
        None, "side of the resized images in pixels (antialiased)", group="data", at_least=4
    )
    gray: str = field(
        "convert", "gray images in a folder of colour images: convert repeats them over 3 "
        "channels, skip omits them", group="data", choices=("convert", "skip"),
    )  # fmt: skip
    flip: bool = field(
        False, "mirror each training image left to right with probability 1/2", group="data"
    )
    outdir: str = field(
        "", "run directory; default: runs/<model>-<dataset>", group="run", convert=one_path,
        may_change=True,
    )  # fmt: skip
    copy_to: str = field(
        "",
        "existing folder, such as a mounted drive: after each checkpoint the run is copied in the "
        "background to a folder there that has the name of the run directory, and a later step is "
        "copied back at the start; default: no copy",
        group="run",
        convert=one_path,
        may_change=True,
    )
    resume: str = field(
        "auto", "auto: resume if there is a checkpoint; must: error if there is none; never: error "
        "if there is one", group="run", choices=("auto", "never", "must"), may_change=True,
    )  # fmt: skip
    steps: int | None = field(
        None,
        "last step, counted from the start of the run; replaces epochs",
        group="training",
        at_least=1,
        may_change=True,
    )
    seed: int = field(
        0, "seed of the weights, the order of images and all random draws", group="training",
        at_least=0, at_most=2**31 - 1,
    )  # fmt: skip
    sample_every: int | None = field(
        None, "steps between two sample grids; default: one epoch", group="outputs", at_least=1,
        may_change=True,
    )  # fmt: skip
    sample_planes: bool = field(
        False,
        "also write planes/ with each sample grid: images over the first two latent dimensions, "
        "from -1 to 1 and, for a normal prior, from -3 to 3",
        group="outputs",
        may_change=True,
    )
    checkpoint_every: int | None = field(
        None, "steps between two checkpoints; default: one epoch", group="outputs", at_least=1,
        may_change=True,
    )  # fmt: skip
    keep_checkpoints: int = field(
        3, "number of checkpoints to keep; older ones are deleted", group="outputs", at_least=1,
        may_change=True,
    )  # fmt: skip
    keep_every: int | None = field(
        None, "keep a checkpoint for good every this many steps, for --step of evaluate.py and "
        "generate.py; default: none", group="outputs", at_least=1, may_change=True,
    )  # fmt: skip
    checkpoint_minutes: float = field(
        10.0, "write a checkpoint as well when the last one is older than this", group="outputs",
        above=0, may_change=True,
    )  # fmt: skip
    log_every: int = field(
        50, "steps between two records of metrics.jsonl; each is the mean over these steps",
        group="outputs", at_least=1, may_change=True,
    )  # fmt: skip
    eval_every: int | None = field(
        None, "steps between two evaluations; default: no evaluation", group="evaluation",
        at_least=1, may_change=True,
    )  # fmt: skip
    eval_metrics: str = field(
        "", "metrics of these evaluations, separated by commas (evaluate.py --help=all lists "
        "them); default: the Fréchet distance", group="evaluation", may_change=True, commas=True,
    )  # fmt: skip
    eval_features: str = field(
        "auto", "feature network of these evaluations; see features of evaluate.py",
        group="evaluation", may_change=True,
    )  # fmt: skip
    eval_samples: int = field(
        1000, "number of samples per evaluation; its time is proportional to it",
        group="evaluation", at_least=2, may_change=True,
    )  # fmt: skip
    profile_steps: str = field(
        "", "A,B: profile the steps A to B for TensorBoard; default: no profile", group="speed",
        may_change=True, commas=True,
    )  # fmt: skip
    jit: str = field(
        "auto", "compile the train step with XLA; auto: only with a GPU or TPU", group="speed",
        choices=("auto", "on", "off"), may_change=True,
    )  # fmt: skip
    steps_per_execution: int = field(
        1, "steps between two returns to Python, which saves time if a step takes a few "
        "milliseconds; the *_every options must be multiples of it", group="speed", at_least=1,
        may_change=True,
    )  # fmt: skip
    distribute: str = field(
        "off", "divide each batch among replicas; mirrored: the GPUs of this machine; "
        "multi_worker: several machines, each of which runs the same command with its TF_CONFIG",
        group="speed", choices=("off", "mirrored", "multi_worker"), may_change=True,
    )  # fmt: skip
    replicas: int | None = field(
        None, "number of GPUs of mirrored; default: all. Without a GPU, the CPU is divided into as "
        "many devices, for tests", group="speed", at_least=2, may_change=True,
    )  # fmt: skip
    sync_batch_norm: bool = field(
        True, "batch norm has the statistics of the whole batch, not of a replica's images",
        group="speed", may_change=True,
    )  # fmt: skip
    worker_timeout: float = field(
        60.0, "seconds until the other workers of multi_worker end if one is silent or missing",
        group="speed", above=0, may_change=True,
    )  # fmt: skip
    deterministic: bool = field(
        False, "only operations whose result does not depend on the order of threads, without XLA: "
        "on a GPU a resumed run is exact with it only, and slower", group="speed",
    )  # fmt: skip
    mixed_precision: str = field(
        "off", "16-bit arithmetic with 32-bit weights: bfloat16 for recent CPUs and GPUs, float16 "
        "with a loss scale for older GPUs such as the T4", group="speed",
        choices=("off", "bfloat16", "float16"),
    )  # fmt: skip

    def __post_init__(self):
        fields.check(self)
        if self.deterministic and self.jit == "on":
            raise UserError("XLA is not deterministic; jit must be off or auto", "deterministic")
        if self.distribute != "off" and self.jit == "on":
            raise UserError("XLA does not compile a distributed step; use --jit=off", "jit")
        for spec in dataclasses.fields(self):
            every = getattr(self, spec.name) if spec.name.endswith("_every") else None
            steps = self.steps_per_execution
            if every and every % steps:
                raise UserError(
                    f"{every} is not a multiple of steps_per_execution={steps}; "
                    f"{-(-every // steps) * steps} is one",
                    spec.name,
                )
        step_range(self.profile_steps, self.steps, "profile_steps")


# Checked when they are given: config.json of an earlier version may have them without effect.
OF_EVALUATIONS = ("eval_metrics", "eval_features", "eval_samples")
# Option -> values of `distribute` with which it has an effect.
OF_DISTRIBUTION = {"replicas": ("mirrored",), "worker_timeout": ("multi_worker",),
                   "sync_batch_norm": ("mirrored", "multi_worker")}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Config:
    """Resolved configuration of a run.

    Attributes:
        options: options of the run.
        hp: hyperparameters of the model.
        given: hyperparameters that were given, name -> value.
        kept: those that a run keeps if they are not given, name -> value.
        command: command line that gave the configuration.
    """

    options: RunOptions
    hp: Hyperparameters
    given: Mapping[str, Any] = dataclasses.field(default_factory=dict, compare=False)
    kept: Mapping[str, Any] = dataclasses.field(default_factory=dict, compare=False)
    command: str = dataclasses.field(default="", compare=False)

    @property
    def outdir(self) -> Path:
        """Path of the run directory."""
        dataset = Path(self.options.dataset).stem.lower().replace("_", "-")
        name = f"{self.options.model}-{dataset}"
        return Path(expanded(self.options.outdir or Path("runs") / name, "outdir"))

    @property
    def copy(self) -> Path | None:
        """Path of the copy of the run directory; None without `copy_to`."""
        folder = self.options.copy_to
        return Path(folder) / self.outdir.resolve().name if folder else None

    @property
    def data_arguments(self) -> dict:
        """Arguments of `data.load` for the data set."""
        options = self.options
        return {
            "name": options.dataset,
            "data_dir": options.data_dir or None,
            "image_size": options.image_size,
            "gray": options.gray,
        }

    def load_data(self) -> data.ImageData:
        """Return the data set.

        Raises:
            UserError: it is missing or invalid.
        """
        return data.load(**self.data_arguments)

    def for_images(self, image_shape: Sequence[int]) -> "Config":
        """Return a copy with the defaults for images of a shape (h, w, c).

        Raises:
            UserError: a hyperparameter that was given does not apply to these images.
        """
        return dataclasses.replace(self, hp=self._of_images(image_shape)[0])

    def notes(self, image_shape: Sequence[int]) -> list[str]:
        """Return a warning for each default for such images that the given values make invalid."""
        return self._of_images(image_shape)[1]

    def _of_images(self, image_shape: Sequence[int]) -> tuple[Hyperparameters, list[str]]:
        hyperparameters = REGISTRY[self.options.model].hyperparameters
        colour = data.in_colour(image_shape)
        given = {**self.kept, **self.given}
        return hyperparameters.resolve_with_notes(self.options.dataset, colour, **given)

    def suits(self, channels: int) -> bool:
        """Return whether the values that were given apply to images of a number of channels."""
        try:
            self.for_images((1, 1, channels))
        except UserError:
            return False
        return True

    def for_run(self, run: RunDirectory) -> "Config":
        """Return a copy with the defaults of a run that has checkpoints.

        If the same values were given to it, those that were not given are its own, also if the
        defaults have changed since.
        """
        if not (run.has_checkpoints and run.config.exists()):
            return self
        started, saved = Config.of_run(run), run.read_config()
        config = self
        if started.options.model == self.options.model and self._was_given(saved):
            config = dataclasses.replace(self, kept=fixed_values(started.hp))
        shape = run.read_data()["image_shape"]
        try:
            return config.for_images(shape)
        except UserError:
            return self.for_images(shape)

    def _was_given(self, saved: Mapping[str, Any]) -> bool:
        """Return whether config.json has the same given values, but for those that may change."""
        if "given" not in saved:  # written by an earlier version
            return self.command in saved["commands"]
        fixed = fixed_values(self.hp)
        mine, others = (
            {name: value for name, value in given.items() if name in fixed}
            for given in (json.loads(json.dumps(dict(self.given))), saved["given"])
        )
        return mine == others

    def with_options(self, **changes) -> "Config":
        """Return a copy with other options."""
        return dataclasses.replace(self, options=dataclasses.replace(self.options, **changes))

    def as_dict(self) -> dict:
        """Return the content of config.json."""
        return {
            "options": dataclasses.asdict(self.options),
            "hyperparameters": dataclasses.asdict(self.hp),
            "given": dict(self.given),
        }

    @classmethod
    def from_dict(cls, saved: dict) -> "Config":
        """Return the configuration from the output of `as_dict`.

        Raises:
            KeyError, TypeError or UserError: it was written by a version with other fields.
        """
        hyperparameters = REGISTRY[saved["options"]["model"]].hyperparameters
        hp = hyperparameters.of_saved(saved["hyperparameters"])
        if not isinstance(given := saved.get("given", {}), dict):
            raise TypeError("given is not of the type dict")
        return cls(RunOptions(**saved["options"]), hp, given)

    @classmethod
    def of_run(cls, run: SavedConfig) -> "Config":
        """Return the configuration of a run or a package.

        Raises:
            UserError: its file is missing, cannot be read or is of another version of the code.
        """
        return run.parsed_config(cls.from_dict)

    def fixed(self) -> dict:
        """Return the values that a resumed run must not change, by name."""
        return {
            name: value
            for part in (self.options, self.hp)
            for name, value in fixed_values(part).items()
        }

    def identity(self, fingerprint: str) -> dict:
        """Return the values that a run and its checkpoints share.

        The data set is identified by the fingerprint of its images, not by its name or path.
        """
        fixed = {name: value for name, value in self.fixed().items() if name != "dataset"}
        return {**fixed, "fingerprint": fingerprint}


def fixed_values(options: Any) -> dict[str, Any]:
    """Return the values of an option class that a resumed run must not change, by name."""
    return {spec.name: getattr(options, spec.name) for spec in fixed_specs(options)}


def fixed_specs(options: Any) -> list[dataclasses.Field]:
    """Return the options of a class, or of an object, that a resumed run must not change."""
    return [s for s in dataclasses.fields(options) if not s.metadata.get("may_change")]


def command_line(argv: Sequence[str]) -> str:
    """Return the command of a training with arguments of train.py."""
    return shlex.join(["python", "train.py", *argv])


def parse(argv: Sequence[str]) -> Config:
    """Return the configuration of a command line, without importing TensorFlow.

    Raises:
        UserError: a flag is unknown or a value is invalid.
    """
    command, argv = command_line(argv), with_flagfiles(argv)
    model = flags.given(argv, RunOptions, partial=True).get("model", "")
    if not model:
        require_known(argv)
    model = model_name(model)
    hyperparameters = REGISTRY[model].hyperparameters
    try:
        given = flags.given(argv, RunOptions, hyperparameters)
    except UserError as error:
        flag = error.option
        owners = owners_of(flag) or owners_of(flag.removeprefix("no"), switches=True)
        if model in owners or not owners:
            raise
        known = [spec.name for spec in dataclasses.fields(hyperparameters)]
        hint = near(flag, known, prefix="--", cutoff=0.75)
        raise UserError(f"not a flag of {model}, only of {', '.join(owners)}{hint}", flag) from None
    for name in OF_EVALUATIONS:
        if name in given and not given.get("eval_every"):
            raise UserError("has no effect without --eval_every, which selects evaluations", name)
    for name, values in OF_DISTRIBUTION.items():
        if name in given and given.get("distribute", "off") not in values:
            raise UserError(f"has no effect without --distribute={' or '.join(values)}", name)
    ours = {name: value for name, value in given.items() if has(RunOptions, name)}
    theirs = {name: value for name, value in given.items() if not has(RunOptions, name)}
    dataset = data.canonical_name(given.get("dataset", "MNIST"))
    if dataset.strip() and Path(dataset).exists():
        dataset = str(Path(dataset).resolve())
    schedules.check_given(theirs)
    options = RunOptions(**ours | {"model": model, "dataset": dataset})
    try:
        hp = hyperparameters.resolve(dataset, **theirs)
    except UserError:
        if data.known(dataset):
            raise
        hp = hyperparameters.resolve(dataset, True, **theirs)  # as if the images have colours
    if options.image_size and fields.selected(hp, "network").fixed_side:
        stages((options.image_size, options.image_size, 1))
    return Config(options, hp, theirs, command=command)


def option_classes(argv: Sequence[str]) -> tuple[type, ...]:
    """Return the option classes of a command line: of every run, and of the model if it is given.

    Raises:
        UserError: there is no such model, or a value is invalid.
    """
    model = flags.given(argv, RunOptions, partial=True).get("model")
    return (RunOptions, *([REGISTRY[model_name(model)].hyperparameters] if model else []))


def require_known(argv: Sequence[str]) -> None:
    """Raise UserError if an argument is not a flag, or is one of no model."""
    try:
        flags.given(argv, RunOptions, *(model.hyperparameters for model in REGISTRY.values()))
    except UserError as error:
        if not owners_of(error.option):
            raise


def owners_of(name: str, switches: bool = False) -> list[str]:
    """Return the models with a hyperparameter of a name; a boolean one if `switches`."""
    return [
        model
        for model, entry in REGISTRY.items()
        if has(entry.hyperparameters, name)
        and (not switches or entry.hyperparameters.__dataclass_fields__[name].type is bool)
    ]


def has(cls: type, name: str) -> bool:
    """Return whether a dataclass has a field of a name."""
    return name in cls.__dataclass_fields__


def model_name(name: str) -> str:
    """Return the name of a model in the registry for a name in upper or lower case."""
    if not name:
        raise UserError(f"expected one of {', '.join(REGISTRY)}", "model")
    if name.lower() not in REGISTRY:
        hint = near(name, REGISTRY) or f"; there are {', '.join(REGISTRY)}"
        raise UserError(f"no such model: {name}{hint}", "model")
    return name.lower()
