"""Base classes of the hyperparameters: of every model, and of models with a backbone."""

from collections.abc import Mapping
from typing import Any, Self

import numpy as np

import fields
from data.catalogue import in_colour, known
from errors import UserError
from fields import choice, field, options
from models import schedules
from models.networks.backbones import BACKBONES


@options()
class Hyperparameters:
    """Hyperparameters of every model.

    Attributes:
        n_critic: discriminator updates per step, each on a new batch.
        ema_decay: decay of the EMA of the weights, which samples are drawn from; 0: no EMA.
        ema_kimg: half-life of the EMA in thousands of real images; None: ema_decay applies.
        labelled_fraction: share of the training images that have a label in training.
        labelled_option: name of the option that sets it; empty if there is none.
    """

    n_critic = 1
    ema_decay = 0.0
    ema_kimg = None
    labelled_fraction = 1.0
    labelled_option = ""

    epochs: int = field(
        20, "passes over the training images", group="training", at_least=1, may_change=True
    )
    batch_size: int = field(
        64, "global batch size: images per update of a network", group="training", at_least=1
    )
    schedule: str = field(
        "",
        f"schedules, separated by commas: {schedules.USAGE}; from one value to another between two "
        f"shares of the training (default: all of it). Shapes: {', '.join(schedules.SHAPES)}. "
        "For options marked as schedulable",
        group="training",
        commas=True,
    )

    def __post_init__(self):
        fields.check(self)
        schedules.check(self)

    def schedules(self, epochs: float) -> dict[str, tuple[schedules.Schedule, ...]]:
        """Return the schedules by hyperparameter.

        Args:
            epochs: length of the training in epochs, for schedules that are given in epochs.
        """
        return schedules.parsed(self.schedule)

    @property
    def scheduled(self) -> set[str]:
        """Names of the hyperparameters with a schedule."""
        return set(self.schedules(1.0))

    def uses(self, name: str) -> bool:
        """Return whether a weight is not 0, or has a schedule."""
        return bool(getattr(self, name)) or name in self.scheduled

    def _require_default(self, reason: str, *names: str) -> None:
        """Raise UserError with a reason if an option differs from its defaults."""
        for name in names:
            if name in schedules.parsed(self.schedule):
                raise UserError(f"{name}: {reason}", "schedule")
            spec = self.__dataclass_fields__[name]
            by = (spec.metadata["by_dataset"], spec.metadata["of_choice"])
            defaults = (spec.default, *(value for of in by for value in of.values()))
            if getattr(self, name) not in defaults:
                raise UserError(reason, name)

    @classmethod
    def resolve(cls, dataset: str = "", colour: bool | None = None, **given) -> Self:
        """Return the given values, else the data set's defaults, else the model's defaults.

        Args:
            dataset: name of the data set.
            colour: True if its images have three channels; None: that of a known data set, else
                False.
            **given: name -> value.

        Raises:
            UserError: a name is unknown, a value is out of range, or an option does not apply with
                the other options.
        """
        return cls.resolve_with_notes(dataset, colour, **given)[0]

    @classmethod
    def resolve_with_notes(
        cls, dataset: str = "", colour: bool | None = None, **given
    ) -> tuple[Self, list[str]]:
        """Return `resolve`, and a warning for each default that the given values make invalid."""
        kind = ("colour",) if has_colour(dataset, colour) else ()
        given = {name: plain_number(value) for name, value in given.items()}
        return fields.resolve(cls, given, dataset, *kind), []

    @classmethod
    def of_saved(cls, saved: Mapping[str, Any]) -> Self:
        """Return saved hyperparameters; those that an earlier version lacked have its behaviour.

        Raises:
            UserError: as `resolve`.
        """
        return cls.resolve(**cls.defaults_of_old_configs() | dict(saved))

    @classmethod
    def defaults_of_old_configs(cls) -> dict[str, Any]:
        """Return values, by name, of options that saved configurations may lack."""
        key = "default_of_old_configs"
        specs = cls.__dataclass_fields__.values()
        return {spec.name: spec.metadata[key] for spec in specs if key in spec.metadata}


def plain_number(value: Any) -> Any:
    """Return the Python number of a NumPy scalar; any other value unchanged."""
    return value.item() if isinstance(value, np.generic) else value


def has_colour(dataset: str, colour: bool | None) -> bool | None:
    """Return `colour` if it is given, else that of a known data set, else None."""
    if colour is None and dataset and (images := known(dataset)):
        return in_colour(images.image_shape)
    return colour


@options()
class NetworkHyperparameters(Hyperparameters):
    """Backbone of the networks and its size."""

    network: str = choice(
        BACKBONES,
        "dcgan",
        "backbone of all networks: mlp (fully connected), dcgan (strided convolutions, Radford et "
        "al. 2016) or resnet (residual blocks, Gulrajani et al. 2017)",
        group="networks",
    )
