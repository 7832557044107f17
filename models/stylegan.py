"""StyleGAN.

Karras et al. 2019, "A Style-Based Generator Architecture for Generative Adversarial Networks".
"""

import dataclasses

import keras
import tensorflow as tf

from errors import UserError
from models import layers
from models.base import number_of_images
from models.declarations.stylegan import StyleGANHyperparameters
from models.networks import stages, stylegan
from models.randomness import Growth
from models.scalars import ScalarGroup
from models.style_based import StyleBasedModel

GROWTH = ScalarGroup(
    title="doublings of the smallest size",
    folder="scheduled",
    names=("growth",),
    order=80,
    settings=True,
)


@keras.saving.register_keras_serializable(layers.PACKAGE)
class StyleGAN(StyleBasedModel):
    """StyleGAN: adaptive instance normalisation, and progressive growing if growing_kimg > 0.

    Progressive growing (Karras et al. 2018, section 2 and appendix A) starts at the smallest image
    size. Each phase lasts growing_kimg thousand real images: the smallest size is trained for one
    phase, then every further size is faded in for one phase and trained for another. The optimizers
    are reset at the start of each phase, as in the authors' code. Unlike here, that code starts at
    8 pixels and has larger batches at smaller sizes.

    The train step of each size is a separate graph, so small sizes take less time. The images of
    all sizes are upsampled to the full size.
    """

    Hyperparameters = StyleGANHyperparameters

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

    def level(self, images: tf.Tensor) -> tf.Tensor:
        """Return the number of doublings of the smallest size, a float32 scalar.

        It is an integer while a size is trained and in between while the next one is faded in.

        Args:
            images: number of real images that were seen, an int64 scalar.
        """
        kimg = tf.cast(tf.cast(images, tf.float64) / 1000.0, tf.float32)
        phases = tf.maximum(kimg / self.hp.growing_kimg - 1.0, 0.0)
        doubled = tf.floor(phases / 2.0)
        level = doubled + tf.minimum(phases - 2.0 * doubled, 1.0)
        return tf.minimum(level, float(self.doublings))

    @property
    def doublings(self) -> int:
        """Number of doublings from the smallest size to the image size."""
        return stages(self.image_shape)[1]

    def check_distributed(self):
        """Raise UserError if the model grows: its sizes are branches of one graph."""
        if self.hp.growing_kimg:
            raise UserError("must be 0 on several replicas", "growing_kimg")

    def update(self, data):
        if not self.hp.growing_kimg:
            return super().update(data)
        n = tf.cast(number_of_images(data), tf.int64)
        seen = tf.convert_to_tensor(self.images)
        earlier, level, later = (self.level(seen + k * n) for k in (-1, 0, 1))
        begins, ends = (rounded(level) > rounded(earlier) for rounded in (tf.math.ceil, tf.floor))
        tf.cond(begins | ends, self._restart_optimizers, lambda: None)
        batches = self.batches_of(data)

        def step(stage: int, alpha: tf.Tensor):
            growth = Growth(stage, alpha if stage else None)
            return self.update_on([dataclasses.replace(b, growth=growth) for b in batches])

        scalars = stylegan.at_level(level, self.doublings + 1, step)
        for network in (self.generator, self.generator_ema):  # samples have the next step's size
            stylegan.parts_of(network).synthesis.level.assign(later)
        return scalars | GROWTH.single(level)

    def _restart_optimizers(self):
        """Set the optimizers' moments and step counts to 0.

        Otherwise the first updates of new layers, whose second moments are 0, would be too large.
        """
        for optimizer in self.optimizers.values():
            if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
                optimizer = optimizer.inner_optimizer
            rate = optimizer.learning_rate
            for variable in optimizer.variables:
                if variable is not rate:
                    variable.assign(tf.zeros_like(variable.value))

    def real_inputs(self, batch):
        """Return real images at the batch's size and fading: Karras et al. 2018, figure 2."""
        if batch.growth is None:
            return batch.x
        times = 2 ** (self.doublings - batch.growth.stage)
        x = stylegan.downsample(batch.x, times)
        if batch.growth.alpha is not None:
            earlier = stylegan.upsample(stylegan.downsample(x, 2), 2)
            x = earlier + batch.growth.alpha * (x - earlier)
        return stylegan.upsample(x, times)

    def working_layers(self, batch):
        return 2 * (batch.growth.stage + 1) if batch.growth else self.style_layers

    def synthesise(self, w, noise, batch):
        return stylegan.parts_of(self.generator).synthesis(w, noise, **at(batch))

    def minimise(self, loss, tape, side, unconnected=tf.UnconnectedGradients.ZERO):
        """Take gradient steps; layers of larger sizes have no gradient, which counts as 0."""
        return super().minimise(loss, tape, side, unconnected)

    def discriminate(self, inputs, batch):
        d = self.discriminator(inputs, **at(batch))
        return {"d": tf.squeeze(d, -1)}


def at(batch) -> dict:
    """Return the arguments of the networks for the image size of a batch."""
    growth = batch.growth
    return {"stage": growth.stage, "alpha": growth.alpha} if growth else {}
