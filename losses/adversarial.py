"""Adversarial losses by name: the terms that the discriminator and the generator minimise.

A loss takes scores (logits, never probabilities) and returns unreduced terms [batch] by name:
"real" and "fake", or "relative", for the discriminator, "adversarial" for the generator.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING

import replicas
from errors import UserError
from fields import Choice, Choices, field

if TYPE_CHECKING:
    import tensorflow as tf

Terms = dict[str, "tf.Tensor"]


@dataclasses.dataclass(frozen=True)
class AdversarialLoss:
    """Terms of a discriminator D and a generator G.

    Attributes:
        discriminator: (d_real [b], d_fake [b]) -> terms that D minimises.
        generator: (d_real [b] or None, d_fake [b]) -> terms that G minimises.
        threshold: decision threshold: D classifies an image with a higher score as real. Unused if
            the loss is declared with has_threshold=False, except by `encoder`.
        generator_uses_real: whether the generator's terms depend on d_real.

    Raises:
        TypeError: `discriminator` or `generator` does not take these two arguments.
    """

    discriminator: Callable[[tf.Tensor, tf.Tensor], Terms]
    generator: Callable[[tf.Tensor | None, tf.Tensor], Terms]
    threshold: float = 0.0
    generator_uses_real: bool = False

    def __post_init__(self):
        for name in ("discriminator", "generator"):
            terms = getattr(self, name)
            if not callable(terms) or not _accepts(terms, None, None):
                raise TypeError(
                    f"{name} must be a function of the two arguments (d_real, d_fake), got "
                    f"{_described(terms)}"
                )

    def encoder(self, d_real: tf.Tensor) -> Terms:
        """Return the encoder's terms for D's scores d_real [b] of pairs (x, E(x)).

        They are the generator's terms at the scores reflected about the threshold, since G and E
        minimise one objective (Donahue et al. 2017, equation 2). Empty if the generator's terms
        depend on d_real.
        """
        if self.generator_uses_real:
            return {}
        (term,) = self.generator(None, 2.0 * self.threshold - d_real).values()
        return {"encoder": term}


@dataclasses.dataclass(frozen=True, kw_only=True)
class LossChoice(Choice):
    """Adversarial loss that `--loss` selects.

    Attributes:
        has_threshold: whether its scores have a decision threshold between real and fake.
        arguments: names of the arguments of `make` that are not options; the model passes them.

    Raises:
        TypeError: `make` does not take its options and arguments, or returns no `AdversarialLoss`.
    """

    has_threshold: bool = True
    arguments: tuple[str, ...] = ()

    def __post_init__(self):
        super().__post_init__()
        names = [*self.options, *self.arguments]
        if not callable(self.make) or not _accepts(self.make, **dict.fromkeys(names)):
            raise TypeError(
                f"{self.name}: the loss must be a function whose arguments are its options "
                f"({', '.join(names) or 'none'}), got {_described(self.make)}"
            )
        if not self.arguments:
            pair = self.make(**{name: option.default for name, option in self.options.items()})
            if not isinstance(pair, AdversarialLoss):
                raise TypeError(f"{self.name}: must return an AdversarialLoss, got {pair!r}")


def _accepts(function: Callable, *arguments, **named) -> bool:
    """Return whether a function can be called with the arguments."""
    try:
        inspect.signature(function).bind(*arguments, **named)
    except TypeError:
        return False
    return True


def _described(value: object) -> str:
    """Return a function with its arguments, such as "loss(margin)", or another value as it is."""
    if not callable(value):
        return repr(value)
    return f"{getattr(value, '__name__', value)}{inspect.signature(value)}"


LOSSES = Choices(LossChoice)

SMOOTHING = {
    "label_smoothing": field(
        0.0,
        "one-sided label smoothing s: the discriminator's target for real images is 1 - s "
        "(Salimans et al. 2016, section 3.4)",
        group="loss",
        at_least=0,
        below=1,
    )
}


def cross_entropy(logits: tf.Tensor, target: float) -> tf.Tensor:
    """Return -t log sigmoid(l) - (1 - t) log(1 - sigmoid(l)) of logits [b], target t in [0, 1]."""
    import tensorflow as tf

    return target * tf.nn.softplus(-logits) + (1.0 - target) * tf.nn.softplus(logits)


@LOSSES.add("non_saturating", options=SMOOTHING)
def non_saturating(label_smoothing: float = 0.0) -> AdversarialLoss:
    """D: -log D(x) - log(1 - D(G(z))); G: -log D(G(z)). Goodfellow et al. 2014, section 3.

    Args:
        label_smoothing: s in [0, 1): the target of real images is 1 - s.
    """
    return AdversarialLoss(
        discriminator=lambda d_real, d_fake: {
            "real": cross_entropy(d_real, 1.0 - label_smoothing),
            "fake": cross_entropy(d_fake, 0.0),
        },
        generator=lambda _, d_fake: {"adversarial": cross_entropy(d_fake, 1.0)},
    )


@LOSSES.add("minimax", options=SMOOTHING)
def minimax(label_smoothing: float = 0.0) -> AdversarialLoss:
    """D: as non_saturating; G: log(1 - D(G(z))). Goodfellow et al. 2014, equation 1."""
    return dataclasses.replace(
        non_saturating(label_smoothing),
        generator=lambda _, d_fake: {"adversarial": -cross_entropy(d_fake, 0.0)},
    )


def _check_labels(fake_label: float, real_label: float, generator_label: float) -> None:
    """Raise UserError unless real images have the higher label."""
    if fake_label >= real_label:
        raise UserError(
            f"expected a number below real_label={real_label}, got {fake_label}", "fake_label"
        )


@LOSSES.add(
    "least_squares",
    validate=_check_labels,
    options={
        "fake_label": field(
            0.0, "a: label of generated images (Mao et al. 2017, section 3.2)", group="loss"
        ),
        "real_label": field(1.0, "b: label of real images", group="loss"),
        "generator_label": field(
            1.0, "c: the generator's target for generated images", group="loss"
        ),
    },
)
def least_squares(
    fake_label: float = 0.0, real_label: float = 1.0, generator_label: float = 1.0
) -> AdversarialLoss:
    """D: (D(x) - b)² / 2 + (D(G(z)) - a)² / 2; G: (D(G(z)) - c)² / 2.

    Mao et al. 2017, section 3.2.

    Args:
        fake_label: a.
        real_label: b > a.
        generator_label: c. Section 3.2.3 of the paper has two choices of a, b, c: the defaults, and
            -1, 1, 0.
    """

    def squared(scores: tf.Tensor, label: float) -> tf.Tensor:
        import tensorflow as tf

        return 0.5 * tf.square(scores - label)

    return AdversarialLoss(
        discriminator=lambda d_real, d_fake: {
            "real": squared(d_real, real_label),
            "fake": squared(d_fake, fake_label),
        },
        generator=lambda _, d_fake: {"adversarial": squared(d_fake, generator_label)},
        threshold=(fake_label + real_label) / 2,
    )


@LOSSES.add("wasserstein", has_threshold=False)
def wasserstein() -> AdversarialLoss:
    """D: -D(x) + D(G(z)); G: -D(G(z)). Arjovsky et al. 2017, equation 3.

    The critic must be Lipschitz: by weight clipping, a gradient penalty or normalisation.
    """
    return AdversarialLoss(
        discriminator=lambda d_real, d_fake: {"real": -d_real, "fake": d_fake},
        generator=lambda _, d_fake: {"adversarial": -d_fake},
    )


@LOSSES.add("hinge")
def hinge() -> AdversarialLoss:
    """D: max(0, 1 - D(x)) + max(0, 1 + D(G(z))); G: -D(G(z)).

    Lim and Ye 2017; Miyato et al. 2018, equations 16 and 17.
    """

    def discriminator(d_real, d_fake):
        import tensorflow as tf

        return {"real": tf.nn.relu(1.0 - d_real), "fake": tf.nn.relu(1.0 + d_fake)}

    return AdversarialLoss(discriminator, lambda _, d_fake: {"adversarial": -d_fake})


@LOSSES.add("relativistic", has_threshold=False)
def relativistic() -> AdversarialLoss:
    """D: -log sigmoid(D(x) - D(G(z))); G: -log sigmoid(D(G(z)) - D(x)).

    Images are paired by their index in the batch. The relativistic standard GAN:
    Jolicoeur-Martineau 2018.
    """
    return AdversarialLoss(
        discriminator=lambda d_real, d_fake: {"relative": cross_entropy(d_real - d_fake, 1.0)},
        generator=lambda d_real, d_fake: {"adversarial": cross_entropy(d_fake - d_real, 1.0)},
        generator_uses_real=True,
    )


@LOSSES.add("relativistic_average", has_threshold=False)
def relativistic_average() -> AdversarialLoss:
    """D: -log sigmoid(D(x) - mean D(G(z))) - log(1 - sigmoid(D(G(z)) - mean D(x))); G: reversed.

    The relativistic average standard GAN: Jolicoeur-Martineau 2018. The means are over the batch
    and carry gradients. The terms are added, as in the paper; the authors' code divides the sum by
    2 for D and for G.
    """

    def relative(d_real, d_fake):
        import tensorflow as tf

        real, fake = replicas.mean([tf.reduce_mean(d_real), tf.reduce_mean(d_fake)])
        return d_real - fake, d_fake - real

    def discriminator(d_real, d_fake):
        real, fake = relative(d_real, d_fake)
        return {"real": cross_entropy(real, 1.0), "fake": cross_entropy(fake, 0.0)}

    def generator(d_real, d_fake):
        real, fake = relative(d_real, d_fake)
        return {"adversarial": cross_entropy(real, 0.0) + cross_entropy(fake, 1.0)}

    return AdversarialLoss(discriminator, generator, generator_uses_real=True)


EQUILIBRIUM = Choices(LossChoice)  # the loss of BEGAN, whose scores are reconstruction errors


@EQUILIBRIUM.add("equilibrium", has_threshold=False, arguments=("k",))
def equilibrium(k: Callable[[], tf.Tensor]) -> AdversarialLoss:
    """D: L(x) - k L(G(z)); G: L(G(z)). Berthelot et al. 2017, section 3.4.

    Args:
        k: function that returns the present weight of generated images, in [0, 1].
    """
    return AdversarialLoss(
        discriminator=lambda real, fake: {"real": real, "fake": -k() * fake},
        generator=lambda _, fake: {"adversarial": fake},
    )
