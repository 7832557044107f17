"""Codes of a generator, and their prediction from images."""

import dataclasses
from collections.abc import Callable

import keras
import tensorflow as tf

from models.latents import CATEGORY, CONTINUOUS, noise, one_hot

LOG_STD = "log_std"  # output of Q: log standard deviations of the continuous codes


@dataclasses.dataclass(frozen=True)
class CodeLayout:
    """Codes in addition to the noise: one-hot categorical ones, continuous ones uniform(-1, 1).

    Attributes:
        sizes: number of categories of each categorical code.
        continuous: number of continuous codes.
    """

    sizes: tuple[int, ...]
    continuous: int

    @property
    def categorical(self) -> dict[str, int]:
        """Map the name of each categorical code to its number of categories."""
        return {f"{CATEGORY}{k}": size for k, size in enumerate(self.sizes)}

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the latents that are codes."""
        return (*self.categorical, *([CONTINUOUS] if self.continuous else []))

    def prior(self) -> dict:
        """Return the distribution of each code, by name."""
        codes = {name: one_hot(size) for name, size in self.categorical.items()}
        return codes | ({CONTINUOUS: noise(self.continuous, "uniform")} if self.continuous else {})


@dataclasses.dataclass(frozen=True)
class CodePredictor:
    """Prediction of the codes from images: Q applied to the discriminator's features.

    Attributes:
        codes: layout of the codes.
        q: features [b, f] -> name of a code -> logits [b, k] or means [b, n]; for a Gaussian also
            LOG_STD [b, n].
        features: (images [b, h, w, c], training) -> features [b, f].
    """

    codes: CodeLayout
    q: keras.Model
    features: Callable[..., tf.Tensor]

    def of_features(self, features: tf.Tensor) -> dict[str, tf.Tensor]:
        """Return the outputs of Q for features [b, f], in training."""
        return self.q(features, training=True)

    def of_images(self, x: tf.Tensor, training: bool) -> dict[str, tf.Tensor]:
        """Return the outputs of Q for images [b, h, w, c] in [-1, 1]."""
        return self.q(self.features(x, training=training), training=training)
