"""InfoGAN: Chen et al. 2016, "InfoGAN: Interpretable Representation Learning by Information
Maximizing Generative Adversarial Nets"."""

import math

import keras
import tensorflow as tf

import fields
from errors import UserError
from losses import guidance, information, invariance
from models import layers
from models.adversarial import AdversarialModel
from models.base import NotSupported, Player, to_unit_range
from models.declarations.infogan import InfoGANHyperparameters
from models.latents import CATEGORY, CONTINUOUS, SHOWN_CLASSES, Latents, noise, one_hot, with_each


@keras.saving.register_keras_serializable(layers.PACKAGE)
class InfoGAN(AdversarialModel):
    """G is given codes beside the noise, and Q, on D's features, reads them off its images.

    G and Q minimise V(D, G) - lambda L_I(G, Q), equation 6, with L_I of losses/information.py; the
    hyperparameter `information_trains` says whether D's trunk learns -lambda L_I, too. With
    `supervised_fraction`, batches have the label -1 for all other images, as data.Batches gives
    them (`labelled`).

    Raises:
        UserError: Q is to be taught classes, and there are none, or too few codes for them.
    """

    Hyperparameters = InfoGANHyperparameters

    def build_networks(self):
        super().build_networks()
        self.q = self.build_q()

    def build_latents(self):
        """Noise, each categorical code as one-hot, and the continuous codes, uniform(-1, 1)."""
        hp = self.hp
        if hp.supervised_fraction and not 0 < self.num_classes <= hp.categories[0]:
            raise UserError(
                f"requires images with labels of at most {hp.categories[0]} classes (the size of "
                f"the first of categorical_codes), there are {self.num_classes}",
                "supervised_fraction",
            )
        codes = {f"{CATEGORY}{k}": one_hot(size) for k, size in enumerate(hp.categories)}
        if hp.continuous_codes:
            codes[CONTINUOUS] = noise(hp.continuous_codes, "uniform")
        return Latents(**super().build_latents().parts, **codes)

    def build_q(self) -> keras.Model:
        """Q: D's features [b, f] -> name of a code -> logits [b, k], or means [b, n] of the
        continuous codes and, for a Gaussian, the logarithms of their deviations. Appendix C."""
        hp = self.hp
        kit = layers.LayerFactory(fields.selected(hp, "d_norm").of_activations, hp.initializer)
        trunk = self.discriminator.get_layer("trunk")
        features = keras.Input(trunk.output.shape[1:], name="features")
        h = kit.dense(features, hp.q_units, normalised=True)
        h = keras.layers.LeakyReLU(negative_slope=0.2)(h)
        sizes = {f"{CATEGORY}{k}": size for k, size in enumerate(hp.categories)}
        if hp.continuous_codes:
            sizes[CONTINUOUS] = hp.continuous_codes
            if fields.selected(hp, "continuous_loss").predicts_std:
                sizes["log_std"] = hp.continuous_codes
        heads = {n: layers.head(size, hp.initializer, name=n)(h) for n, size in sizes.items()}
        return keras.Model(features, heads, name="q")

    def critic(self, shown, batch):
        """D's scores, and the features that Q reads."""
        features = self.features(shown, training=True)
        score = self.discriminator.get_layer("score")
        return {"d": tf.squeeze(score(features), -1), "features": features}

    def features(self, x, training: bool) -> tf.Tensor:
        """D's features [n, f] of images."""
        return self.discriminator.get_layer("trunk")(x, training=training)

    def information_terms(self, fake, batch):
        """-lambda log Q(c | G(z, c)) for each code; with squared error lambda (c - m(x))^2, which
        for a lambda of 0.5 is that of a Gaussian of deviation 1, but for a constant."""
        hp, codes = self.hp, batch.latents
        q = self.q(fake["features"], training=True)
        terms = {
            name: hp.categorical_weight * information.categorical_nll(q[name], codes[name])
            for name in q
            if name.startswith(CATEGORY)
        }
        if hp.continuous_codes:
            loss = self.continuous_weight() * self.continuous_loss(q, codes[CONTINUOUS])
            terms |= {f"{CONTINUOUS}_{k}": loss[:, k] for k in range(hp.continuous_codes)}
        return terms

    def rise(self):
        """What share of its lambda a term of the continuous codes has at this step: above 0."""
        if not self.hp.continuous_warmup:
            return 1.0
        return tf.minimum(tf.cast(self.step + 1, tf.float32) / self.hp.continuous_warmup, 1.0)

    def continuous_weight(self):
        """lambda of the continuous codes at this step."""
        return self.hp.continuous_weight * self.rise()

    def continuous_loss(self, q, code):
        """What the continuous codes [b, n] cost: [b, n]."""
        loss = fields.selected(self.hp, "continuous_loss").make
        return loss(q[CONTINUOUS], q.get("log_std"), code)

    def lessons(self, real, batch):
        """What Q learns from real images: name -> [b].

        What it reads in an image stands in copies of it, too (`invariance_terms`); the classes of
        those that have one; and that the first continuous code is the thickness of strokes.
        """
        hp = self.hp
        if not self.learns_from_real:
            return {}
        q = self.q(real["features"], training=True)
        terms = self.invariance_terms(q, batch) if hp.invariance_weight else {}
        if hp.supervised_fraction:
            if batch.labels is None:
                raise UserError("supervised_fraction needs batches of images and labels")
            code = tf.one_hot(batch.labels, hp.categories[0])
            # So the gradient varies as with all labels; by 1 / share it would drown all others.
            known = tf.cast(batch.labels >= 0, tf.float32) / math.sqrt(hp.supervised_fraction)
            nll = information.categorical_nll(q[f"{CATEGORY}0"], code)
            terms["supervised"] = hp.categorical_weight * known * nll
        if hp.thickness_guidance:
            code = guidance.uniform_ranks(guidance.stroke_thickness(batch.x))[:, None]
            first = {name: part[:, :1] for name, part in q.items()}
            terms["thickness"] = self.continuous_weight() * self.continuous_loss(first, code)[:, 0]
        return terms

    def invariance_terms(self, q, batch):
        """lambda times how far, in copies of the real images, Q is from what it read in these, q,
        which stands (after the self-augmented training of Hu et al. 2017).

        The categories, by cross-entropy, are to be the same in copies that are also sheared and
        turned; the means of the continuous codes, so that these can be slant, by squared error in
        copies that are stretched, resized and shifted only.
        """

        def of_copies(upright: bool):
            copies = invariance.affine_copies(batch.x, batch.uniform, upright)
            return self.q(self.features(copies, training=True), training=True)

        q = {name: tf.stop_gradient(part) for name, part in q.items()}
        losses = {}
        if self.hp.categories:
            found = of_copies(upright=False)
            for name in (name for name in q if name.startswith(CATEGORY)):
                losses[name] = information.categorical_nll(found[name], tf.nn.softmax(q[name]))
        if self.hp.continuous_codes:
            error = information.squared_error(
                of_copies(upright=True)[CONTINUOUS], None, q[CONTINUOUS]
            )
            losses[CONTINUOUS] = self.rise() * tf.reduce_sum(error, axis=-1)
        return {f"invariance_{n}": self.hp.invariance_weight * loss for n, loss in losses.items()}

    @property
    def learns_from_real(self) -> bool:
        """Whether Q learns anything from real images."""
        hp = self.hp
        return bool(hp.invariance_weight or hp.supervised_fraction or hp.thickness_guidance)

    @property
    def side_of_q(self) -> str:
        """Whose update Q is moved in, and learns from real images in: with D's trunk D's, else
        G's."""
        return "generator" if self.hp.information_trains == "heads" else "discriminator"

    @property
    def generator_uses_real(self):
        lessons = self.learns_from_real and self.side_of_q == "generator"
        return lessons or super().generator_uses_real

    def generator_terms(self, real, fake, batch):
        terms = super().generator_terms(real, fake, batch) | self.information_terms(fake, batch)
        return terms | (self.lessons(real, batch) if self.side_of_q == "generator" else {})

    def discriminator_terms(self, real, fake, batch):
        terms = super().discriminator_terms(real, fake, batch)
        if self.side_of_q == "generator":
            return terms
        return terms | self.information_terms(fake, batch) | self.lessons(real, batch)

    def after_generator_update(self, terms, batch):
        """The bound L_I in nats for each code."""
        hp = self.hp
        loss = {name: tf.reduce_mean(term) for name, term in terms.items()}
        bounds = {}
        for k, size in enumerate(hp.categories):
            nll = loss[f"{CATEGORY}{k}"] / hp.categorical_weight
            bounds[f"information_{CATEGORY}{k}"] = information.categorical_bound(nll, size)
        bound = fields.selected(hp, "continuous_loss").bound
        for k in range(hp.continuous_codes):
            mean = loss[f"{CONTINUOUS}_{k}"] / self.continuous_weight()
            bounds[f"information_{CONTINUOUS}_{k}"] = bound(mean)
        return bounds

    def players(self):
        q = Player((self.q,), self.hp.q_learning_rate, side=self.side_of_q)
        return super().players() | {"q": q}

    def read_codes(self, x) -> dict[str, tf.Tensor]:
        """What Q says of images [n, h, w, c], uint8 or float in [-1, 1]."""
        return self.q(self.features(to_unit_range(x), training=False), training=False)

    def refuse_without_categories(self) -> None:
        """Raises NotSupported if there is no categorical code."""
        if not self.hp.categories:
            name = type(self).__name__
            raise NotSupported(f"{name} has no categorical code (--categorical_codes is empty)")

    def code_logits(self, x):
        """What Q says of the first categorical code."""
        self.refuse_without_categories()
        return self.read_codes(x)[f"{CATEGORY}0"]

    def encode(self, x):
        """The probabilities of the categories and the means of the continuous codes."""
        q = self.read_codes(x)
        parts = [tf.nn.softmax(q[name]) for name in q if name.startswith(CATEGORY)]
        return tf.concat([*parts, *([q[CONTINUOUS]] if CONTINUOUS in q else [])], axis=-1)

    def picture_latents(self):
        """A category a row, up to SHOWN_CLASSES of them, and all else the same down each column."""
        if not self.hp.categories:
            return super().picture_latents()
        columns, size = 10, self.hp.categories[0]
        return with_each(
            self.latents.draw(columns, 0), f"{CATEGORY}0", tf.eye(min(size, SHOWN_CLASSES), size)
        ), columns
