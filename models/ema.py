"""Exponential moving averages (EMA) of the weights of networks."""

import keras
import tensorflow as tf

from models import layers


class ExponentialMovingAverage:
    """Copies of networks with the EMA of their weights and batch norm statistics.

    Attributes:
        pairs: (copy, network).
    """

    def __init__(self):
        self.pairs: list[tuple[keras.Model, keras.Model]] = []

    def follow(self, network: keras.Model) -> keras.Model:
        """Return a copy of a network, made by `plain`, in which `update` keeps the EMA."""
        average = layers.plain(network, f"{network.name}_ema")
        average.trainable = False
        self.pairs.append((average, network))
        return average

    def update(self, step: tf.Tensor, decay: float | tf.Tensor) -> None:
        """Update each average.

        Args:
            step: the step.
            decay: the decay per step; it is lower in the first steps, see `averaging_rate`.
        """
        rate = averaging_rate(step, decay)
        for average, network in self.pairs:
            for mean, weight in zip(average.weights, network.weights, strict=True):
                mean.assign_add(rate * (weight - mean))


def averaging_rate(step: tf.Tensor, decay: float | tf.Tensor) -> tf.Tensor:
    """Return 1 - decay of a moving average at a step: 1 - min(decay, (1 + t) / (10 + t)).

    The decay starts at 0.1, so the initial values soon have little weight.
    """
    t = tf.cast(step, tf.float32)
    return 1.0 - tf.minimum(decay, (1.0 + t) / (10.0 + t))
