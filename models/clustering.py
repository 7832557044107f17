"""Categorical codes that Q learns from real images by clustering."""

import dataclasses

import keras
import numpy as np
import tensorflow as tf

import fields
import replicas
from augmentation import streams
from augmentation.changes import CHANGES
from augmentation.copies import copies
from losses import clustering
from models.base import to_unit_range
from models.codes import CodeLayout
from models.objectives import INFORMATION, CodeLosses, Objective, categorical_bounds
from models.randomness import Batch, stateless_seed
from models.terms import Term


@dataclasses.dataclass(frozen=True)
class CategoryPredictor:
    """Prediction of the categorical codes from images, by one selected head of each code.

    Attributes:
        codes: layout of the codes.
        trunk: images [b, h, w, c] -> features [b, f].
        heads: features -> name of a code -> logits [b, h, k] of its heads; see
            models.networks.clustering.
        selected: int64 [number of categorical codes], index of the selected head of each; -1 before
            the selection, in which the first head predicts.
    """

    codes: CodeLayout
    trunk: keras.Model
    heads: keras.Model
    selected: keras.Variable

    def of_all_heads(self, x: tf.Tensor, training: bool) -> dict[str, tf.Tensor]:
        """Return the outputs of all heads for images [b, h, w, c] in [-1, 1]."""
        return self.heads(self.trunk(x, training=training), training=training)

    def of_images(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        """Return the logits [b, k] of each code, with the moving statistics of batch norm."""
        outputs = self.of_all_heads(x, training=False)
        head = tf.maximum(self.selected.value, 0)
        return {
            name: tf.gather(outputs[name], head[k], axis=1)
            for k, name in enumerate(self.codes.categorical)
        }

    def is_selected(self) -> tf.Tensor:
        """Return whether heads are selected, a scalar."""
        return tf.reduce_all(self.selected.value >= 0)


class Copies:
    """Random copies of images as the hyperparameters select them."""

    def __init__(self, hp):
        weights = fields.weighted(hp.copies)
        self.changes = {name: 1.0 if w is None else w for name, w in weights.items()}
        options = [option for change in weights for option in CHANGES[change].options]
        self.limits = {option: getattr(hp, option) for option in options}

    def __call__(
        self, x: tf.Tensor, uniform: streams.Uniform, stream: str, strength: float = 1.0
    ) -> tf.Tensor:
        """Return copies of images [b, h, w, c], with all changes at a share of their strength."""
        changes = {name: strength * weight for name, weight in self.changes.items()}
        return copies(x, uniform, stream, changes, self.limits)


class Clustering(Objective):
    """Clustering loss of Q, of two copies of each real image."""

    sides = ("discriminator",)

    def __init__(self, predictor: CategoryPredictor, copies: Copies, hp):
        self.predictor, self.copies = predictor, copies
        self.choice = fields.selected(hp, "clustering")
        self.options = {option: getattr(hp, option) for option in self.choice.of_loss}

    def terms(self, real, fake, batch):
        x = [self.copies(batch.x, batch.uniform, stream) for stream in streams.COPIES]
        outputs = self.predictor.of_all_heads(tf.concat(x, axis=0), training=True)
        pairs = {name: tf.split(output, 2) for name, output in outputs.items()}
        pairs = replicas.gathered(pairs)  # the losses compare all images of the global batch
        a, b = ({name: pair[k] for name, pair in pairs.items()} for k in range(2))
        terms = self.choice.make(a, b, **self.options)
        return {
            f"clustering_{name}": replicas.rows(term) if term.shape.rank else term
            for name, term in terms.items()
        }


class CategoryInformation(Objective):
    """-lambda L_I(G, Q) of the categorical codes, with Q learnt by clustering.

    Q predicts the codes from weaker copies of the generated images, so that G cannot represent them
    by a detail that the copies change. The weight is 0 before a head is selected.
    """

    def __init__(
        self,
        predictor: CategoryPredictor,
        copies: Copies,
        losses: CodeLosses,
        *,
        strength: float,
        sides: tuple[str, ...],
    ):
        self.predictor, self.copies, self.losses = predictor, copies, losses
        self.strength, self.sides = strength, sides

    def terms(self, real, fake, batch: Batch):
        x = self.copies(fake["images"], batch.uniform, streams.GENERATED_COPIES, self.strength)
        started = tf.cast(self.predictor.is_selected(), tf.float32)
        terms = {}
        for name, logits in self.predictor.of_images(x).items():
            term = self.losses.categorical(logits, batch.latents[name])
            terms[name] = Term(term.value, term.weight * started)
        return terms

    def scalars(self, terms):
        """Return the lower bound L_I of each categorical code, in nats."""
        return INFORMATION.named(categorical_bounds(self.predictor.codes, terms))


def information_of_heads(
    predictor: CategoryPredictor, copies: Copies, images: np.ndarray, batch_size: int, seed: int
) -> dict[str, np.ndarray]:
    """Return the mutual information of the categories of two fixed copies of all images.

    Args:
        predictor: prediction of the codes.
        copies: makes the copies.
        images: uint8 [n, h, w, c].
        batch_size: number of images in a batch.
        seed: seed of the copies.

    Returns:
        Name of a code -> the mutual information of each of its heads, in nats.
    """

    @tf.function(reduce_retracing=True)
    def joint_sums(x: tf.Tensor, number: tf.Tensor) -> dict[str, tf.Tensor]:
        batch = Batch(to_unit_range(x), None, lambda stream: stateless_seed(seed, number, stream))
        outputs = [
            predictor.of_all_heads(copies(batch.x, batch.uniform, stream), training=False)
            for stream in streams.FIXED_COPIES
        ]
        sums = {}
        for name in predictor.codes.categorical:
            p, q = (tf.unstack(clustering.assignments(o[name]), axis=1) for o in outputs)
            joints = [clustering.joint_distribution(*pair) for pair in zip(p, q, strict=True)]
            sums[name] = tf.stack(joints) * tf.cast(tf.shape(x)[0], tf.float32)
        return sums

    sums = dict.fromkeys(predictor.codes.categorical, 0.0)
    for number, start in enumerate(range(0, len(images), batch_size)):
        x = np.asarray(images[start : start + batch_size])
        found = joint_sums(x, tf.constant(number))
        sums = {name: sums[name] + found[name] for name in sums}
    return {
        name: np.array([clustering.mutual_information(head / len(images)) for head in joint])
        for name, joint in sums.items()
    }
