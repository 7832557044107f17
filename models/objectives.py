"""Additional terms of an adversarial model's losses that relate codes and images.

An objective adds terms to the losses listed in `sides`: of the generator, of the discriminator, or
of both. `models.adversarial.AdversarialModel` sums them.
"""

import math
from collections.abc import Callable

import tensorflow as tf

import fields
import replicas
from augmentation.changes import CHANGES
from augmentation.copies import affine_copies
from errors import UserError
from losses import guidance, information
from models.codes import LOG_STD, CodeLayout, CodePredictor
from models.latents import CONTINUOUS
from models.randomness import Batch
from models.scalars import ScalarGroup
from models.terms import Term, Terms, merged

INFORMATION = ScalarGroup(
    title="lower bound of the mutual information",
    folder="information",
    prefix="information_",
    unit="nats",
    order=40,
)


class Objective:
    """Additional terms of an adversarial loss.

    Attributes:
        sides: update steps with terms of the objective: "generator", "discriminator" or both.
        uses_real: whether the terms in the generator's update need the discriminator's outputs for
            real images; in the discriminator's update these are always given.
    """

    sides: tuple[str, ...] = ("generator",)
    uses_real = False

    def terms(self, real: dict | None, fake: dict, batch: Batch) -> Terms:
        """Return the terms by name.

        Args:
            real: outputs of `discriminate` for real images; None in the generator's update unless
                the model has `generator_uses_real`.
            fake: outputs of `discriminate` for generated images.
            batch: the batch of the update.
        """
        raise NotImplementedError

    def scalars(self, terms: Terms) -> dict[str, tf.Tensor]:
        """Return scalars to log after the generator's update, of all its terms."""
        return {}


class CodeLosses:
    """Weighted losses of predicted codes, selected by the hyperparameters.

    Args:
        hp: InfoGAN's hyperparameters.
        step: function that returns the step, an int64 scalar.
        current: function that returns the value of a hyperparameter at this step.
    """

    def __init__(
        self, hp, step: Callable[[], tf.Tensor], current: Callable[[str], float | tf.Tensor]
    ):
        self.hp, self.step, self.current = hp, step, current
        self.choice = fields.selected(hp, "continuous_loss")

    def categorical(self, logits: tf.Tensor, code: tf.Tensor) -> Term:
        """Return -lambda log Q(c | x) of one-hot codes [b, k]."""
        nll = information.categorical_nll(logits, code)
        return Term(nll, self.current("categorical_weight"))

    def continuous(self, q: dict[str, tf.Tensor], code: tf.Tensor) -> list[Term]:
        """Return a term for each of the continuous codes [b, n], the first n that Q predicts."""
        n = code.shape[-1]
        q = {name: part[:, :n] for name, part in q.items() if name in (CONTINUOUS, LOG_STD)}
        loss = self.choice.make(q[CONTINUOUS], q.get(LOG_STD), code)
        weight = self.current("continuous_weight") * self.continuous_warmup_factor()
        return [Term(loss[:, k], weight) for k in range(n)]

    def continuous_warmup_factor(self):
        """Return the warm-up factor of the weights of the continuous codes at this step."""
        if not self.hp.continuous_warmup:
            return 1.0
        step = tf.cast(self.step() + 1, tf.float32)
        return tf.minimum(step / self.hp.continuous_warmup, 1.0)


class MutualInformation(Objective):
    """-lambda L_I(G, Q) of equation 6, one term for each code of the generated images.

    Chen et al. 2016. The mean squared error with lambda = 0.5 is the negative log likelihood of a
    Gaussian of standard deviation 1, but for a constant.
    """

    def __init__(self, predictor: CodePredictor, losses: CodeLosses, sides: tuple[str, ...]):
        self.predictor, self.losses, self.sides = predictor, losses, sides

    def terms(self, real, fake, batch):
        q = self.predictor.of_features(fake["features"])
        terms = {
            name: self.losses.categorical(q[name], batch.latents[name])
            for name in self.predictor.codes.categorical
        }
        if self.predictor.codes.continuous:
            each = self.losses.continuous(q, batch.latents[CONTINUOUS])
            terms |= {f"{CONTINUOUS}_{k}": term for k, term in enumerate(each)}
        return terms

    def scalars(self, terms):
        """Return the lower bound L_I of each code, in nats."""
        bounds = categorical_bounds(self.predictor.codes, terms)
        for k in range(self.predictor.codes.continuous):
            loss = replicas.mean(tf.reduce_mean(terms[f"{CONTINUOUS}_{k}"].value))
            bounds[f"{CONTINUOUS}_{k}"] = self.losses.choice.bound(loss)
        return INFORMATION.named(bounds)


def categorical_bounds(codes: CodeLayout, terms: Terms) -> dict[str, tf.Tensor]:
    """Return the lower bound L_I of each categorical code, in nats, from its term."""
    return {
        name: information.categorical_bound(tf.reduce_mean(terms[name].value), size)
        for name, size in codes.categorical.items()
    }


class RealImageLosses(Objective):
    """Losses of the codes that Q predicts for real images.

    Args:
        predictor: prediction of the codes.
        parts: functions (outputs of Q for the real images, batch) -> terms.
        side: update step that trains Q.
    """

    uses_real = True

    def __init__(
        self, predictor: CodePredictor, parts: list[Callable[[dict, Batch], Terms]], side: str
    ):
        self.predictor, self.parts, self.sides = predictor, parts, (side,)

    def terms(self, real, fake, batch):
        q = self.predictor.of_features(real["features"])
        return merged(*(part(q, batch) for part in self.parts))


class Consistency:
    """Consistency loss: Q predicts the same codes for an image and for copies of it.

    The prediction for the image is a stop-gradient target (after the self-augmented training of Hu
    et al. 2017, arXiv:1702.08720). The loss of categories is the cross-entropy; their copies are
    also sheared and rotated. The loss of continuous codes is the squared error of the means; their
    copies are only stretched, resized and shifted, so that a code can represent the slant.
    """

    def __init__(self, predictor: CodePredictor, losses: CodeLosses):
        self.predictor, self.losses = predictor, losses
        self.limits = {name: getattr(losses.hp, name) for name in CHANGES["affine"].options}

    def __call__(self, q: dict[str, tf.Tensor], batch: Batch) -> Terms:
        target = {name: tf.stop_gradient(part) for name, part in q.items()}
        codes, terms = self.predictor.codes, {}
        if codes.categorical:
            found = self._of_copies(batch, upright=False)
            for name in codes.categorical:
                probabilities = tf.nn.softmax(target[name])
                terms[name] = information.categorical_nll(found[name], probabilities)
        if codes.continuous:
            found = self._of_copies(batch, upright=True)[CONTINUOUS]
            error = information.squared_error(found, None, target[CONTINUOUS])
            factor = self.losses.continuous_warmup_factor()
            terms[CONTINUOUS] = factor * tf.reduce_sum(error, axis=-1)
        weight = self.losses.current("invariance_weight")
        return {f"invariance_{name}": Term(term, weight) for name, term in terms.items()}

    def _of_copies(self, batch: Batch, upright: bool) -> dict[str, tf.Tensor]:
        copies = affine_copies(batch.x, batch.uniform, self.limits, upright)
        return self.predictor.of_images(copies, training=True)


class Supervision:
    """Cross-entropy of the first categorical code with the class, where the label is known."""

    def __init__(self, predictor: CodePredictor, losses: CodeLosses, fraction: float):
        self.predictor, self.losses, self.fraction = predictor, losses, fraction

    def __call__(self, q: dict[str, tf.Tensor], batch: Batch) -> Terms:
        if batch.labels is None:
            raise UserError("requires batches of images and labels", "supervised_fraction")
        name, size = next(iter(self.predictor.codes.categorical.items()))
        term = self.losses.categorical(q[name], tf.one_hot(batch.labels, size))
        # 1 / sqrt(share) keeps the gradient's variance of all labels; 1 / share would dominate.
        known = tf.cast(batch.labels >= 0, tf.float32) / math.sqrt(self.fraction)
        return {"supervised": Term(term.value, term.weight * known)}


class ThicknessGuidance:
    """Loss of the first continuous code against the rank of the stroke thickness in the batch."""

    def __init__(self, losses: CodeLosses):
        self.losses = losses

    def __call__(self, q: dict[str, tf.Tensor], batch: Batch) -> Terms:
        thickness = replicas.gathered(guidance.stroke_thickness_target(batch.x))
        ranks = replicas.rows(guidance.uniform_ranks(thickness))
        (term,) = self.losses.continuous(q, ranks[:, None])
        return {"thickness": term}
