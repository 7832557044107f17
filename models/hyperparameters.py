"""The hyperparameters of every model: one frozen dataclass each, from which the flags are made.

A field says its default, what it means, its range or choices, where it comes from, and the
defaults that depend on the data set. This module imports nothing slow, so that a command line is
checked before TensorFlow is loaded.
"""

import dataclasses
import difflib
import math
import operator
import typing
from typing import Any

COMPARE = {">=": operator.ge, ">": operator.gt, "<=": operator.le, "<": operator.lt}


class HyperparameterError(ValueError):
    """A value out of its range, or a name that the model does not have; the message is one line."""


def field(
    default: Any,
    help: str,
    *,
    group: str,
    at_least: float | None = None,
    above: float | None = None,
    at_most: float | None = None,
    below: float | None = None,
    choices: tuple[str, ...] = (),
    by_dataset: dict[str, Any] | None = None,
    may_change: bool = False,
):
    """A dataclass field that knows how to describe and to check itself.

    Args:
        default: the value where neither the user nor by_dataset says another; its type is the
            flag's type. None stands for "derived from the rest" and needs an annotation such as
            `int | None`.
        help: one sentence with the unit and the source (paper, section).
        group: the heading under which --help lists it.
        at_least, above, at_most, below: the range of a number.
        choices: the values of a string.
        by_dataset: canonical data set name -> default for that data set.
        may_change: whether a run may go on with another value.
    """
    return dataclasses.field(
        default=default,
        metadata={
            "help": help,
            "group": group,
            "range": {
                sign: limit
                for sign, limit in ((">=", at_least), (">", above), ("<=", at_most), ("<", below))
                if limit is not None
            },
            "choices": choices,
            "by_dataset": by_dataset or {},
            "may_change": may_change,
        },
    )


def override(cls: type, name: str, default: Any, **changes):
    """The field `name` of a parent dataclass with another default (and other metadata)."""
    parent = cls.__dataclass_fields__[name]
    return dataclasses.field(default=default, metadata={**parent.metadata, **changes})


def allowed(spec: dataclasses.Field) -> str:
    """What a field may be, in words: 'one of a, b', 'a number >= 0 and < 1'."""
    if spec.metadata["choices"]:
        return "one of " + ", ".join(spec.metadata["choices"])
    limits = [f"{sign} {limit}" for sign, limit in spec.metadata["range"].items()]
    kind = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}
    return " ".join([kind[value_type(spec)], " and ".join(limits)]).strip()


def value_type(spec: dataclasses.Field) -> type:
    """The plain type of a field: `int | None` counts as int."""
    options = typing.get_args(spec.type) or (spec.type,)
    return next(option for option in options if option is not type(None))


def check_value(spec: dataclasses.Field, value: Any) -> None:
    """Raises HyperparameterError unless `value` is one that the field may have."""
    if value is None and type(None) in typing.get_args(spec.type):
        return
    kind = value_type(spec)
    good = isinstance(value, (int, float) if kind is float else kind)
    good = good and (kind is bool or not isinstance(value, bool))
    if good and spec.metadata["choices"]:
        good = value in spec.metadata["choices"]
    ranges = spec.metadata["range"].items()
    good = good and (kind is not float or math.isfinite(value))
    good = good and all(COMPARE[sign](value, limit) for sign, limit in ranges)
    if not good:
        raise HyperparameterError(f"--{spec.name}={value}: it must be {allowed(spec)}")


def near(name: str, names, prefix: str = "") -> str:
    """'; did you mean x?' for the closest of `names`, or an empty string."""
    found = difflib.get_close_matches(name, list(names), n=3, cutoff=0.5)
    return f"; did you mean {' or '.join(prefix + name for name in found)}?" if found else ""


@dataclasses.dataclass(frozen=True)
class Hyperparameters:
    """What every model has. Subclasses add what their paper adds."""

    epochs: int = field(
        20, "passes over the training images", group="training", at_least=1, may_change=True
    )
    batch_size: int = field(64, "images a step and a network", group="training", at_least=1)

    def __post_init__(self):
        for spec in dataclasses.fields(self):
            check_value(spec, getattr(self, spec.name))

    @classmethod
    def resolve(cls, dataset: str = "", **given):
        """The given values over the data set's defaults over the model's.

        Raises:
            HyperparameterError: for a name that the model does not have, or a value out of range.
        """
        specs = {spec.name: spec for spec in dataclasses.fields(cls)}
        for name in given:
            if name not in specs:
                raise HyperparameterError(f"no hyperparameter {name}{near(name, specs)}")
        defaults = {
            name: spec.metadata["by_dataset"][dataset]
            for name, spec in specs.items()
            if dataset in spec.metadata["by_dataset"]
        }
        return cls(**{**defaults, **given})


@dataclasses.dataclass(frozen=True)
class AdversarialHyperparameters(Hyperparameters):
    """A generator against a discriminator."""

    noise_dim: int = field(
        100, "dimensions of the noise z (Radford et al. 2016, 4)", group="latents", at_least=1
    )
    prior: str = field(
        "normal",
        "distribution of each dimension of z: N(0, 1) or uniform(-1, 1)",
        group="latents",
        choices=("normal", "uniform"),
    )
    loss: str = field(
        "non_saturating",
        "what D and G minimise (Goodfellow et al. 2014, 3 and equation 1)",
        group="loss",
        choices=("non_saturating", "minimax"),
    )
    label_smoothing: float = field(
        0.0,
        "one-sided: D's target for real images is 1 minus this (Salimans et al. 2016, 3.4)",
        group="loss",
        at_least=0,
        below=1,
    )
    n_critic: int = field(
        1,
        "updates of D, each on fresh images, for one of G (k in Goodfellow et al. 2014)",
        group="training",
        at_least=1,
    )
    g_learning_rate: float = field(2e-4, "Adam's step size for G", group="optimisation", above=0)
    d_learning_rate: float = field(2e-4, "Adam's step size for D", group="optimisation", above=0)
    beta_1: float = field(
        0.5,
        "Adam's decay of the first moment (Radford et al. 2016, 4)",
        group="optimisation",
        at_least=0,
        below=1,
    )
    beta_2: float = field(
        0.999, "Adam's decay of the second moment", group="optimisation", at_least=0, below=1
    )
    ema_decay: float = field(
        0.999,
        "decay a step of the average of G's weights that samples are drawn from; 0: G itself",
        group="optimisation",
        at_least=0,
        below=1,
    )
    initializer: str = field(
        "normal",
        "first kernels: N(0, 0.02) as in DCGAN, Xavier (Glorot and Bengio 2010) or He et al. 2015",
        group="networks",
        choices=("normal", "xavier", "he"),
    )


@dataclasses.dataclass(frozen=True)
class GANHyperparameters(AdversarialHyperparameters):
    """Fully connected networks."""

    width: int = field(512, "units of a hidden layer", group="networks", at_least=1)
    depth: int = field(3, "hidden layers of each network", group="networks", at_least=1)
    initializer: str = override(AdversarialHyperparameters, "initializer", "xavier")


@dataclasses.dataclass(frozen=True)
class DCGANHyperparameters(AdversarialHyperparameters):
    """Convolutional networks."""

    width: int = field(
        64, "channels of the layer nearest the image; doubled at each halving", group="networks",
        at_least=1,
    )  # fmt: skip
    kernel_size: int = field(
        4,
        "side of the convolutions; even, so that strides of 2 leave no checkerboard (the paper: 5)",
        group="networks",
        at_least=2,
    )
    dense_units: int = field(
        0,
        "units of a dense layer beside the smallest feature map of G and D (Chen et al. 2016, "
        "table 1); 0: none, as in the paper, which leaves networks for 28 pixels too shallow",
        group="networks",
        at_least=0,
        by_dataset={"MNIST": 1024, "FASHION_MNIST": 1024},
    )
    d_norm: str = field(
        "batch",
        "normalisation in D: batch (Ioffe and Szegedy 2015), spectral (Miyato et al. 2018)",
        group="networks",
        choices=("none", "batch", "spectral", "both"),
    )
