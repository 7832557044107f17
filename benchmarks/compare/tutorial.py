"""Train step of the TensorFlow DCGAN tutorial, written from its description.

https://www.tensorflow.org/tutorials/generative/dcgan: a tf.function with two gradient tapes updates
both networks from the same generated images, in a loop over float batches.
"""

from collections.abc import Callable

import keras
import tensorflow as tf

from benchmarks.compare import multiplications, networks
from benchmarks.compare.cases import Case
from benchmarks.compare.contestants import Built
from data.pipeline import repeated

cross_entropy = keras.losses.BinaryCrossentropy(from_logits=True)


def build(case: str, batch_size: int, precision: str) -> Built:
    """Return the loop on one constant batch of floats in [-1, 1].

    Args:
        case: name in `cases.CASES`.
        batch_size: images per update of a network.
        precision: "float32" or "bfloat16".
    """
    found = networks.prepared(case, batch_size, precision)
    g, d = networks.plain_networks(found)
    make = wgan_gp_step if found.hp.penalty else dcgan_step
    step = make(found, g, d)
    data = repeated(found.float_images())

    def run(steps: int) -> None:
        for images in data.take(steps):
            losses = step(images)
        losses[0].numpy()

    passes = multiplications.other(found.hp, generated=1, scored_again=False)
    return Built(
        run,
        images=found.images_per_step,
        multiplications=passes.of(*map(networks.linear_layers, (g, d)), batch_size),
    )


def optimizers(hp) -> tuple[keras.optimizers.Optimizer, keras.optimizers.Optimizer]:
    """Return Adam for G and for D, with the rates of the case."""
    rates = hp.g_learning_rate, hp.d_learning_rate
    return tuple(keras.optimizers.Adam(rate, hp.beta_1, hp.beta_2) for rate in rates)


def dcgan_step(case: Case, generator: keras.Model, discriminator: keras.Model) -> Callable:
    """Return the tutorial's step: images [b, h, w, c] -> losses of G and D."""
    generator_optimizer, discriminator_optimizer = optimizers(case.hp)

    @tf.function
    def train_step(images):
        noise = tf.random.normal([case.batch_size, case.hp.noise_dim])
        with tf.GradientTape() as gen_tape, tf.GradientTape() as disc_tape:
            generated_images = networks.generate(generator, noise)
            real_output = discriminator(images, training=True)
            fake_output = discriminator(generated_images, training=True)
            gen_loss = cross_entropy(tf.ones_like(fake_output), fake_output)
            real_loss = cross_entropy(tf.ones_like(real_output), real_output)
            fake_loss = cross_entropy(tf.zeros_like(fake_output), fake_output)
            disc_loss = real_loss + fake_loss
        gen_gradients = gen_tape.gradient(gen_loss, generator.trainable_variables)
        disc_gradients = disc_tape.gradient(disc_loss, discriminator.trainable_variables)
        generator_optimizer.apply_gradients(
            zip(gen_gradients, generator.trainable_variables, strict=True)
        )
        discriminator_optimizer.apply_gradients(
            zip(disc_gradients, discriminator.trainable_variables, strict=True)
        )
        return gen_loss, disc_loss

    return train_step


def wgan_gp_step(case: Case, generator: keras.Model, critic: keras.Model) -> Callable:
    """Return the WGAN-GP step in the same style: images [n_critic, b, h, w, c] -> losses."""
    generator_optimizer, critic_optimizer = optimizers(case.hp)
    weight = case.hp.penalty_weights()["gradient"]

    def noise():
        return tf.random.normal([case.batch_size, case.hp.noise_dim])

    def update_critic(images):
        generated_images = generator(noise(), training=True)
        with tf.GradientTape() as tape:
            difference = critic(generated_images, training=True) - critic(images, training=True)
            penalty = gradient_penalty(critic, images, generated_images)
            loss = tf.reduce_mean(difference) + weight * penalty
        gradients = tape.gradient(loss, critic.trainable_variables)
        critic_optimizer.apply_gradients(zip(gradients, critic.trainable_variables, strict=True))
        return loss

    @tf.function
    def train_step(images):
        for batch in tf.unstack(images):
            critic_loss = update_critic(batch)
        with tf.GradientTape() as tape:
            scores = critic(generator(noise(), training=True), training=True)
            loss = -tf.reduce_mean(scores)
        gradients = tape.gradient(loss, generator.trainable_variables)
        generator_optimizer.apply_gradients(
            zip(gradients, generator.trainable_variables, strict=True)
        )
        return loss, critic_loss

    return train_step


def gradient_penalty(critic: keras.Model, real: tf.Tensor, fake: tf.Tensor) -> tf.Tensor:
    """Return the mean of (|grad D(x^)| - 1)² at random interpolates x^ of real and fake images."""
    share = tf.random.uniform([real.shape[0], 1, 1, 1])
    interpolates = share * real + (1.0 - share) * fake
    with tf.GradientTape() as tape:
        tape.watch(interpolates)
        scores = critic(interpolates, training=True)
    gradients = tape.gradient(scores, interpolates)
    norms = tf.sqrt(tf.reduce_sum(tf.square(gradients), axis=[1, 2, 3]))
    return tf.reduce_mean(tf.square(norms - 1.0))
