"""Base of StyleGAN and StyleGAN2.

Karras et al. 2019, "A Style-Based Generator Architecture for Generative Adversarial Networks".
"""

import numpy as np
import tensorflow as tf

import replicas
from models import streams
from models.adversarial import AdversarialModel
from models.batching import BATCH
from models.declarations.style import StyleHyperparameters
from models.networks import stylegan
from models.networks.styled import GROUP
from models.randomness import length, stateless_seed

MEAN_DECAY = 0.995  # per step, of the moving average of w, as in the authors' code


class StyleBasedModel(AdversarialModel):
    """GAN whose generator maps z to a style w, and w to an image, with noise for each pixel.

    Hooks in addition to those of AdversarialModel:
        build_synthesis: returns the synthesis network.
        synthesise: applies it in a training step.
    """

    Hyperparameters = StyleHyperparameters
    group = GROUP  # of the minibatch standard deviation

    def build_generator(self):
        """Build G, joined latents [b, d] -> images; see models.networks.stylegan.generator."""
        hp = self.hp
        mapping = stylegan.mapping(self.latents.dim, hp.w_dim, hp.mapping_depth, hp.mapping_rate)
        return stylegan.generator(self.latents.dim, mapping, self.build_synthesis())

    def build_networks(self):
        super().build_networks()
        self.discriminator.build((None, *self.image_shape))

    def build_synthesis(self) -> stylegan.Synthesis:
        """Build the synthesis network, styles [b, layers, w_dim] -> images [b, h, w, c].

        Its name must be "synthesis".
        """
        raise NotImplementedError

    def synthesise(self, w: tf.Tensor, noise: list[tf.Tensor], batch) -> tf.Tensor:
        """Return the generated images [b, h, w, c] of a training step.

        Args:
            w: styles [b, layers, w_dim].
            noise: [b, side, side, 1] for each layer.
            batch: the batch of the update.
        """
        return stylegan.parts_of(self.generator).synthesis(w, noise)

    def fake_inputs(self, batch):
        """Return generated images, with style mixing and new noise."""
        noise = self.draw_noise(batch.normal, batch.x)
        return self.synthesise(self.mixed_styles(batch), noise, batch)

    def mixed_styles(self, batch) -> tf.Tensor:
        """Return the styles [b, layers, w_dim] of a batch, with style mixing: section 3.1.

        A share `style_mixing` of the images has the style of a second z from a random layer on.
        """
        g, layers = stylegan.parts_of(self.generator), self.style_layers
        w, n = g.mapping(self.latents.join(batch.latents)), length(batch.x)
        if not self.hp.style_mixing:
            return g.styles(w)
        other = g.mapping(self.latents.join(batch.latents_of(self.latents, streams.MIXING)))
        layer, chance = tf.unstack(batch.uniform(streams.CROSSOVER, [n, 2]), axis=1)
        crossover = 1 + tf.cast(layer * (self.working_layers(batch) - 1), tf.int32)
        return mix(w, other, tf.where(chance < self.hp.style_mixing, crossover, layers), layers)

    @property
    def style_layers(self) -> int:
        """Number of layers with a style."""
        return stylegan.parts_of(self.generator).styles.count

    def working_layers(self, batch) -> int:
        """Return the number of layers, counted from the first, that the images of a batch need."""
        return self.style_layers

    def draw_noise(self, normal, x: tf.Tensor) -> list[tf.Tensor]:
        """Return the noise [b, side, side, 1] of each layer.

        Args:
            normal: (name of a random stream, shape) -> draws of N(0, 1).
            x: a tensor [b, ...] that gives the batch size.
        """
        shapes = stylegan.parts_of(self.generator).synthesis.noise_shapes()
        n = length(x)
        return [normal(streams.pixel_noise(k), [n, *shape]) for k, shape in enumerate(shapes)]

    def after_generator_update(self, terms, batch):
        """Update the moving average of w, the target of truncation.

        It is a weight of G, so the EMA of the generator also averages it.
        """
        g = stylegan.parts_of(self.generator)
        w, mean = g.mapping(self.latents.join(batch.latents)), g.styles.mean
        of_batch = replicas.mean(tf.reduce_mean(tf.cast(w, tf.float32), 0))
        mean.assign_add((1.0 - MEAN_DECAY) * (of_batch - mean))
        return super().after_generator_update(terms, batch)

    # Abilities.

    def styles(self, latents):
        g = stylegan.parts_of(self.generator_network())
        return tf.cast(g.styles(g.mapping(self.latents.join(latents))), tf.float32)

    def mean_style(self):
        mean = tf.convert_to_tensor(stylegan.parts_of(self.generator_network()).styles.mean)
        return tf.repeat(mean[None], self.style_layers, axis=0)

    def images_of_styles(self, w, noise_seed=None, noise=True, batch_size=BATCH):
        synthesis = stylegan.parts_of(self.generator_network()).synthesis
        images = []
        for start in range(0, len(w), batch_size):
            part = w[start : start + batch_size]
            maps = self._seeded_noise(part, noise_seed, start) if noise else self._zero_noise(part)
            images.append(np.clip(synthesis(part, maps), -1.0, 1.0))
        return np.concatenate(images)

    def _zero_noise(self, w) -> list[tf.Tensor]:
        return self.draw_noise(lambda _, shape: tf.zeros(shape), w)

    def _seeded_noise(self, w, seed: int | None, start: int) -> list[tf.Tensor] | None:
        """Return the noise of a batch of styles w, or None (the fixed noise) without a seed.

        `start` is the index of the batch's first image.
        """
        if seed is None:
            return None
        return self.draw_noise(
            lambda layer, shape: tf.random.stateless_normal(
                shape, stateless_seed(seed, start, layer)
            ),
            w,
        )


def mix(w: tf.Tensor, other: tf.Tensor, crossover: tf.Tensor, layers: int) -> tf.Tensor:
    """Return mixed styles [b, layers, d].

    Args:
        w: [b, d], the style of the layers before the crossover.
        other: [b, d], the style of the layers from the crossover on.
        crossover: int [b], from 0 to `layers`.
        layers: number of layers.
    """
    before = tf.range(layers)[None, :, None] < crossover[:, None, None]
    return tf.where(before, w[:, None], other[:, None])
