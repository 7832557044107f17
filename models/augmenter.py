"""Augmentation of the discriminator's images during training."""

from collections.abc import Callable

import keras
import tensorflow as tf

import fields
import replicas
from augmentation.diffaug import augment
from models import state_keys
from models.declarations.adversarial import AdversarialHyperparameters
from models.randomness import Batch
from models.scalars import ScalarGroup

SIGN = "d_sign_real"
ADAPTATION = ScalarGroup(
    title="adaptive augmentation",
    folder="augmentation",
    names=(state_keys.AUGMENT_P, SIGN),
    order=75,
)


class Augmenter:
    """Augmentation of the discriminator's images by the policy that `augment` selects.

    Args:
        hp: the model's hyperparameters.
        add_weight: the model's `add_weight`; an adaptive probability is a variable of the model.
        current: the model's `current`.

    Attributes:
        policy: the selected policy.
        p: the adaptive probability of each operation per image, a float32 variable; None if
            the policy does not adapt.
    """

    def __init__(
        self,
        hp: AdversarialHyperparameters,
        add_weight: Callable[..., keras.Variable],
        current: Callable[[str], float | tf.Tensor],
    ):
        self.policy, self.current = fields.selected(hp, "augment"), current
        self.target, self.kimg = hp.augment_target, hp.augment_kimg
        self.p = None
        if self.policy.adapts:
            self.p = add_weight(
                name=state_keys.AUGMENT_P, shape=(), initializer="zeros", trainable=False
            )

    def augmented(self, inputs, batch: Batch, stream: str):
        """Return the discriminator's inputs with augmented images.

        Args:
            inputs: a structure of tensors, the first of which is images [b, h, w, c] in [-1, 1].
            batch: the batch of the update, the source of random draws.
            stream: name of the random stream.
        """
        if not self.policy.augments:
            return inputs
        x, *others = tf.nest.flatten(inputs)
        p = self.current("augment_probability") if self.p is None else self.p
        x = augment(x, batch.uniform, stream, p)
        return tf.nest.pack_sequence_as(inputs, [x, *others])

    def adapt(self, real_scores: list[tf.Tensor], threshold: float) -> dict[str, tf.Tensor]:
        """Adapt the probability to the discriminator's scores of real images.

        It rises if the mean sign of the scores, relative to the decision threshold, is above its
        target, and falls otherwise: Karras et al. 2020a, section 3, equation 1 (r_t). It is
        updated with each discriminator update instead of every fourth.

        Args:
            real_scores: scores [b] of the same real images, one tensor per score.
            threshold: decision threshold of the loss.

        Returns:
            The scalars to log, name -> value; none if the policy does not adapt.
        """
        if not self.policy.adapts:
            return {}
        scores = tf.concat(real_scores, axis=0)
        sign = replicas.mean(tf.reduce_mean(tf.sign(tf.cast(scores, tf.float32) - threshold)))
        images = tf.cast(tf.shape(real_scores[0])[0] * replicas.count(), tf.float32)
        step = tf.sign(sign - self.target) * images / (1000.0 * self.kimg)
        self.p.assign(tf.clip_by_value(self.p + step, 0.0, 1.0))
        return {state_keys.AUGMENT_P: tf.convert_to_tensor(self.p), SIGN: sign}
