"""Hyperparameters of a model that follow a schedule."""

import contextlib
from collections.abc import Mapping
from types import MappingProxyType

import keras
import tensorflow as tf

from models import schedules
from models.scalars import ScalarGroup

SCHEDULED = ScalarGroup(
    title="scheduled hyperparameters", folder="scheduled", prefix="scheduled_", order=71
)


class Scheduled:
    """Mixin that gives a model the values of its hyperparameters at each step.

    Attributes:
        training_length: arguments of `before_training`: the numbers of real images in an epoch and
            from the first step to the last one; None: unknown.
    """

    training_length: tuple[int, int] | None = None
    _schedules = None
    _unscheduled: Mapping[int, dict[str, float]] = MappingProxyType({})

    def before_training(self, images_per_epoch: int, images: int) -> None:
        """Set the length of the training, which schedules require.

        Args:
            images_per_epoch: number of real images in an epoch.
            images: number of real images from the first step of the run to its last one.
        """
        self.training_length = (images_per_epoch, images)
        self._schedules = self.hp.schedules(images / images_per_epoch)
        self.train_function = None  # traces contain the length

    def current(self, name: str) -> float | tf.Tensor:
        """Return the value of a hyperparameter at this step, a float32 scalar if it is scheduled.

        Raises:
            ValueError: it is scheduled and the length of the training is unknown.
        """
        if name not in self.hp.scheduled:
            return getattr(self.hp, name)
        if not self.training_length:
            raise ValueError(
                f"the schedule of {name} requires model.before_training(images_per_epoch, images) "
                "before fit"
            )
        done = tf.cast(self.images, tf.float64) / self.training_length[1]
        return schedules.value_at(self._schedules[name], done)

    def final(self, name: str) -> float:
        """Return the value of a hyperparameter at the end of the training."""
        scheduled = self.hp.schedules(1.0)
        return scheduled[name][-1].last if name in scheduled else getattr(self.hp, name)

    @contextlib.contextmanager
    def scheduled_values(self, optimizer: keras.optimizers.Optimizer, rate: str):
        """Give an optimizer the scheduled values of this step while its update is traced.

        Args:
            optimizer: the optimizer of a player.
            rate: name of the hyperparameter with its learning rate.
        """
        if rate in self.hp.scheduled:
            optimizer.learning_rate.assign(self.current(rate))
        optimizer, names = inner(optimizer), self.scheduled_attributes()
        for name, attribute in names.items():
            setattr(optimizer, attribute, self.current(name))
        try:
            yield
        finally:  # not the present values: those may be of another replica, traced in between
            for attribute, value in self._unscheduled[id(optimizer)].items():
                setattr(optimizer, attribute, value)

    def check_schedulable(self, optimizer: keras.optimizers.Optimizer, rate: str) -> None:
        """Raise ValueError if an optimizer cannot have the scheduled values."""
        optimizer = inner(optimizer)
        if rate in self.hp.scheduled and not isinstance(optimizer._learning_rate, keras.Variable):
            raise ValueError(
                f"{rate} is scheduled: give an optimizer with a constant learning rate"
            )
        attributes = self.scheduled_attributes()
        for name, attribute in attributes.items():
            if not hasattr(optimizer, attribute):
                raise ValueError(f"{name} is scheduled: give an optimizer with {attribute}")
        values = {attribute: getattr(optimizer, attribute) for attribute in attributes.values()}
        self._unscheduled = {**self._unscheduled, id(optimizer): values}

    def scheduled_attributes(self) -> dict[str, str]:
        """Map scheduled hyperparameters, other than learning rates, to attributes of optimizers."""
        return {}

    def scheduled_scalars(self) -> dict[str, tf.Tensor]:
        """Return the values at this step of the option `schedule`, without learning rates.

        Those are logged with the optimizers.
        """
        rates = {player.learning_rate for player in self.players().values()}
        names = sorted(schedules.parsed(self.hp.schedule).keys() - rates)
        return SCHEDULED.named({name: self.current(name) for name in names})


def inner(optimizer: keras.optimizers.Optimizer) -> keras.optimizers.Optimizer:
    """Return an optimizer without its loss scale."""
    return getattr(optimizer, "inner_optimizer", optimizer)
