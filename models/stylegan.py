"""StyleGAN: Karras et al. 2019, "A Style-Based Generator Architecture for Generative Adversarial
Networks"."""

import functools

import keras
import tensorflow as tf

from models import layers
from models.hyperparameters.style import StyleGANHyperparameters
from models.networks import stages, stylegan
from models.style_based import StyleBasedModel


@keras.saving.register_keras_serializable(layers.PACKAGE)
class StyleGAN(StyleBasedModel):
    """Styles by adaptive instance normalisation; images grow, if `growing_kimg` says so.

    Growing (Karras et al. 2018, section 2 and appendix A) begins with the smallest images, which
    are learnt for growing_kimg thousand real images; each doubling is then faded in over as many,
    and learnt for as many; the optimizers begin anew with each of these, as in the authors' code.
    (They begin at 8 pixels, and have larger batches of smaller images.) A step at each size is a
    graph of its own: what it costs is that of its size. Images are enlarged to their full size
    wherever they are shown.
    """

    Hyperparameters = StyleGANHyperparameters
    stage = alpha = None  # of the step that is being made, as AdaptiveSynthesis has them

    def build_synthesis(self):
        growing = self.hp.growing_kimg > 0
        return stylegan.AdaptiveSynthesis(
            self.image_shape, self.hp.width, growing=growing, name="synthesis"
        )

    def build_discriminator(self):
        growing = self.hp.growing_kimg > 0
        return stylegan.Discriminator(
            self.image_shape, self.hp.width, growing=growing, name="discriminator"
        )

    def level(self, step: tf.Tensor) -> tf.Tensor:
        """How often the smallest size is doubled at a step, a float from 0 on: whole numbers while
        a size is learnt, between them while one is faded in."""
        kimg = tf.cast(step, tf.float32) * self.hp.batch_size * self.hp.n_critic / 1000.0
        phases = tf.maximum(kimg / self.hp.growing_kimg - 1.0, 0.0)
        doubled = tf.floor(phases / 2.0)
        level = doubled + tf.minimum(phases - 2.0 * doubled, 1.0)
        return tf.minimum(level, float(self.doublings))

    @property
    def doublings(self) -> int:
        """How often the smallest size is doubled to be that of the image."""
        return stages(self.image_shape)[1]

    def update(self, data):
        if not self.hp.growing_kimg:
            return super().update(data)
        earlier, level = self.level(self.step - 1), self.level(self.step)
        begins, ends = (rounded(level) > rounded(earlier) for rounded in (tf.math.ceil, tf.floor))
        tf.cond(begins | ends, self._restart_optimizers, lambda: None)
        step = functools.partial(self._update_at, data)
        return stylegan.at_level(level, self.doublings + 1, step)

    def _restart_optimizers(self):
        """Their averages, and their counts of steps, are 0: else the first steps of layers whose
        gradients were 0 would be too large by far."""
        for optimizer in self.optimizers.values():
            optimizer = getattr(optimizer, "inner_optimizer", optimizer)
            for variable in optimizer.variables:
                if variable.name != "learning_rate":
                    variable.assign(tf.zeros_like(variable.value))

    def _update_at(self, data, stage: int, alpha: tf.Tensor):
        self.stage, self.alpha = stage, alpha if stage else None
        try:
            return super().update(data) | {"growth": tf.convert_to_tensor(self.level(self.step))}
        finally:
            self.stage = self.alpha = None

    def real(self, batch):
        """Images as a generator of this size and fading would have them: figure 2 there."""
        if self.stage is None:
            return batch.x
        times = 2 ** (self.doublings - self.stage)
        x = stylegan.shrink(batch.x, times)
        if self.alpha is not None:
            earlier = stylegan.enlarge(stylegan.shrink(x, 2), 2)
            x = earlier + self.alpha * (x - earlier)
        return stylegan.enlarge(x, times)

    @property
    def working_layers(self):
        return self.layers if self.stage is None else 2 * (self.stage + 1)

    def synthesise(self, w, noise):
        return self.generator.get_layer("synthesis")(w, noise, stage=self.stage, alpha=self.alpha)

    def minimise(self, loss, tape, side, unconnected=tf.UnconnectedGradients.ZERO):
        """As of every model; the loss of a small size does not depend on the layers of larger
        ones."""
        return super().minimise(loss, tape, side, unconnected)

    def critic(self, shown, batch):
        d = self.discriminator(shown, stage=self.stage, alpha=self.alpha)
        return {"d": tf.squeeze(d, -1)}

    def _update_averages(self):
        """What is drawn is of the size of the next step."""
        super()._update_averages()
        for network in (self.generator, self.generator_ema) if self.hp.growing_kimg else ():
            network.get_layer("synthesis").level.assign(self.level(self.step + 1))
