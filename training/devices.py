"""Devices of a training: the first line that it prints, and GPUs that are missing or unusable."""

import contextlib
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import tensorflow as tf

from errors import warn
from models import keras_settings
from training import machine
from training.run_options import RunOptions

# TensorFlow 2.20 and 2.21 abort the process in the first operation on a GPU of compute capability
# 12 (Blackwell: RTX 50, RTX PRO 6000), which no `except` can catch: issues 99592 and 111958.
ABORTING = {"2.20": 12, "2.21": 12}  # version -> major number of the compute capability


def aborts(capability: tuple[int, int] | None, version: str) -> bool:
    """Return whether a version of TensorFlow aborts on a GPU.

    Args:
        capability: compute capability (major, minor) of the GPU; None if it is unknown.
        version: version of TensorFlow.
    """
    release = ".".join(version.split(".")[:2])
    return bool(capability) and capability[0] == ABORTING.get(release)


def prepare_gpus() -> list[str]:
    """Hide the GPUs on which this TensorFlow aborts; let the memory of the others grow.

    Also sets the settings of Keras, which a keras.json may have changed.
    It is called before the first operation: afterwards TensorFlow does not change them. Memory that
    grows with the need, instead of all at once, lets several processes share a GPU.

    Returns:
        A sentence per GPU that is hidden.
    """
    keras_settings.set_for_scripts()
    gpus = [d for d in tf.config.list_physical_devices() if d.device_type == "GPU"]
    hidden = {}
    for gpu in gpus:
        details = tf.config.experimental.get_device_details(gpu)
        capability = details.get("compute_capability")
        if aborts(capability, tf.__version__):
            hidden[gpu.name] = (
                f"{details.get('device_name', gpu.name)} has compute capability "
                f"{'.'.join(map(str, capability))}, on which TensorFlow {tf.__version__} aborts: "
                "it is not used; choose another GPU or another version of TensorFlow"
            )
    usable = [gpu for gpu in gpus if gpu.name not in hidden]
    with contextlib.suppress(RuntimeError):  # in use
        if hidden:
            tf.config.set_visible_devices(usable, "GPU")
    for gpu in usable:
        with contextlib.suppress(RuntimeError, ValueError):  # in use, or divided by the caller
            tf.config.experimental.set_memory_growth(gpu, True)
    return list(hidden.values())


def warn_of_hidden_gpus() -> None:
    """Call `prepare_gpus` and print a warning for each GPU that is hidden."""
    for sentence in prepare_gpus():
        warn(sentence)


def missing_gpu(environment: Mapping[str, str], device_files: Sequence, with_cuda: bool) -> str:
    """Return a sentence about a GPU that is expected although TensorFlow finds none, or "".

    Args:
        environment: environment variables. Colab sets COLAB_RELEASE_TAG, and COLAB_GPU to 1 on a
            machine with a GPU; CUDA_VISIBLE_DEVICES hides all GPUs from TensorFlow unless it begins
            with the number or the identifier of one.
        device_files: as `gpu_files` returns them.
        with_cuda: whether TensorFlow is built with CUDA.
    """
    if not re.match(r"\s*(\d|GPU-|MIG-)", environment.get("CUDA_VISIBLE_DEVICES", "0")):
        return ""
    if device_files or environment.get("COLAB_GPU", "") not in ("", "0"):
        if not with_cuda:
            return "the machine has a GPU, but this TensorFlow is built without CUDA"
        return (
            "the machine has a GPU, but TensorFlow finds none: check that nvidia-smi lists it, and "
            'install the CUDA libraries with pip install "tensorflow[and-cuda]"'
        )
    if "COLAB_RELEASE_TAG" in environment:
        return "for a GPU use Runtime, Change runtime type"
    return ""


def gpu_files(root: Path = Path("/")) -> list[Path]:
    """Return the files that show an NVIDIA GPU: its devices or, under WSL 2, its Windows driver."""
    return [*root.glob("dev/nvidia[0-9]*"), *root.glob("usr/lib/wsl/lib/libcuda.so.1")]


def jit_of(options: RunOptions) -> str:
    """Return the option `jit`: "off" for a deterministic or distributed training."""
    without = options.deterministic or options.distribute != "off"
    return "off" if without else options.jit


def uses_xla(jit: str) -> bool:
    """Return whether XLA compiles the step: `jit` is "on", or "auto" with an accelerator."""
    accelerated = any(d.device_type != "CPU" for d in tf.config.get_visible_devices())
    return jit == "on" or (jit == "auto" and accelerated)


def device_line(
    jit: str = "off", mixed_precision: str = "off", could_distribute: bool = False
) -> str:
    """Prepare the GPUs; return the line about device, XLA and precision of a training.

    If a GPU is hidden, is expected and missing, or is not used, a sentence about it follows.

    Args:
        jit: as for `uses_xla`.
        mixed_precision: value of the option of this name.
        could_distribute: whether the option `distribute` is off.
    """
    sentences = prepare_gpus()
    accelerators = machine.accelerators()
    if not accelerators and not sentences:
        sentences = [missing_gpu(os.environ, gpu_files(), tf.test.is_built_with_cuda())]
    if could_distribute and (count := len(tf.config.get_visible_devices("GPU"))) > 1:
        sentences.append(f"only the first GPU is used, --distribute=mirrored uses all {count}")
    device = ", ".join(accelerators) or f"CPU ({machine.cores()} {machine.processor()})"
    xla = "on" if uses_xla(jit) else "off"
    precision = "float32" if mixed_precision == "off" else f"mixed precision {mixed_precision}"
    return "; ".join([f"device: {device}, XLA {xla}, {precision}", *filter(None, sentences)])
