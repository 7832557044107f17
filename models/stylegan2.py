"""StyleGAN2: Karras et al. 2020, "Analyzing and Improving the Image Quality of StyleGAN"."""

import keras
import tensorflow as tf

import replicas
from losses.path_length import path_length_penalty, path_lengths
from models import layers, state_keys, streams
from models.declarations.stylegan2 import StyleGAN2Hyperparameters
from models.networks import stylegan
from models.randomness import length
from models.scalars import ScalarGroup
from models.style_based import StyleBasedModel
from models.terms import Term

PATH_LENGTH = ScalarGroup(
    title="mean path length", folder="path_length", names=("path_length_mean",), order=81
)
LENGTH_DECAY = 0.99  # per measurement, of the mean path length: appendix B


@keras.saving.register_keras_serializable(layers.PACKAGE)
class StyleGAN2(StyleBasedModel):
    """StyleGAN2: modulated convolutions, skip generator, residual D, path length regularization.

    Lazy regularization adds its terms to the loss of every N-th step. The authors' code takes
    separate optimizer steps for them, and draws new latents and noise for the path lengths.

    Attributes:
        path_mean: float32 variable, the moving average of the path lengths, a in equation 4.
    """

    Hyperparameters = StyleGAN2Hyperparameters

    def build_networks(self):
        self.path_mean = self.add_weight(
            name=state_keys.PATH_MEAN, shape=(), initializer="zeros", trainable=False
        )
        super().build_networks()

    def build_synthesis(self):
        return stylegan.SkipSynthesis(self.image_shape, self.hp.width, name="synthesis")

    def build_discriminator(self):
        return stylegan.Discriminator(
            self.image_shape, self.hp.width, residual=True, name="discriminator"
        )

    def extra_generator_terms(self, real, fake, batch):
        """Return the path length penalty; update the mean length: equation 4 and appendix B.

        Lazy: computed every `path_interval` steps and scaled by `path_interval`. It uses half of
        the batch.
        """
        if not self.hp.uses("path_weight"):
            return {}
        due = tf.equal(self.step % self.hp.path_interval, 0)
        none = tf.zeros_like(batch.x[::2, 0, 0, 0])
        lengths = tf.cond(due, lambda: self._path_lengths(batch), lambda: none)
        change = replicas.mean(tf.reduce_mean(lengths)) - self.path_mean
        moved = self.path_mean + (1.0 - LENGTH_DECAY) * change
        self.path_mean.assign(tf.where(due & tf.math.is_finite(moved), moved, self.path_mean))
        penalty = path_length_penalty(lengths, tf.stop_gradient(self.path_mean.value))
        value = tf.where(due, penalty, none)
        return {"path": Term(value, self.current("path_weight") * self.hp.path_interval)}

    def _path_lengths(self, batch) -> tf.Tensor:
        """Return the path length of every second image, [b / 2]."""
        height, width, _ = self.image_shape
        noise = [one[::2] for one in self.draw_noise(batch.normal, batch.x)]
        w = self.mixed_styles(batch)[::2]
        y = batch.normal(streams.PATH, [length(w), *self.image_shape]) / (height * width) ** 0.5
        return path_lengths(lambda w: self.synthesise(w, noise, batch), w, y)

    def after_generator_update(self, terms, batch):
        scalars = super().after_generator_update(terms, batch)
        if self.hp.uses("path_weight"):
            scalars |= PATH_LENGTH.single(tf.convert_to_tensor(self.path_mean))
        return scalars
