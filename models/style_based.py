"""What StyleGAN and StyleGAN2 have in common: Karras et al. 2019, "A Style-Based Generator
Architecture for Generative Adversarial Networks"."""

import numpy as np
import tensorflow as tf

from models import streams
from models.adversarial import AdversarialModel
from models.declarations.style import StyleHyperparameters
from models.networks import stylegan
from models.randomness import length, stateless_seed

MEAN_DECAY = 0.995  # a step, of the running mean of w, as in the authors' code


class StyleBasedModel(AdversarialModel):
    """G maps z to a style w, and w, at each layer, to the image, with noise of each pixel.

    Hooks beyond those of AdversarialModel: `build_synthesis`, and `synthesise`, the images of a
    training step.
    """

    Hyperparameters = StyleHyperparameters

    def build_generator(self):
        """G: joined latents [b, d] -> images, its layers as stylegan.generator says."""
        hp = self.hp
        mapping = stylegan.mapping(self.latents.dim, hp.w_dim, hp.mapping_depth, hp.mapping_rate)
        return stylegan.generator(self.latents.dim, mapping, self.build_synthesis())

    def build_networks(self):
        super().build_networks()
        self.discriminator.build((None, *self.image_shape))

    def build_synthesis(self) -> stylegan.Synthesis:
        """w of each layer [b, layers, w_dim] -> images; its name is "synthesis"."""
        raise NotImplementedError

    def synthesise(self, w: tf.Tensor, noise: list[tf.Tensor], batch) -> tf.Tensor:
        """Return images [b, h, w, c] of a training step.

        Args:
            w: style of each layer [b, layers, w_dim].
            noise: noise of each layer.
            batch: of the update.
        """
        return self.generator.get_layer("synthesis")(w, noise)

    def fake_inputs(self, batch):
        """Images of mixed styles, with new noise."""
        noise = self.draw_noise(batch.normal, batch.x)
        return self.synthesise(self.mixed_styles(batch), noise, batch)

    def mixed_styles(self, batch) -> tf.Tensor:
        """w of each layer [b, layers, w_dim], in a share of the images that of a second z from
        some layer on, each image's own: section 3.1."""
        mapping, layers = self.generator.get_layer("mapping"), self.layers
        w, n = mapping(self.latents.join(batch.latents)), length(batch.x)
        if not self.hp.style_mixing:
            return self.generator.get_layer("styles")(w)
        other = mapping(self.latents.join(self.latents.draw(n, batch.seed(streams.MIXING))))
        layer, chance = tf.unstack(batch.uniform(streams.CROSSOVER, [n, 2]), axis=1)
        crossover = 1 + tf.cast(layer * (self.working_layers(batch) - 1), tf.int32)
        return mix(w, other, tf.where(chance < self.hp.style_mixing, crossover, layers), layers)

    @property
    def layers(self) -> int:
        """How many layers have a style."""
        return self.generator.get_layer("styles").count

    def working_layers(self, batch) -> int:
        """Return the number of layers, from the first on, that the images of a batch need."""
        return self.layers

    def draw_noise(self, normal, x: tf.Tensor) -> list[tf.Tensor]:
        """The noise of each layer [b, side, side, 1], for as many images as x has.

        Args:
            normal: (purpose, shape) -> draws of N(0, 1).
            x: [b, ...].
        """
        shapes = self.generator.get_layer("synthesis").noise_shapes()
        n = length(x)
        return [normal(streams.pixel_noise(k), [n, *shape]) for k, shape in enumerate(shapes)]

    def after_generator_update(self, terms, batch):
        """Moves the running mean of w, which truncation is towards; that of the averaged G lags
        behind it as its weights do."""
        w = self.generator.get_layer("mapping")(self.latents.join(batch.latents))
        mean = self.generator.get_layer("styles").mean
        mean.assign_add((1.0 - MEAN_DECAY) * (tf.reduce_mean(tf.cast(w, tf.float32), 0) - mean))
        return {}

    # Abilities.

    def styles(self, latents):
        network = self.generator_network()
        w = network.get_layer("mapping")(self.latents.join(latents))
        return tf.cast(network.get_layer("styles")(w), tf.float32)

    def mean_style(self):
        mean = tf.convert_to_tensor(self.generator_network().get_layer("styles").mean)
        return tf.repeat(mean[None], self.layers, axis=0)

    def images_of_styles(self, w, noise_seed=None, noise=True, batch_size=250):
        synthesis = self.generator_network().get_layer("synthesis")
        images = []
        for start in range(0, len(w), batch_size):
            some = w[start : start + batch_size]
            maps = self._chosen_noise(some, noise_seed, start) if noise else self._no_noise(some)
            images.append(np.clip(synthesis(some, maps), -1.0, 1.0))
        return np.concatenate(images)

    def _no_noise(self, w) -> list[tf.Tensor]:
        return self.draw_noise(lambda _, shape: tf.zeros(shape), w)

    def _chosen_noise(self, w, seed: int | None, batch: int) -> list[tf.Tensor] | None:
        """Draws of a seed for a batch of styles; None, which is the fixed noise, without one."""
        if seed is None:
            return None
        return self.draw_noise(
            lambda layer, shape: tf.random.stateless_normal(
                shape, stateless_seed(seed, batch, layer)
            ),
            w,
        )


def mix(w: tf.Tensor, other: tf.Tensor, crossover: tf.Tensor, layers: int) -> tf.Tensor:
    """Styles of each layer [b, layers, d]: w [b, d] before the crossover, an int [b] from 0 to
    layers, and the other w [b, d] from it on."""
    before = tf.range(layers)[None, :, None] < crossover[:, None, None]
    return tf.where(before, w[:, None], other[:, None])
