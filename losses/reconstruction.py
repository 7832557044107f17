"""Reconstruction errors; RECONSTRUCTIONS has those of autoencoding models by name."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from fields import Choice, Choices, field

if TYPE_CHECKING:
    import tensorflow as tf


@dataclasses.dataclass(frozen=True, kw_only=True)
class ReconstructionChoice(Choice):
    """Reconstruction error that `--reconstruction` selects.

    Attributes:
        of_logits: whether its input is the logits of pixels instead of pixels in [-1, 1].
        likelihood: name of the distribution p(x|z); the error is its negative log likelihood, up
            to a constant.
        is_density: whether p(x|z) is a density.
    """

    of_logits: bool
    likelihood: str
    is_density: bool


RECONSTRUCTIONS = Choices(ReconstructionChoice)


def mean_squared_error(x: tf.Tensor, reconstruction: tf.Tensor) -> tf.Tensor:
    """Return the mean of (x - y)² over pixels and channels, [b], of x and y [b, h, w, c].

    In BiGAN it is, up to a factor and a constant, an upper bound of H(x|z) for the pairs (x, E(x)),
    which the adversarial loss does not determine: cycle-consistency in Li et al. 2017, "ALICE:
    Towards Understanding Adversarial Learning for Joint Distribution Matching".
    """
    import tensorflow as tf

    squares = tf.math.squared_difference(x, reconstruction)
    return tf.reduce_mean(squares, axis=list(range(1, x.shape.rank)))


@RECONSTRUCTIONS.add("squared_error", of_logits=False, likelihood="N(y, 1/2)", is_density=True)
def summed_squared_error(x: tf.Tensor, reconstruction: tf.Tensor) -> tf.Tensor:
    """Return the sum of (x - y)² over pixels and channels, [b], of x and y [b, h, w, c] in [-1, 1].

    It is -log N(x; y, 1/2) without the constant (h w c / 2) log pi.
    """
    import tensorflow as tf

    squares = tf.math.squared_difference(x, reconstruction)
    return tf.reduce_sum(squares, axis=list(range(1, x.shape.rank)))


@RECONSTRUCTIONS.add(
    "bernoulli",
    of_logits=True,
    likelihood="Bernoulli",
    is_density=False,
    options={
        "binarisation": field(
            "sampled",
            "binarisation of the images: none; threshold, at 1/2; sampled, a new draw every time "
            "with the pixel as its probability (Burda et al. 2016, section 5)",
            group="loss",
            choices=("none", "threshold", "sampled"),
        )
    },
)
def bernoulli_nll(x: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """Return -sum of t log p + (1 - t) log(1 - p) over pixels and channels, in nats: [b].

    Args:
        x: images 2 t - 1 in [-1, 1], [b, h, w, c].
        logits: logits of p, [b, h, w, c]. Kingma and Welling 2014, appendix C.1.
    """
    import tensorflow as tf

    entropies = tf.nn.sigmoid_cross_entropy_with_logits((x + 1.0) / 2.0, logits)
    return tf.reduce_sum(entropies, axis=list(range(1, x.shape.rank)))
