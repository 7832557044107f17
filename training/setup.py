"""From a configuration to its data and model, for a training and for looking at one."""

import ctypes
import dataclasses
import os
import platform
import sys
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

import data
import models
from models.base import GenerativeModel
from models.loading import dtype_policy
from storage.run_directory import RunDirectory
from training.options import Config


def prepare(config: Config) -> None:
    """Keras as the run wants it: nothing left of an earlier one, its seed, its precision."""
    keep_freed_memory()
    keras.utils.clear_session()
    keras.utils.set_random_seed(config.options.seed)
    keras.config.set_dtype_policy(dtype_policy(config.options.mixed_precision))


def warn_of_emulation(precision: str) -> None:
    """Says on stderr that bfloat16 is slow on this machine, if it is: a CPU alone, without
    instructions for it (as far as its flags are known)."""
    if precision != "bfloat16" or _accelerators():
        return
    flags = _of_processor("flags")
    if flags and not {"avx512_bf16", "amx_bf16"} & set(flags.split()):
        print(
            "warning: --mixed_precision=bfloat16: this CPU only emulates it, which takes many "
            "times as long; give --mixed_precision=off",
            file=sys.stderr,
        )


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
        UserError: it cannot be had.
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
        UserError: the images do not fit its networks, or lack labels that it needs.
    """
    options = config.options
    model_class = models.REGISTRY[options.model].load()
    return model_class(
        tuple(image_shape),
        num_classes=num_classes,
        seed=options.seed,
        **dataclasses.asdict(config.hp),
    )


def load_run(path: str | os.PathLike) -> tuple[Config, dict, GenerativeModel]:
    """Return a run's configuration, the description of its data, and its model as last saved.

    Keras is left as `prepare` sets it for the run.

    Raises:
        UserError: there is no run, or it has no checkpoint.
    """
    saved = RunDirectory(path).read_config()
    config = Config.from_dict(saved)
    prepare(config)
    return config, saved["data"], models.load(path)


def environment() -> dict:
    """The machine's kind and the versions that a run is made with."""
    accelerators = ", ".join(_accelerators()) or "no GPU"
    return {
        "machine": f"{_cores()} {_processor()}, {accelerators}",
        "python": platform.python_version(),
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
        "numpy": np.__version__,
    }


def _accelerators() -> list[str]:
    """The names of the devices beside the CPU."""
    return [
        tf.config.experimental.get_device_details(d).get("device_name", d.device_type)
        for d in tf.config.list_physical_devices()
        if d.device_type != "CPU"
    ]


def _cores() -> str:
    """Those that this process may use, such as "2 cores" or "1 of 2 cores"."""
    all_of_them = os.cpu_count()
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else all_of_them
    return f"{all_of_them} cores" if usable == all_of_them else f"{usable} of {all_of_them} cores"


def _processor() -> str:
    """The processor's name, such as "AMD EPYC"."""
    return _of_processor("model name") or platform.processor() or platform.machine()


def _of_processor(name: str) -> str:
    """What Linux says of the first processor by a name; nothing elsewhere."""
    info = Path("/proc/cpuinfo")
    for line in info.read_text().splitlines() if info.exists() else ():
        if line.startswith(name):
            return line.split(":", 1)[1].strip()
    return ""
