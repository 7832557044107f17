"""InfoGAN.

Chen et al. 2016, "InfoGAN: Interpretable Representation Learning by Information Maximizing
Generative Adversarial Nets", arXiv:1606.03657.
"""

import keras
import tensorflow as tf

import fields
from errors import UserError
from models import layers, state_keys
from models.abilities import CATEGORICAL_CODE
from models.adversarial import AdversarialModel
from models.base import Player, to_unit_range
from models.codes import LOG_STD, CodeLayout, CodePredictor
from models.declarations.infogan import InfoGANHyperparameters
from models.latents import CONTINUOUS, SHOWN_CLASSES, Latents, with_each
from models.objectives import (
    CodeLosses,
    Consistency,
    MutualInformation,
    Objective,
    RealImageLosses,
    Supervision,
    ThicknessGuidance,
)


class Coded:
    """Mixin that adds codes to the noise, and Q, which predicts them from D's features.

    It precedes an adversarial model whose `discriminate` returns "features". G and Q minimise
    V(D, G) - lambda L_I(G, Q), equation 6; the hyperparameter `information_trains` selects whether
    the discriminator's trunk minimises -lambda L_I as well. With `supervised_fraction`, images
    without a known class have the label -1, as in data.Batches(labelled=...).

    Raises:
        UserError: `supervised_fraction` is above 0 and the images have no labels, or more classes
            than the first code has categories.
    """

    def build_latents(self):
        hp = self.hp
        if hp.supervised_fraction and not 0 < self.num_classes <= hp.categories[0]:
            raise UserError(
                f"requires images with labels of at most {hp.categories[0]} classes (the size of "
                f"the first of categorical_codes), there are {self.num_classes}",
                "supervised_fraction",
            )
        self.codes = CodeLayout(hp.categories, hp.continuous_codes)
        return Latents(**super().build_latents().parts, **self.codes.prior())

    def build_objectives(self) -> list[Objective]:
        """Build Q and the objectives that train it."""
        hp = self.hp
        self.q = self.build_q()
        self.predictor = CodePredictor(self.codes, self.q, self.parts.trunk)
        losses = CodeLosses(hp, lambda: self.step, self.current)
        sides = ("generator",) if self.q_side == "generator" else ("generator", "discriminator")
        parts = []
        if hp.uses("invariance_weight"):
            parts.append(Consistency(self.predictor, losses))
        if hp.supervised_fraction:
            parts.append(Supervision(self.predictor, losses, hp.supervised_fraction))
        if hp.thickness_guidance:
            parts.append(ThicknessGuidance(losses))
        of_real = [RealImageLosses(self.predictor, parts, self.q_side)] if parts else []
        return [MutualInformation(self.predictor, losses, sides), *of_real]

    def build_q(self) -> keras.Model:
        """Build Q: features [b, f] -> name of a code -> its prediction. Appendix C.

        The prediction is logits [b, k] of a categorical code, means [b, n] of the continuous ones
        and, for a Gaussian, the logarithms LOG_STD [b, n] of their standard deviations.
        """
        hp = self.hp
        factory = layers.LayerFactory(fields.selected(hp, "d_norm").of_activations, hp.initializer)
        features = keras.Input(self.parts.trunk.output.shape[1:], name="features")
        h = factory.dense(features, hp.q_units, normalised=True)
        h = keras.layers.LeakyReLU(negative_slope=0.2)(h)
        sizes = dict(self.codes.categorical)
        if hp.continuous_codes:
            sizes[CONTINUOUS] = hp.continuous_codes
            if fields.selected(hp, "continuous_loss").predicts_std:
                sizes[LOG_STD] = hp.continuous_codes
        heads = {n: layers.head(size, hp.initializer, name=n)(h) for n, size in sizes.items()}
        return keras.Model(features, heads, name="q")

    @property
    def q_side(self) -> str:
        """Update step ("generator" or "discriminator") that trains Q."""
        return "generator" if self.hp.information_trains == "heads" else "discriminator"

    def players(self):
        q = Player((self.q,), "q_learning_rate", side=self.q_side)
        return super().players() | {state_keys.Q: q}

    def networks(self):
        return super().networks() | {state_keys.Q: self.q}

    def lacks(self, ability):
        if ability is CATEGORICAL_CODE and not self.codes.categorical:
            return f"{type(self).__name__} {ability.reason} (categorical_codes is empty)"
        return super().lacks(ability)

    def picture_latents(self):
        """Return one row per category, up to SHOWN_CLASSES; a column has the same other latents."""
        if not self.codes.categorical:
            return super().picture_latents()
        columns = 10
        name, size = next(iter(self.codes.categorical.items()))
        rows = tf.eye(min(size, SHOWN_CLASSES), size)
        return with_each(self.latents.draw(columns, 0), name, rows), columns


@keras.saving.register_keras_serializable(layers.PACKAGE)
class InfoGAN(Coded, AdversarialModel):
    """GAN with codes that Q predicts from the features of the discriminator."""

    Hyperparameters = InfoGANHyperparameters

    def discriminate(self, inputs, batch):
        """Return the scores, and the features for Q."""
        features = self.parts.trunk(inputs, training=True)
        return {"d": tf.squeeze(self.parts.score(features), -1), "features": features}

    def code_logits(self, x):
        """Return Q's logits [n, k] of the first categorical code."""
        self.require(CATEGORICAL_CODE)
        q = self.predictor.of_images(to_unit_range(x), training=False)
        return q[next(iter(self.codes.categorical))]

    def encode(self, x):
        """Return the probabilities of the categories and the means of the continuous codes."""
        return self.predictor.probabilities_and_means(to_unit_range(x))
