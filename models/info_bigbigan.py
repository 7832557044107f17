"""InfoGAN's codes in BigBiGAN."""

import keras
import tensorflow as tf

from models import layers
from models.abilities import CATEGORICAL_CODE
from models.bigbigan import BigBiGAN
from models.hyperparameters.bigan import InfoBigBiGANHyperparameters
from models.infogan import InfoGAN
from models.latents import CATEGORY, CONTINUOUS


@keras.saving.register_keras_serializable(layers.PACKAGE)
class InfoBigBiGAN(BigBiGAN, InfoGAN):
    """Codes join z: Q, on F's features, reads them off G's images, and E says those of real ones,
    which D judges beside z."""

    Hyperparameters = InfoBigBiGANHyperparameters

    def encoder_heads(self, h):
        """Those of z; logits [b, k] of each categorical code; and the continuous codes [b, n]."""
        hp = self.hp
        sizes = {f"{CATEGORY}{k}": size for k, size in enumerate(hp.categories)}
        heads = {n: layers.head(size, hp.initializer, name=n)(h) for n, size in sizes.items()}
        if hp.continuous_codes:
            raw = layers.head(hp.continuous_codes, hp.initializer, name="raw_continuous")(h)
            heads[CONTINUOUS] = keras.layers.Activation("tanh", dtype="float32")(raw)
        return super().encoder_heads(h) | heads

    def inferred(self, found, batch):
        """A draw of a category is one-hot, so that D cannot tell it by that, and has the gradient
        of the probabilities (straight through); its mean are these."""
        codes = {n: part for n, part in found.items() if n.startswith((CATEGORY, CONTINUOUS))}
        for name in (name for name in codes if name.startswith(CATEGORY)):
            logits = found[name]
            codes[name] = tf.nn.softmax(logits)
            if batch:
                noise = -tf.math.log(-tf.math.log(batch.uniform(name, tf.shape(logits)) + 1e-20))
                drawn = tf.one_hot(tf.argmax(logits + noise, -1), logits.shape[-1])
                codes[name] += tf.stop_gradient(drawn - codes[name])
        return super().inferred(found, batch) | codes

    def reconstruct(self, x):
        """G of the most likely categories, one-hot as it has learnt them, and the means."""
        found = self.inferred(self.encoded(x), None)
        modes = {
            name: tf.one_hot(tf.argmax(part, -1), part.shape[-1])
            for name, part in found.items()
            if name.startswith(CATEGORY)
        }
        return self.generator_ema(self.latents.join(found | modes), training=False)

    def code_logits(self, x):
        """What E says of the first categorical code."""
        self.require(CATEGORICAL_CODE)
        return self.encoded(x)[f"{CATEGORY}0"]
