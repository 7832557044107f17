"""Optimizers by name."""

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType

from fields import Choice, Choices, field


@dataclasses.dataclass(frozen=True, kw_only=True)
class Optimizer(Choice):
    """Optimizer of a player.

    Attributes:
        attributes: schedulable option -> attribute of the Keras optimizer that has its value.
    """

    attributes: Mapping[str, str] = dataclasses.field(default_factory=lambda: MappingProxyType({}))


OPTIMIZERS = Choices(Optimizer)


def _decay(default: float, of: str, source: str = "", **facts):
    help = f"decay of the moving average of the {of}{source}"
    return field(default, help, group="optimisation", at_least=0, below=1, **facts)


@OPTIMIZERS.add(
    "adam",
    options={
        "beta_1": _decay(0.5, "gradient", " (Radford et al. 2016, section 4)"),
        "beta_2": _decay(0.999, "squared gradient", schedulable=True),
    },
    attributes={"beta_2": "beta_2"},
)
def adam(learning_rate: float, beta_1: float, beta_2: float):
    """Adam: Kingma and Ba 2015."""
    from models.adam import FusedAdam

    return FusedAdam(learning_rate, beta_1, beta_2)


@OPTIMIZERS.add(
    "rmsprop",
    options={"beta_2": _decay(0.99, "squared gradient", schedulable=True)},
    attributes={"beta_2": "rho"},
)
def rmsprop(learning_rate: float, beta_2: float):
    """RMSprop: Hinton 2012.

    Epsilon is inside the square root: 1e-16 there corresponds to 1e-8 outside. It is small since a
    critic with clipped weights has small gradients.
    """
    import keras

    return keras.optimizers.RMSprop(learning_rate, beta_2, epsilon=1e-16)
