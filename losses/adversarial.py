"""Adversarial losses as pairs by name: what the discriminator and what the generator minimise.

A pair is given scores (logits, never probabilities) and returns [batch] terms by name, unreduced:
"real" and "fake", or "relative", for the discriminator, "adversarial" for the generator.
"""

import dataclasses
from collections.abc import Callable

import tensorflow as tf

Terms = dict[str, tf.Tensor]


@dataclasses.dataclass(frozen=True)
class AdversarialLoss:
    """One game between a discriminator D and a generator G.

    Attributes:
        discriminator: (d_real [b], d_fake [b]) -> terms that D minimises.
        generator: (d_real [b] or None, d_fake [b]) -> terms that G minimises.
        boundary: the score above which D holds an image for real, or None where scores have no
            such meaning.
        generator_sees_real: whether the generator's terms need d_real.
    """

    discriminator: Callable[[tf.Tensor, tf.Tensor], Terms]
    generator: Callable[[tf.Tensor | None, tf.Tensor], Terms]
    boundary: float | None = 0.0
    generator_sees_real: bool = False

    def encoder(self, d_real: tf.Tensor) -> Terms:
        """What an encoder minimises of D's scores d_real [b] of pairs (x, E(x)), which D is to hold
        for fake: G's terms of the scores mirrored at the boundary, or at 0 without. So G and E are
        the one player of Donahue et al. 2017, equation 3. Nothing where G's terms see d_real.
        """
        if self.generator_sees_real:
            return {}
        (term,) = self.generator(None, 2.0 * (self.boundary or 0.0) - d_real).values()
        return {"encoder": term}


def cross_entropy(logits: tf.Tensor, target: float) -> tf.Tensor:
    """-t log sigmoid(l) - (1 - t) log(1 - sigmoid(l)) of logits [b] for a target t in [0, 1]."""
    return target * tf.nn.softplus(-logits) + (1.0 - target) * tf.nn.softplus(logits)


def non_saturating(real_label: float = 1.0) -> AdversarialLoss:
    """D: -log D(x) - log(1 - D(G(z))); G: -log D(G(z)). Goodfellow et al. 2014, section 3.

    Args:
        real_label: D's target for real images; below 1 it is the one-sided label smoothing of
            Salimans et al. 2016, section 3.4.
    """
    return AdversarialLoss(
        discriminator=lambda d_real, d_fake: {
            "real": cross_entropy(d_real, real_label),
            "fake": cross_entropy(d_fake, 0.0),
        },
        generator=lambda _, d_fake: {"adversarial": cross_entropy(d_fake, 1.0)},
    )


def minimax(real_label: float = 1.0) -> AdversarialLoss:
    """D: as non_saturating; G: log(1 - D(G(z))). Goodfellow et al. 2014, equation 1."""
    return dataclasses.replace(
        non_saturating(real_label),
        generator=lambda _, d_fake: {"adversarial": -cross_entropy(d_fake, 0.0)},
    )


def least_squares(
    fake_label: float = 0.0, real_label: float = 1.0, generator_label: float = 1.0
) -> AdversarialLoss:
    """D: (D(x) - b)² / 2 + (D(G(z)) - a)² / 2; G: (D(G(z)) - c)² / 2. Mao et al. 2017, equation 2.

    Args:
        fake_label: a, D's target for fakes.
        real_label: b > a, D's target for real images.
        generator_label: c, what G wants D to say of fakes. The defaults are the paper's equation 9;
            a, b, c = -1, 1, 0 is its equation 8.
    """
    return AdversarialLoss(
        discriminator=lambda d_real, d_fake: {
            "real": 0.5 * tf.square(d_real - real_label),
            "fake": 0.5 * tf.square(d_fake - fake_label),
        },
        generator=lambda _, d_fake: {"adversarial": 0.5 * tf.square(d_fake - generator_label)},
        boundary=(fake_label + real_label) / 2,
    )


def wasserstein() -> AdversarialLoss:
    """D: -D(x) + D(G(z)); G: -D(G(z)). Arjovsky et al. 2017, equation 3.

    It takes a critic that is kept Lipschitz: by clipping, a penalty or normalisation.
    """
    return AdversarialLoss(
        discriminator=lambda d_real, d_fake: {"real": -d_real, "fake": d_fake},
        generator=lambda _, d_fake: {"adversarial": -d_fake},
        boundary=None,
    )


def hinge() -> AdversarialLoss:
    """D: max(0, 1 - D(x)) + max(0, 1 + D(G(z))); G: -D(G(z)).

    Lim and Ye 2017; Miyato et al. 2018, equations 16 and 17.
    """
    return AdversarialLoss(
        discriminator=lambda d_real, d_fake: {
            "real": tf.nn.relu(1.0 - d_real),
            "fake": tf.nn.relu(1.0 + d_fake),
        },
        generator=lambda _, d_fake: {"adversarial": -d_fake},
    )


def relativistic() -> AdversarialLoss:
    """D: -log sigmoid(D(x) - D(G(z))), of the k-th real image and the k-th fake; G: the reverse.

    The relativistic standard GAN: Jolicoeur-Martineau 2018, section 4.1.
    """
    return AdversarialLoss(
        discriminator=lambda d_real, d_fake: {"relative": cross_entropy(d_real - d_fake, 1.0)},
        generator=lambda d_real, d_fake: {"adversarial": cross_entropy(d_fake - d_real, 1.0)},
        boundary=None,
        generator_sees_real=True,
    )


def relativistic_average() -> AdversarialLoss:
    """D: -log sigmoid(D(x) - mean D(G(z))) - log(1 - sigmoid(D(G(z)) - mean D(x))); G: the reverse.

    The relativistic average standard GAN: Jolicoeur-Martineau 2018, section 4.3. The means are the
    batch's and carry gradients. The paper's sums; its code halves them for both players.
    """

    def relative(d_real, d_fake):
        return d_real - tf.reduce_mean(d_fake), d_fake - tf.reduce_mean(d_real)

    def discriminator(d_real, d_fake):
        real, fake = relative(d_real, d_fake)
        return {"real": cross_entropy(real, 1.0), "fake": cross_entropy(fake, 0.0)}

    def generator(d_real, d_fake):
        real, fake = relative(d_real, d_fake)
        return {"adversarial": cross_entropy(real, 0.0) + cross_entropy(fake, 1.0)}

    return AdversarialLoss(discriminator, generator, boundary=None, generator_sees_real=True)


LOSSES = {
    "non_saturating": non_saturating,
    "minimax": minimax,
    "least_squares": least_squares,
    "wasserstein": wasserstein,
    "hinge": hinge,
    "relativistic": relativistic,
    "relativistic_average": relativistic_average,
}

# Those whose real_label is the target of one-sided label smoothing.
SMOOTHED = ("non_saturating", "minimax")
