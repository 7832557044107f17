"""InfoGAN.

Chen et al. 2016, "InfoGAN: Interpretable Representation Learning by Information Maximizing
Generative Adversarial Nets", arXiv:1606.03657.
"""

import keras
import numpy as np
import tensorflow as tf

import fields
from errors import UserError, warn
from models import layers, state_keys
from models.abilities import CATEGORICAL_CODE
from models.adversarial import AdversarialModel
from models.base import to_unit_range
from models.batching import in_batches
from models.clustering import (
    CategoryInformation,
    CategoryPredictor,
    Clustering,
    Copies,
    information_of_heads,
)
from models.codes import LOG_STD, CodeLayout, CodePredictor
from models.declarations.infogan import InfoGANHyperparameters
from models.latents import CONTINUOUS, SHOWN_CLASSES, Latents, with_each
from models.networks import clustering as networks
from models.objectives import (
    CodeLosses,
    Consistency,
    MutualInformation,
    Objective,
    RealImageLosses,
    Supervision,
    ThicknessGuidance,
)
from models.players import Player
from models.scalars import ScalarGroup

HEAD_INFORMATION = ScalarGroup(
    title="mutual information of each head",
    folder="information",
    prefix="head_information_",
    unit="nats",
    order=41,
)
SELECTED_HEADS = ScalarGroup(
    title="selected heads", folder="information", prefix="selected_head_", order=42
)


class Coded:
    """Mixin that adds codes to the noise, and Q, which predicts them.

    It precedes an adversarial model whose `discriminate` returns "features". G and Q minimise
    V(D, G) - lambda L_I(G, Q), equation 6; the hyperparameter `information_trains` selects whether
    the discriminator's trunk minimises -lambda L_I as well. With `clustering`, Q learns the
    categorical codes from real images instead, see models/clustering.py. With
    `supervised_fraction`, images without a known class have the label -1, as in
    data.Batches(labelled=...).

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
        losses = CodeLosses(hp, lambda: self.step, self.current)
        clustering, codes = [], self.codes
        if self.clusters:
            clustering = self.build_clustering(losses)
            codes = CodeLayout((), hp.continuous_codes)
        self.q = self.build_q(codes) if codes.names else None
        self.predictor = CodePredictor(codes, self.q, self.parts.trunk)
        if not self.q:
            return clustering
        sides = ("generator",) if self.q_side == "generator" else ("generator", "discriminator")
        parts = []
        if hp.uses("invariance_weight"):
            parts.append(Consistency(self.predictor, losses))
        if hp.supervised_fraction:
            parts.append(Supervision(self.predictor, losses, hp.supervised_fraction))
        if hp.thickness_guidance:
            parts.append(ThicknessGuidance(losses))
        of_real = [RealImageLosses(self.predictor, parts, self.q_side)] if parts else []
        return [*clustering, MutualInformation(self.predictor, losses, sides), *of_real]

    @property
    def clusters(self) -> bool:
        """True if Q learns the categorical codes from real images."""
        return fields.selected(self.hp, "clustering").clusters

    def build_clustering(self, losses: CodeLosses) -> list[Objective]:
        """Build the part of Q that predicts the categories, and its objectives."""
        hp, choice = self.hp, fields.selected(self.hp, "clustering")
        self.q_trunk = self.parts.trunk
        if hp.q_trunk == "own":
            self.q_trunk = networks.trunk(self.image_shape, hp.q_width)
        self.q_heads = networks.heads(
            self.q_trunk.output.shape[-1],
            self.codes.categorical,
            hp.q_heads,
            auxiliary=getattr(hp, choice.auxiliary),
            units=hp.q_head_units,
        )
        self.selected_heads = self.add_weight(
            name=state_keys.SELECTED_HEADS,
            shape=(len(hp.categories),),
            dtype="int64",
            initializer=keras.initializers.Constant(-1),
            trainable=False,
        )
        self.selection_step = self.add_weight(
            name=state_keys.SELECTION_STEP,
            shape=(),
            dtype="int64",
            initializer=keras.initializers.Constant(hp.selection_step),
            trainable=False,
        )
        self.categories = CategoryPredictor(
            self.codes, self.q_trunk, self.q_heads, self.selected_heads
        )
        self.copies = Copies(hp)
        information = CategoryInformation(
            self.categories,
            self.copies,
            losses,
            strength=hp.generated_copy_strength,
            sides=("generator", "discriminator") if hp.train_q_on_generated else ("generator",),
        )
        return [Clustering(self.categories, self.copies, hp), information]

    def before_training(self, images_per_epoch, images):
        """Also set the step at which heads are selected, unless a checkpoint restores it later."""
        super().before_training(images_per_epoch, images)
        if self.clusters:
            steps = images // (self.hp.batch_size * self.hp.n_critic)
            self.selection_step.assign(max(min(self.hp.selection_step, steps // 10), 1))

    def milestones(self):
        if not self.clusters or self.categories.is_selected():
            return super().milestones()
        return [(int(self.selection_step.numpy()), self.select_heads), *super().milestones()]

    def fit(self, *args, **kwargs):
        """Train as keras.Model.fit; log a warning if a head should have been selected."""
        history = super().fit(*args, **kwargs)
        if any(step < int(self.step.numpy()) for step, _ in self.milestones()):
            warn(
                "the generator's loss has no categories: no head is selected; call "
                "model.select_heads(images) with the training images, then fit again"
            )
        return history

    def select_heads(self, images: np.ndarray) -> dict[str, float]:
        """Select the head of each categorical code, without labels.

        The selected head has the highest mutual information between its categories of two fixed
        copies of each image. From then on, the loss of the generator includes the categories.

        Args:
            images: uint8 [n, h, w, c], the training images.

        Returns:
            The mutual information of each head in nats, and the selected head of each code, counted
            from 1, by name.
        """
        found = information_of_heads(
            self.categories, self.copies, images, self.hp.batch_size, self.seed
        )
        self.selected_heads.assign([int(np.argmax(values)) for values in found.values()])
        information = {
            f"{name}_{k}": float(value)
            for name, values in found.items()
            for k, value in enumerate(values, 1)
        }
        heads = {name: float(np.argmax(values) + 1) for name, values in found.items()}
        return HEAD_INFORMATION.named(information) | SELECTED_HEADS.named(heads)

    def discriminate_augmented(self, inputs, batch, stream):
        """Return also the images, before augmentation, as "images"."""
        images, *_ = tf.nest.flatten(inputs)
        return super().discriminate_augmented(inputs, batch, stream) | {"images": images}

    def predicted_codes(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        """Return Q's predictions for images in [-1, 1]: logits [b, k], or means [b, n]."""
        of_categories = self.categories.of_images(x) if self.clusters else {}
        of_features = self.predictor.of_images(x, training=False) if self.q else {}
        return {**of_categories, **of_features}

    def build_q(self, codes: CodeLayout) -> keras.Model:
        """Build Q: features [b, f] -> name of a code -> its prediction. Appendix C.

        The prediction is logits [b, k] of a categorical code, means [b, n] of the continuous ones
        and, for a Gaussian, the logarithms LOG_STD [b, n] of their standard deviations.
        """
        hp = self.hp
        factory = layers.LayerFactory(fields.selected(hp, "d_norm").of_activations, hp.initializer)
        features = keras.Input(self.parts.trunk.output.shape[1:], name="features")
        h = factory.dense(features, hp.q_units, normalised=True)
        h = keras.layers.LeakyReLU(negative_slope=0.2)(h)
        sizes = dict(codes.categorical)
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
        players = super().players()
        if self.q:
            players[state_keys.Q] = Player((self.q,), "q_learning_rate", side=self.q_side)
        if self.clusters:
            own = tuple(self.networks_of_categories().values())
            players[state_keys.Q_CATEGORIES] = Player(
                own, "clustering_learning_rate", side="discriminator"
            )
        return players

    def networks(self):
        q = {state_keys.Q: self.q} if self.q else {}
        return super().networks() | q | self.networks_of_categories()

    def networks_of_categories(self) -> dict[str, keras.Model]:
        """Return the networks that only the categorical codes use."""
        if not self.clusters:
            return {}
        own = {state_keys.Q_TRUNK: self.q_trunk} if self.hp.q_trunk == "own" else {}
        return own | {state_keys.Q_CATEGORIES: self.q_heads}

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
    """GAN with codes that Q predicts from the features of the discriminator or by clustering."""

    Hyperparameters = InfoGANHyperparameters

    def discriminate(self, inputs, batch):
        """Return the scores, and the features for Q."""
        features = self.parts.trunk(inputs, training=True)
        return {"d": tf.squeeze(self.parts.score(features), -1), "features": features}

    def inference_networks(self):
        """Return also Q, with the discriminator if Q predicts codes from its trunk."""
        used = super().inference_networks() | self.networks_of_categories()
        if self.q:
            used[state_keys.Q] = self.q
        if self.q or (self.clusters and state_keys.Q_TRUNK not in used):
            used[state_keys.DISCRIMINATOR] = self.discriminator
        return used

    @in_batches
    def code_logits(self, x):
        """Return Q's logits [n, k] of the first categorical code."""
        self.require(CATEGORICAL_CODE)
        return self.predicted_codes(to_unit_range(x))[next(iter(self.codes.categorical))]

    @in_batches
    def encode(self, x):
        """Return the probabilities of the categories and the means of the continuous codes."""
        q = self.predicted_codes(to_unit_range(x))
        parts = [tf.nn.softmax(q[name]) for name in self.codes.categorical]
        return tf.concat([*parts, *([q[CONTINUOUS]] if self.codes.continuous else [])], axis=-1)
