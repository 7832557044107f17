"""What a training is told: the options of the run and the hyperparameters of its model."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import fields
from cli import flags
from data import canonical_name
from errors import UserError, near
from fields import field
from models import REGISTRY
from models.declarations.base import Hyperparameters
from models.networks import stages


@fields.options
class RunOptions:
    """What does not depend on the model."""

    model: str = field("", "which model: " + ", ".join(REGISTRY), group="run")
    dataset: str = field(
        "MNIST",
        "MNIST (embedded), FASHION_MNIST, CIFAR10 or another image set of TensorFlow Datasets by "
        "its name, a folder of images (flat, or one sub-folder a class), or an .npz file",
        group="data",
    )
    data_dir: str = field(
        "",
        "where TensorFlow Datasets keeps its sets; else TFDS_DATA_DIR",
        group="data",
        may_change=True,
    )
    image_size: int | None = field(
        None, "side in pixels that images are resized to, antialiased", group="data", at_least=4
    )
    gray: str = field(
        "convert",
        "gray images in a folder of colour images: repeat them over 3 channels, or leave them out",
        group="data",
        choices=("convert", "skip"),
    )
    flip: bool = field(
        False, "mirror each training image left to right with probability 1/2", group="data"
    )
    outdir: str = field(
        "", "the run directory; else runs/<model>-<dataset>", group="run", may_change=True
    )
    resume: str = field(
        "auto",
        "go on from the last checkpoint if there is one, never, or stop unless there is one",
        group="run",
        choices=("auto", "never", "must"),
        may_change=True,
    )
    steps: int | None = field(
        None,
        "how many steps to train, counted from the start of the run, instead of --epochs",
        group="training",
        at_least=1,
        may_change=True,
    )
    seed: int = field(
        0, "of the weights, the order of images and every draw", group="training", at_least=0,
        at_most=2**31 - 1,
    )  # fmt: skip
    sample_every: int | None = field(
        None, "steps between two sample grids; else each epoch", group="outputs", at_least=1,
        may_change=True,
    )  # fmt: skip
    sample_planes: bool = field(
        False,
        "with each sample grid also draw planes/: the images over the first two latent dimensions, "
        "from -1 to 1 and from -3 to 3",
        group="outputs",
        may_change=True,
    )
    checkpoint_every: int | None = field(
        None, "steps between two checkpoints; else each epoch", group="outputs", at_least=1,
        may_change=True,
    )  # fmt: skip
    keep_checkpoints: int = field(
        3, "how many of the last checkpoints are kept", group="outputs", at_least=1,
        may_change=True,
    )  # fmt: skip
    log_every: int = field(
        50, "steps that a line of metrics.jsonl is the mean of", group="outputs", at_least=1,
        may_change=True,
    )  # fmt: skip
    eval_every: int | None = field(
        None, "steps between two measurements of samples; none if not given", group="evaluation",
        at_least=1, may_change=True,
    )  # fmt: skip
    eval_metrics: str = field(
        "",
        "what is measured then, with commas between: names of evaluate.py's metrics of samples, "
        "reconstructions, encodings and clusters; else the Fréchet distance in the features",
        group="evaluation",
        may_change=True,
    )
    eval_features: str = field(
        "auto", "the feature network, as evaluate.py's --features", group="evaluation",
        may_change=True,
    )  # fmt: skip
    eval_samples: int = field(
        1000, "how many samples are drawn for it: what it costs grows with them",
        group="evaluation", at_least=2, may_change=True,
    )  # fmt: skip
    jit: str = field(
        "auto",
        "compile the step with XLA: auto does so on a GPU or TPU, not on a CPU",
        group="speed",
        choices=("auto", "on", "off"),
        may_change=True,
    )
    mixed_precision: str = field(
        "off",
        "16-bit arithmetic with 32-bit weights: bfloat16 for recent CPUs and GPUs, float16 with a "
        "loss scale for older GPUs such as the T4",
        group="speed",
        choices=("off", "bfloat16", "float16"),
    )

    def __post_init__(self):
        fields.check(self)


@dataclasses.dataclass(frozen=True)
class Config:
    """A training, resolved.

    Attributes:
        options: of the run.
        hp: of the model.
    """

    options: RunOptions
    hp: Hyperparameters

    @property
    def outdir(self) -> Path:
        dataset = Path(self.options.dataset).stem.lower().replace("_", "-")
        name = f"{self.options.model}-{dataset}"
        return Path(self.options.outdir or Path("runs") / name).expanduser()

    def with_options(self, **changes) -> "Config":
        """The same training with other options."""
        return dataclasses.replace(self, options=dataclasses.replace(self.options, **changes))

    def as_dict(self) -> dict:
        return {
            "options": dataclasses.asdict(self.options),
            "hyperparameters": dataclasses.asdict(self.hp),
        }

    @classmethod
    def from_dict(cls, saved: dict) -> "Config":
        """The config that `as_dict` gave.

        Raises:
            UserError: it was written by a version with other fields.
        """
        try:
            hyperparameters = REGISTRY[saved["options"]["model"]].hyperparameters
            hp = hyperparameters.resolve(**saved["hyperparameters"])
            return cls(RunOptions(**saved["options"]), hp)
        except (KeyError, TypeError, UserError) as error:
            raise UserError(f"config.json is of another version of the zoo ({error})") from None

    def fixed(self) -> dict:
        """What a run that goes on must not change, as flag -> value."""
        return {
            spec.name: getattr(part, spec.name)
            for part in (self.options, self.hp)
            for spec in dataclasses.fields(part)
            if not spec.metadata["may_change"]
        }


def parse(argv: Sequence[str]) -> Config:
    """The training that a command line asks for. Imports nothing slow.

    Raises:
        UserError: one line that names the flag.
    """
    model = model_name(flags.given(argv, RunOptions, partial=True).get("model", ""))
    hyperparameters = REGISTRY[model].hyperparameters
    try:
        given = flags.given(argv, RunOptions, hyperparameters)
    except UserError as error:
        flag = error.option
        owners = owners_of(flag) or owners_of(flag.removeprefix("no"), switches=True)
        if model in owners or not owners:
            raise
        raise UserError(f"no such flag of {model}, only of {', '.join(owners)}", flag) from None
    ours = {name: value for name, value in given.items() if has(RunOptions, name)}
    theirs = {name: value for name, value in given.items() if not has(RunOptions, name)}
    dataset = canonical_name(given.get("dataset", "MNIST"))
    if dataset.strip() and Path(dataset).expanduser().exists():
        dataset = str(Path(dataset).expanduser().resolve())
    options = RunOptions(**ours | {"model": model, "dataset": dataset})
    hp = hyperparameters.resolve(dataset, **theirs)
    if options.image_size and fields.selected(hp, "network").fixed_side:
        stages((options.image_size, options.image_size, 1))
    return Config(options, hp)


def owners_of(name: str, switches: bool = False) -> list[str]:
    """The models that have a hyperparameter of that name; of `switches`, one that is on or off."""
    return [
        model
        for model, entry in REGISTRY.items()
        if has(entry.hyperparameters, name)
        and (not switches or entry.hyperparameters.__dataclass_fields__[name].type is bool)
    ]


def has(cls: type, name: str) -> bool:
    """Whether a dataclass has a field of that name."""
    return name in cls.__dataclass_fields__


def model_name(name: str) -> str:
    """The registry's name of a model that the user named in any case."""
    if not name:
        raise UserError(f"expected one of {', '.join(REGISTRY)}", "model")
    if name.lower() not in REGISTRY:
        hint = near(name.lower(), REGISTRY) or f"; there are {', '.join(REGISTRY)}"
        raise UserError(f"no such model: {name}{hint}", "model")
    return name.lower()
