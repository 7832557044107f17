"""Models made in the scope of a user's own strategy of two CPU devices; prints JSON; a script."""

import json

import keras
import numpy as np
import tensorflow as tf

from data.catalogue import Split
from data.pipeline import Batches
from errors import UserError
from models import GAN, VAE, StyleGAN
from tests.models.conftest import IMAGE_SHAPE

TINY = {"network": "mlp", "depth": 1, "width": 8, "batch_size": 8}


def error_of(function) -> str:
    """Return the message of the UserError that a function raises, "" if it raises none."""
    try:
        function()
    except UserError as error:
        return str(error)
    return ""


def main() -> None:
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    x = np.random.default_rng(0).uniform(-1, 1, (24, *IMAGE_SHAPE)).astype(np.float32)
    found, sgd = {}, keras.optimizers.SGD(0.1)
    made_outside = GAN(IMAGE_SHAPE, **TINY)
    with strategy.scope():
        found["model"] = error_of(made_outside.compile)
        growing = StyleGAN(IMAGE_SHAPE, width=2, w_dim=4, growing_kimg=1.0)
        critic = GAN(IMAGE_SHAPE, n_critic=2, **TINY)
        critic.compile()
        gan, outside = GAN(IMAGE_SHAPE, **TINY), GAN(IMAGE_SHAPE, **TINY)
        gan.compile(jit_compile=True)
        keras.utils.set_random_seed(0)
        vae = VAE(IMAGE_SHAPE, latent_dim=3, **TINY)
        vae.compile(steps_per_execution=4)
        styles = StyleGAN(IMAGE_SHAPE, width=2, w_dim=4)
        styles.compile()
        found["growing"] = error_of(growing.compile)
        found["optimizer"] = error_of(lambda: outside.compile(optimizers={"generator": sgd}))
    found["compile"] = error_of(outside.compile)
    two = tf.data.Dataset.from_tensors(x[:16].reshape(2, 8, *IMAGE_SHAPE))
    found["n_critic"] = error_of(lambda: critic.fit(two, verbose=0))
    found["array"] = error_of(lambda: gan.fit(x[:19], batch_size=8, verbose=0))
    found["styles"] = error_of(lambda: styles.fit(x[:12], batch_size=12, verbose=0))
    pixels = np.zeros((24, *IMAGE_SHAPE), np.uint8)
    style_batches = Batches(Split(pixels, None), 12).distributed(strategy)
    made_outside.compile()
    found["divided"] = error_of(lambda: made_outside.fit(style_batches, verbose=0))
    found["batches"] = error_of(lambda: styles.fit(style_batches, steps_per_epoch=1, verbose=0))
    batches = tf.data.Dataset.from_tensor_slices(x).batch(9, drop_remainder=True)
    found["data set"] = error_of(lambda: gan.fit(batches, verbose=0))
    gan.fit(x[:20], batch_size=8, verbose=0)
    gan.fit(x, batch_size=8, verbose=0)
    gan.fit(tf.data.Dataset.from_tensor_slices(x).batch(8), verbose=0)
    found["images"], found["xla"] = int(gan.images.numpy()), gan.jit_compile
    found["saved"] = gan.get_compile_config()["jit_compile"]
    keras.utils.set_random_seed(0)
    alone = VAE(IMAGE_SHAPE, latent_dim=3, **TINY)
    alone.compile()
    found["train_on_batch"] = error_of(lambda: gan.train_on_batch(x[:8]))
    with strategy.scope():
        found["in scope"] = vae.evaluate(x, batch_size=10, verbose=0, return_dict=True)
    found["evaluated"] = vae.evaluate(x, batch_size=10, verbose=0, return_dict=True)
    found["alone"] = alone.evaluate(x, batch_size=10, verbose=0, return_dict=True)
    history = vae.fit(x, batch_size=8, validation_data=(x[:10],), verbose=0).history
    found["validated"] = history["val_loss"][0]
    found["after"] = vae.evaluate(x[:10], batch_size=8, verbose=0, return_dict=True)["loss"]
    vae.fit(x, batch_size=12, validation_split=0.5, verbose=0)
    found["samples"] = list(gan.sample(3).shape)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
