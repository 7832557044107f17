"""From a configuration to its data and model, for a training and for looking at one."""

import ctypes
import dataclasses
import os
import platform
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

import data
from models import REGISTRY
from models.base import GenerativeModel, NeedsLabels
from models.networks import ImageShapeError
from training.checkpoints import Checkpoints
from training.flags import UsageError
from training.options import Config
from training.run_directory import RunDirectory


def prepare(config: Config) -> None:
    """Keras as the run wants it: nothing left of an earlier one, its seed, its precision."""
    keep_freed_memory()
    keras.utils.clear_session()
    keras.utils.set_random_seed(config.options.seed)
    precision = config.options.mixed_precision
    keras.config.set_dtype_policy("float32" if precision == "off" else f"mixed_{precision}")


def keep_freed_memory() -> None:
    """Has glibc keep what is freed for what comes next, where glibc is.

    A step on a CPU frees the same large arrays as the next one takes. Given back to the system and
    cleared by it each time, they cost up to half of a step.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return
    arena_max, mmap_threshold, top_pad, trim_threshold = -8, -3, -2, -1
    mallopt(arena_max, 1)  # the one arena that can keep more than 64 MiB
    mallopt(mmap_threshold, 32 * 2**20)  # the most that it takes
    mallopt(top_pad, 256 * 2**20)
    mallopt(trim_threshold, 2**31 - 1)


def load_data(config: Config) -> data.ImageData:
    """The data set of a run.

    Raises:
        DataError: it cannot be had.
    """
    options = config.options
    return data.load(
        options.dataset,
        data_dir=options.data_dir or None,
        image_size=options.image_size,
        gray=options.gray,
    )


def describe_data(images: data.ImageData) -> dict:
    """What config.json says of a data set."""
    return {
        "name": images.name,
        "fingerprint": images.fingerprint,
        "image_shape": list(images.image_shape),
        "num_classes": images.num_classes,
        "train_images": len(images.train.images),
        "test_images": len(images.test.images) if images.test else 0,
        "notes": list(images.notes),
    }


def build_model(config: Config, image_shape, num_classes: int) -> GenerativeModel:
    """The model of a run, its networks built, not compiled.

    Raises:
        UsageError: the images do not fit its networks, or lack labels that it needs.
    """
    options = config.options
    model_class = REGISTRY[options.model].load()
    try:
        return model_class(
            tuple(image_shape),
            num_classes=num_classes,
            seed=options.seed,
            **dataclasses.asdict(config.hp),
        )
    except (ImageShapeError, NeedsLabels) as error:
        if str(error).startswith("--"):
            raise UsageError(str(error)) from None
        advice = ", as by --image_size" if isinstance(error, ImageShapeError) else ""
        raise UsageError(f"--dataset={options.dataset}: {error}{advice}") from None


def load_run(path: str | os.PathLike) -> tuple[Config, dict, GenerativeModel]:
    """A run's configuration, what it says of its data, and its model as last saved.

    Raises:
        UsageError: there is no run, or no checkpoint of it.
    """
    run = RunDirectory(path)
    saved = run.read_config()
    config = Config.from_dict(saved)
    prepare(config)
    model = build_model(config, saved["data"]["image_shape"], saved["data"]["num_classes"])
    if Checkpoints(model, run.checkpoints).restore() is None:
        raise UsageError(f"--run={path}: it has no checkpoint yet; train it further")
    return config, saved["data"], model


def environment() -> dict:
    """The machine's kind and the versions that a run is made with."""
    accelerators = [
        tf.config.experimental.get_device_details(d).get("device_name", d.device_type)
        for d in tf.config.list_physical_devices()
        if d.device_type != "CPU"
    ]
    return {
        "machine": f"{os.cpu_count()} cores {_processor()}, {', '.join(accelerators) or 'no GPU'}",
        "python": platform.python_version(),
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
        "numpy": np.__version__,
    }


def _processor() -> str:
    """The processor's name, such as "AMD EPYC"."""
    info = Path("/proc/cpuinfo")
    for line in info.read_text().splitlines() if info.exists() else ():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
