"""Load the model of a configuration or of a trained run."""

import os
from collections.abc import Sequence

import keras
import tensorflow as tf

import data
import models
from models import pretrained
from models.base import GenerativeModel
from models.loading import dtype_policy
from storage.packages import Package
from storage.run_directory import RunDirectory
from training import devices
from training.options import Config


def prepare(config: Config) -> None:
    """Reset Keras; prepare the GPUs, set seed, precision and determinism of a training."""
    devices.prepare_gpus()
    if config.options.deterministic:
        tf.config.experimental.enable_op_determinism()
    keras.utils.clear_session()
    keras.utils.set_random_seed(config.options.seed)
    keras.config.set_dtype_policy(dtype_policy(config.options.mixed_precision))


def describe_data(images: data.ImageData, config: Config) -> dict:
    """Return the description of the data set of a run in config.json."""
    trained = config.trained(images)
    return {
        "name": images.name,
        "fingerprint": images.fingerprint,
        "image_shape": list(images.image_shape),
        "num_classes": images.num_classes,
        "classes": images.class_counts(trained),
        "rules": config.rules,
        "train_images": len(trained.images),
        "test_images": len(images.test.images) if images.test else 0,
        "notes": list(images.notes),
    }


def build_model(config: Config, image_shape: Sequence[int], num_classes: int) -> GenerativeModel:
    """Return the untrained model of a configuration, not compiled.

    Args:
        config: model, hyperparameters and seed.
        image_shape: height, width and channels.
        num_classes: number of classes of the data set, 0 without labels.

    Raises:
        UserError: the networks do not support the image shape, or the model requires labels.
    """
    declared = models.REGISTRY[config.options.model]
    return declared.build(config.hp, image_shape, num_classes=num_classes, seed=config.options.seed)


def load_run(
    run: str | os.PathLike | Package, step: int | None = None
) -> tuple[Config, dict, GenerativeModel]:
    """Return the configuration of a run, the description of its data, and its model.

    Calls `prepare`, which sets the seed and the precision of Keras.

    Args:
        run: the run directory, or a package of weights.
        step: step of the checkpoint of a run; None for the newest one.

    Raises:
        UserError: there is no run, or it has no such checkpoint.
    """
    packaged = isinstance(run, Package)
    saved = run if packaged else RunDirectory(run)
    config = Config.of_run(saved)
    prepare(config)
    model = pretrained.load(run) if packaged else models.load(run, step)
    return config, saved.read_data(), model
