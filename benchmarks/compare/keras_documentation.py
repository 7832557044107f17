"""Train step of the Keras documentation, written from its description.

https://keras.io/examples/generative/dcgan_overriding_train_step: D is updated on real and
generated images in one batch with noisy labels, then G on newly generated images. WGAN-GP is that
of https://keras.io/examples/generative/wgan_gp. The networks are called with training=True, which
batch norm requires.
"""

import keras
import tensorflow as tf

from benchmarks.compare import multiplications, networks, tutorial
from benchmarks.compare.cases import Case
from benchmarks.compare.contestants import Built
from data.pipeline import repeated


def build(case: str, batch_size: int, precision: str) -> Built:
    """Return `fit` on one constant batch of floats in [-1, 1]; arguments as `tutorial.build`."""
    found = networks.prepared(case, batch_size, precision)
    g, d = networks.plain_networks(found)
    model = make(found, g, d)
    data = repeated(found.float_images())

    def run(steps: int) -> None:
        model.fit(data, steps_per_epoch=steps, verbose=0)

    passes = multiplications.other(found.hp, generated=2, scored_again=True)
    return Built(
        run,
        images=found.images_per_step,
        multiplications=passes.of(*map(networks.linear_layers, (g, d)), batch_size),
    )


def make(case: Case, generator: keras.Model, discriminator: keras.Model) -> keras.Model:
    """Return the compiled model of a case."""
    made = WGANGP if case.hp.penalty else GAN
    model = made(case, discriminator, generator)
    g_optimizer, d_optimizer = tutorial.optimizers(case.hp)
    model.compile(d_optimizer, g_optimizer)
    return model


class Documented(keras.Model):
    """Base: networks, optimizers, and a mean of each loss."""

    def __init__(self, case, discriminator, generator):
        super().__init__()
        self.discriminator, self.generator = discriminator, generator
        self.latent_dim, self.batch_size = case.hp.noise_dim, case.batch_size
        self.hp = case.hp

    def compile(self, d_optimizer, g_optimizer):
        super().compile()
        self.d_optimizer, self.g_optimizer = d_optimizer, g_optimizer
        self.loss_fn = keras.losses.BinaryCrossentropy(from_logits=True)
        self.d_loss_metric = keras.metrics.Mean(name="d_loss")
        self.g_loss_metric = keras.metrics.Mean(name="g_loss")

    @property
    def metrics(self):
        return [self.d_loss_metric, self.g_loss_metric]

    def noise(self):
        """Return new noise [b, latent_dim]."""
        return keras.random.normal((self.batch_size, self.latent_dim))

    def apply(self, optimizer, tape, loss, network):
        """Update a network."""
        gradients = tape.gradient(loss, network.trainable_weights)
        optimizer.apply_gradients(zip(gradients, network.trainable_weights, strict=True))

    def results(self, d_loss, g_loss):
        """Update the means of the losses and return them."""
        self.d_loss_metric.update_state(d_loss)
        self.g_loss_metric.update_state(g_loss)
        return {metric.name: metric.result() for metric in self.metrics}


class GAN(Documented):
    """DCGAN of the documentation."""

    def train_step(self, real_images):
        generated_images = self.generator(self.noise(), training=True)
        combined_images = keras.ops.concatenate([generated_images, real_images], axis=0)
        shape = (self.batch_size, 1)
        labels = keras.ops.concatenate([keras.ops.ones(shape), keras.ops.zeros(shape)], axis=0)
        labels += 0.05 * tf.random.uniform(tf.shape(labels))
        with tf.GradientTape() as tape:
            predictions = self.discriminator(combined_images, training=True)
            d_loss = self.loss_fn(labels, predictions)
        self.apply(self.d_optimizer, tape, d_loss, self.discriminator)

        misleading_labels = keras.ops.zeros(shape)
        with tf.GradientTape() as tape:
            images = self.generator(self.noise(), training=True)
            predictions = self.discriminator(images, training=True)
            g_loss = self.loss_fn(misleading_labels, predictions)
        self.apply(self.g_optimizer, tape, g_loss, self.generator)
        return self.results(d_loss, g_loss)


class WGANGP(Documented):
    """WGAN-GP of the documentation, with new real images for each update of D."""

    def train_step(self, real_images):
        weight = self.hp.penalty_weights()["gradient"]
        for images in tf.unstack(real_images):
            with tf.GradientTape() as tape:
                fake_images = self.generator(self.noise(), training=True)
                fake_logits = self.discriminator(fake_images, training=True)
                real_logits = self.discriminator(images, training=True)
                d_cost = tf.reduce_mean(fake_logits) - tf.reduce_mean(real_logits)
                penalty = tutorial.gradient_penalty(self.discriminator, images, fake_images)
                d_loss = d_cost + weight * penalty
            self.apply(self.d_optimizer, tape, d_loss, self.discriminator)

        with tf.GradientTape() as tape:
            generated_images = self.generator(self.noise(), training=True)
            g_loss = -tf.reduce_mean(self.discriminator(generated_images, training=True))
        self.apply(self.g_optimizer, tape, g_loss, self.generator)
        return self.results(d_loss, g_loss)
