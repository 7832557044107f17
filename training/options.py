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
from data.options import arguments
from errors import UserError, near
from models import REGISTRY, schedules
from models.declarations.base import Hyperparameters
from models.networks import stages
from storage.paths import expanded, one_path, require_apart, require_possible
from storage.run_directory import RunDirectory
from storage.saved_config import SavedConfig
from training.run_options import OF_DISTRIBUTION, OF_EVALUATIONS, RunOptions


@dataclasses.dataclass(frozen=True)
class Config:
    """Resolved configuration of a run.

    Attributes:
        options: options of the run.
        hp: hyperparameters of the model.
        given: hyperparameters that were given, name -> value.
        kept: those that a run keeps if they are not given, name -> value.
        command: command line that gave the configuration.
        rules: version of the rules by which the images are read: of a run those of its start.
        class_order: names of the classes of the run in the order of their labels; empty for a new
            run.
    """

    options: RunOptions
    hp: Hyperparameters
    given: Mapping[str, Any] = dataclasses.field(default_factory=dict, compare=False)
    kept: Mapping[str, Any] = dataclasses.field(default_factory=dict, compare=False)
    command: str = dataclasses.field(default="", compare=False)
    rules: int = dataclasses.field(default=data.RULES, compare=False)
    class_order: tuple[str, ...] = dataclasses.field(default=(), compare=False)

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
        return {"name": self.options.dataset, **arguments(self.options), **self.read_as}

    @property
    def read_as(self) -> dict:
        """Rules and order of the classes by which the images are read, arguments of `data.load`."""
        return {"rules": self.rules, "class_order": self.class_order}

    def check_data(self) -> None:
        """Run the checks of the data set, as the run reads it, that require no slow import.

        Raises:
            UserError: as `data.check`.
        """
        data.check(**self.for_run(RunDirectory(self.outdir)).data_arguments)

    def load_data(self) -> data.ImageData:
        """Return the data set.

        Raises:
            UserError: it is missing or invalid.
        """
        return data.load(**self.data_arguments)

    def trained(self, images: data.ImageData) -> data.Split:
        """Return the training images: those of the data set, or `train_images` of them.

        Raises:
            UserError: there are fewer images.
        """
        return data.subset(images.train, self.options.train_images, self.options.seed)

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
        config = dataclasses.replace(self, **started.read_as)
        if started.options.model == self.options.model and self._was_given(saved):
            config = dataclasses.replace(config, kept=fixed_values(started.hp))
        shape = run.read_data()["image_shape"]
        try:
            return config.for_images(shape)
        except UserError:
            return dataclasses.replace(self, **started.read_as).for_images(shape)

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
        options = RunOptions(**saved["options"])
        for spec in dataclasses.fields(options):
            value = getattr(options, spec.name)
            if spec.metadata.get("convert") is one_path and isinstance(value, str):
                require_possible(value)
        return cls(options, hp, given, **described_reading(saved.get("data")))

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


def described_reading(described: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the rules and the order of the classes of a run from the description of its data.

    Without a description they are those of a new run. An earlier version has recorded neither.

    Raises:
        TypeError: an entry has another type, or is of a later version.
    """
    if described is None:
        return {}
    rules, classes = described.get("rules", 1), described.get("classes", {})
    if type(rules) is not int or not 1 <= rules <= data.RULES:
        raise TypeError(f"data has the rules {rules}")
    if not isinstance(classes, dict):
        raise TypeError("classes is not of the type dict")
    return {"rules": rules, "class_order": tuple(classes)}


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
        UserError: a flag is unknown or a value is invalid, or the run would be written to the
            folder of the images.
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
    if dataset.strip() and not data.known(dataset) and Path(dataset).exists():
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
    config = Config(options, hp, theirs, command=command)
    for option, folder in (("outdir", config.outdir), ("copy_to", config.copy)):
        if folder and not RunDirectory(folder).has_checkpoints:  # earlier versions wrote anywhere
            require_apart(folder, "" if data.known(dataset) else dataset, option)
    return config


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
