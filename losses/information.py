"""Lower bound of the mutual information between codes and images.

L_I = E[log Q(c | G(z, c))] + H(c) <= I(c; G(z, c)): Chen et al. 2016, equation 5. Everything is in
nats. A continuous code is uniform on [-1, 1), whose entropy is ln 2.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from fields import Choice, Choices

if TYPE_CHECKING:
    import tensorflow as tf

LOG_STD = (-4.0, 1.0)  # range of the logarithm of the standard deviation that Q predicts
UNIFORM_ENTROPY = math.log(2.0)


@dataclasses.dataclass(frozen=True, kw_only=True)
class CodeLossChoice(Choice):
    """Loss of continuous codes that `--continuous_loss` selects.

    `make` is (mean [b, n], log_std [b, n] or None, code [b, n]) -> loss of each code [b, n].

    Attributes:
        bound: mean loss of a code -> its L_I.
        predicts_std: whether Q predicts the logarithm of a standard deviation besides the mean.
    """

    bound: Callable
    predicts_std: bool = False


CODE_LOSSES = Choices(CodeLossChoice)


def categorical_nll(logits: tf.Tensor, code: tf.Tensor) -> tf.Tensor:
    """Return -log Q(c | x) of one-hot codes [b, k], given the logits [b, k] of Q: [b]."""
    import tensorflow as tf

    return tf.nn.softmax_cross_entropy_with_logits(labels=code, logits=logits)


def categorical_bound(nll: tf.Tensor, k: int) -> tf.Tensor:
    """Return L_I of a code of k categories from its mean negative log likelihood: at most ln k."""
    return math.log(k) - nll


def squared_error_bound(error: tf.Tensor) -> tf.Tensor:
    """Return L_I of a continuous code from its mean squared error.

    It assumes a Gaussian with mean m(x) and the mean squared error as variance (the
    maximum-likelihood estimate). With b images it is about 1 / (2 b) too high.
    """
    import tensorflow as tf

    return UNIFORM_ENTROPY - 0.5 * (tf.math.log(2.0 * math.pi * error) + 1.0)


@CODE_LOSSES.add("mse", bound=squared_error_bound, aliases=("ols",))
def squared_error(mean: tf.Tensor, log_std: tf.Tensor | None, code: tf.Tensor) -> tf.Tensor:
    """Return (c - m(x))² of each continuous code, mean and code [b, n]: [b, n]."""
    import tensorflow as tf

    return tf.math.squared_difference(mean, code)


def gaussian_bound(nll: tf.Tensor) -> tf.Tensor:
    """Return L_I of a continuous code from its mean negative log likelihood."""
    return UNIFORM_ENTROPY - nll


@CODE_LOSSES.add("gaussian", bound=gaussian_bound, predicts_std=True)
def gaussian_nll(mean: tf.Tensor, log_std: tf.Tensor, code: tf.Tensor) -> tf.Tensor:
    """Return -log N(c; m(x), s(x)²) of each continuous code, all [b, n]: [b, n].

    Two softplus functions bound `log_std` to LOG_STD, up to 0.01, so that it does not diverge for
    codes that are predicted exactly or not at all.
    """
    import tensorflow as tf
    import tensorflow_probability as tfp

    low, high = LOG_STD
    log_std = high - tf.nn.softplus(high - log_std)
    log_std = low + tf.nn.softplus(log_std - low)
    return -tfp.distributions.Normal(mean, tf.exp(log_std)).log_prob(code)
