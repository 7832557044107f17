"""Means of the scalars of train steps, on the device."""

import math
from collections.abc import Collection, Mapping
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf


class RunningMean(NamedTuple):
    """Mean of a scalar over several steps.

    Attributes:
        total: sum of the values; not finite once a value is not.
        count: number of values.
        finite: number of steps before the sum is not finite; all steps if it is.
    """

    total: float
    count: float
    finite: float

    @property
    def value(self) -> float:
        """The mean; NaN without any value."""
        return self.total / self.count if self.count else math.nan


class ScalarMeans(keras.Metric):
    """Means of named scalars since the last reset, in one variable with one update per step.

    The names are known when the first step is traced. The variable is made before and has room for
    `capacity` scalars, since TensorFlow traces a step that makes a variable twice. Only a step with
    more scalars makes another one.
    """

    def __init__(self, capacity: int = 128):
        super().__init__(name="means", dtype="float32")
        self.names: list[str] = []
        self._restored: dict[str, RunningMean] = {}
        self._make_totals(capacity)

    def _make_totals(self, capacity: int) -> None:
        shape = (len(RunningMean._fields), capacity)
        # Each replica has the values of all of them: those of the first one are read.
        self.totals = self.add_variable(
            shape, "zeros", aggregation="only_first_replica", name="totals"
        )

    def update_state(
        self,
        scalars: dict[str, tf.Tensor],
        weight: tf.Tensor | int = 1,
        overflowing: Collection[str] = (),
    ) -> None:
        """Add scalars, each the mean over `weight` examples.

        Args:
            scalars: value by name.
            weight: number of examples.
            overflowing: names of scalars whose values are omitted if they are not finite.
        """
        if not self.names:
            self.names = list(scalars)
            with tf.init_scope():
                if len(scalars) > self.totals.shape[1]:
                    self._make_totals(len(scalars))
                self.restore(self._restored)
        values = tf.stack([tf.cast(scalars[name], tf.float32) for name in self.names])
        required = tf.constant([name not in overflowing for name in self.names])
        counted = tf.math.is_finite(values) | required
        weights = tf.where(counted, tf.cast(weight, tf.float32), 0.0)
        total, count, finite = self._columns()
        total += tf.where(counted, values * weights, 0.0)
        finite += tf.cast(tf.math.is_finite(total), tf.float32)
        self._assign(tf.stack([total, count + weights, finite]))

    def _columns(self) -> list[tf.Tensor]:
        """Return the totals [n], counts [n] and numbers of finite steps [n]."""
        return tf.unstack(tf.convert_to_tensor(self.totals)[:, : len(self.names)])

    def _assign(self, columns: tf.Tensor) -> None:
        """Store columns [3, n]."""
        room = self.totals.shape[1] - len(self.names)
        self.totals.assign(tf.pad(columns, [[0, 0], [0, room]]))

    def read(self) -> dict[str, RunningMean]:
        """Return the running means by name; before the first update those that were restored."""
        if not self.names:
            return dict(self._restored)
        columns = self.totals.numpy().T.tolist()
        return {name: RunningMean(*c) for name, c in zip(self.names, columns, strict=False)}

    def restore(self, means: Mapping[str, RunningMean]) -> None:
        """Continue from running means; those of other names are ignored."""
        self._restored = dict(means)
        if self.names:
            start = [means.get(name, RunningMean(0.0, 0.0, 0.0)) for name in self.names]
            self._assign(tf.constant(np.array(start, np.float32).T))

    def result(self) -> dict[str, tf.Tensor]:
        """Return the means by name; NaN without any value."""
        total, count, _ = self._columns()
        return dict(zip(self.names, tf.unstack(total / count), strict=True))
