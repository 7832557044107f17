"""Schedules of hyperparameters, as functions of the share of the training that is done.

A schedule of a hyperparameter goes from a first to a last value between two shares of the training,
and is constant before and after. With the position u, from 0 to 1 between the two
shares, and the share s(u) of its shape it is

    first + (last - first) s(u),  or  first (last / first)^s(u)  for geometric shapes
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from errors import UserError, as_text, either, near
from fields import Choice, Choices, check_value, weighted

if TYPE_CHECKING:
    import tensorflow as tf


@dataclasses.dataclass(frozen=True, kw_only=True)
class Shape(Choice):
    """Shape of a schedule; `make` maps the position u >= 0 to the share s(u).

    Attributes:
        geometric: whether logarithms are interpolated; both values must then be above 0.
    """

    geometric: bool = False


SHAPES = Choices(Shape)


@SHAPES.add("constant")
def constant(position) -> tf.Tensor:
    """0: the first value throughout."""
    import tensorflow as tf

    return tf.zeros_like(position)


def linear(position) -> tf.Tensor:
    """min(u, 1)."""
    import tensorflow as tf

    return tf.minimum(position, 1.0)


def cosine(position) -> tf.Tensor:
    """(1 - cos(pi u)) / 2 up to u = 1.

    Loshchilov and Hutter 2017, "SGDR: Stochastic Gradient Descent with Warm Restarts", equation 5,
    without restarts.
    """
    import tensorflow as tf

    return 0.5 - 0.5 * tf.cos(math.pi * linear(position))


SHAPES.append(Shape(name="linear", make=linear))
SHAPES.append(Shape(name="cosine", make=cosine))
SHAPES.append(Shape(name="exponential", make=linear, geometric=True))
SHAPES.append(Shape(name="log_cosine", make=cosine, geometric=True))


@SHAPES.add("step")
def step(position) -> tf.Tensor:
    """0 for u < 1/2, then 1."""
    import tensorflow as tf

    return tf.cast(position >= 0.5, tf.float32)


@SHAPES.add("cyclical")
def cyclical(position) -> tf.Tensor:
    """Rise linearly over the first half of each period of u, then stay at 1; periods repeat.

    Fu et al. 2019, "Cyclical Annealing Schedule: A Simple Approach to Mitigating KL Vanishing",
    with R = 0.5.
    """
    import tensorflow as tf

    return tf.minimum(2.0 * (position % 1.0), 1.0)


@dataclasses.dataclass(frozen=True)
class Schedule:
    """One schedule of one hyperparameter.

    Attributes:
        name: the hyperparameter.
        shape: a name in SHAPES.
        first, last: values at the start and at the end.
        start, end: shares of the training, 0 <= start <= end.
    """

    name: str
    shape: str
    first: float
    last: float
    start: float = 0.0
    end: float = 1.0

    def value(self, done: tf.Tensor) -> tf.Tensor:
        """Return the value, float32, at a share of the training, float64 (exact for any length)."""
        import tensorflow as tf

        if self.end > self.start:
            position = (done - self.start) / (self.end - self.start)
        else:
            position = tf.cast(done >= self.start, done.dtype)
        shape = SHAPES[self.shape]
        share = shape.make(tf.cast(tf.maximum(position, 0.0), tf.float32))
        if shape.geometric:
            return self.first * tf.pow(self.last / self.first, share)
        return self.first + share * (self.last - self.first)


def value_at(schedules: Sequence[Schedule], done: tf.Tensor) -> tf.Tensor:
    """Return the value of consecutive schedules: that of the last one that has started."""
    import tensorflow as tf

    value = schedules[0].value(done)
    for later in schedules[1:]:
        value = tf.where(done >= later.start, later.value(done), value)
    return value


USAGE = "NAME:SHAPE:FROM:TO[:START[:END]], or NAME:constant:VALUE"


def parsed(text: str) -> dict[str, tuple[Schedule, ...]]:
    """Return the schedules in a text by hyperparameter, such as "beta:linear:0:4:0:0.5".

    Schedules are separated by commas. Those of one hyperparameter must follow each other.

    Raises:
        UserError: under `schedule`, the text is not valid.
    """
    found: dict[str, tuple[Schedule, ...]] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        schedule = parsed_part(part)
        earlier = found.get(schedule.name, ())
        if earlier and schedule.start < earlier[-1].end:
            raise UserError(
                f"{part} starts before the earlier schedule of {schedule.name} ends, at "
                f"{earlier[-1].end:g}",
                "schedule",
            )
        found[schedule.name] = (*earlier, schedule)
    return found


def parsed_part(part: str) -> Schedule:
    """Return the schedule of one part of the text."""
    words = [word.strip() for word in part.split(":")]
    name, shape, numbers = words[0], "".join(words[1:2]), words[2:]
    if shape not in SHAPES:
        hint = near(shape, SHAPES) or f" with a shape of {either(SHAPES)}"
        raise UserError(f"{part}: expected {USAGE}{hint}", "schedule")
    try:
        values = [float(number) for number in numbers]
    except ValueError:
        values = []
    if shape == "constant":
        values = 2 * values if len(values) == 1 else []
    if not 2 <= len(values) <= 4 or not all(map(math.isfinite, values)):
        raise UserError(f"{part}: expected {USAGE}, with finite numbers", "schedule")
    schedule = Schedule(name, shape, *values)
    if not 0 <= schedule.start <= schedule.end <= 1:
        raise UserError(
            f"{part}: START and END are shares of the training, with 0 <= START <= END <= 1",
            "schedule",
        )
    if SHAPES[shape].geometric and min(schedule.first, schedule.last) <= 0:
        raise UserError(f"{part}: {shape} requires values above 0", "schedule")
    return schedule


def check_given(given: Mapping[str, Any]) -> None:
    """Raise UserError if a given value of a scheduled option is not that of the schedule's start.

    Args:
        given: options by name, without defaults.
    """
    for name, parts in parsed(given.get("schedule", "")).items():
        if given.get(name) not in (None, parts[0].first):
            raise UserError(
                f"is replaced by its schedule, which starts with {parts[0].first:g}; omit it", name
            )


def check(hp) -> None:
    """Raise UserError unless the option `schedule` of an option class has valid schedules.

    Its hyperparameters must be declared as schedulable, and apply with the other options; the
    values must be in their ranges. An excluded limit is valid, such as a learning rate of 0.
    """
    specs = {spec.name: spec for spec in dataclasses.fields(hp)}
    schedulable = [name for name, spec in specs.items() if spec.metadata.get("schedulable")]
    for name, parts in parsed(hp.schedule).items():
        if name not in schedulable:
            problem = "cannot change during a training" if name in specs else "no such option"
            hint = near(name, schedulable) or f"; schedulable: {', '.join(schedulable)}"
            raise UserError(f"{name}: {problem}{hint}", "schedule")
        spec = specs[name]
        if owner := spec.metadata["owner"]:
            chosen = getattr(hp, owner)
            names = weighted(chosen) if isinstance(chosen, tuple) else [chosen]
            if not spec.metadata["of_choice"].keys() & names:
                problem = f"does not apply with {owner}={as_text(chosen)}"
                raise UserError(f"{name} {problem}", "schedule")
        limits = [limit for sign, limit in spec.metadata["range"].items() if sign == ">"]
        for value in (value for part in parts for value in (part.first, part.last)):
            if value not in limits:
                try:
                    check_value(spec, value)
                except UserError as error:
                    also = "".join(f"; {limit:g} is valid in a schedule" for limit in limits)
                    raise UserError(f"{name}: {error.message}{also}", "schedule") from None
