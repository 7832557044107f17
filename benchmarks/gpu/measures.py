"""Measurements of one process on a GPU, or on the CPU if there is none.

A GPU computes while the host goes on. Every measurement of time ends with `model.fit`, which reads
the means of the scalars: a number that depends on all steps.
"""

import contextlib
import math
import statistics
import subprocess
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any
from unittest import mock

import numpy as np
import tensorflow as tf

from benchmarks import pipeline
from benchmarks.compare import project
from benchmarks.gpu.process import in_one_line
from data import Batches
from data.catalogue import Split, known
from data.pipeline import repeated
from models.base import GenerativeModel
from models.latents import Latents
from models.players import GRADIENT_NORMS
from models.randomness import Batch
from training import loading, loop, machine, options
from training.options import Config

BFLOAT16_FROM = (8, 0)  # compute capability
TURNS = 3
CPU = "/CPU:0"


def device() -> Iterator[dict]:
    """Yield facts of the GPU, those that need no operation on it first."""
    yield {**machine.environment(), "driver": driver()}
    details = gpu_details()
    capability = details and details.get("compute_capability")
    yield {
        "device": details.get("device_name", "GPU") if details else "no GPU: the CPU is measured",
        "compute capability": ".".join(map(str, capability)) if capability else None,
        "16-bit type": sixteen_bit(details),
    }
    model, batch = model_and_batch(["--model=gan", "--width=8", "--depth=1"], jit="auto")
    project.train(model, repeated(batch), 1)
    yield {
        "XLA with --jit=auto": "on" if model.jit_compile else "off",
        "memory growth": growth(),
    }


def driver() -> str | None:
    """Return the memory and the driver of the GPUs as nvidia-smi prints them, where present."""
    query = ("--query-gpu=memory.total,driver_version", "--format=csv,noheader")
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        done = subprocess.run(
            ["nvidia-smi", *query], capture_output=True, text=True, timeout=10, check=True
        )
        return "; ".join(done.stdout.split("\n")).strip("; ") or None
    return None


def gpu_details() -> Mapping[str, Any] | None:
    """Return TensorFlow's details of the first GPU; None without one."""
    for found in tf.config.list_physical_devices():
        if found.device_type == "GPU":
            return tf.config.experimental.get_device_details(found)
    return None


def sixteen_bit(details: Mapping[str, Any] | None) -> str:
    """Return the 16-bit type of a GPU by its compute capability; bfloat16 for a CPU."""
    if details is None:
        return "bfloat16"
    capability = tuple(details.get("compute_capability") or (0, 0))
    return "bfloat16" if capability >= BFLOAT16_FROM else "float16"


def growth() -> str | None:
    """Return "on" if the memory of all GPUs grows with the need; None without a GPU."""
    gpus = [d for d in tf.config.list_physical_devices() if d.device_type == "GPU"]
    growing = [tf.config.experimental.get_memory_growth(gpu) for gpu in gpus]
    return ("on" if all(growing) else "off") if gpus else None


def steps(command: Sequence[str], seconds: float) -> Iterator[dict]:
    """Yield the speed of the step of train.py, first without XLA, in float32 and in 16 bits.

    Args:
        command: flags of train.py; the images are random.
        seconds: approximate seconds of a turn.
    """
    for jit in ("off", "on"):
        for precision in ("off", sixteen_bit(gpu_details())):
            row = {"precision": "float32" if precision == "off" else precision, "xla": jit}
            try:
                found = speed([*command, f"--mixed_precision={precision}"], jit, seconds)
            except Exception as error:  # of this precision, or of XLA
                found = {"error": in_one_line(error)}
            yield {**row, **found}


def speed(command: Sequence[str], jit: str, seconds: float) -> dict[str, Any]:
    """Return images per second, milliseconds per step, and the seconds of the first step."""
    model, batch = model_and_batch(command, jit)
    dataset = repeated(batch)

    def run(count: int) -> None:
        project.train(model, dataset, count)

    first = pipeline.seconds_of(run, 1)
    count = pipeline.steps_within(seconds, run, lazy_interval(model.hp))
    step = statistics.median(pipeline.seconds_of(run, count) for _ in range(TURNS)) / count
    return {
        "images_per_second": model.hp.batch_size * model.hp.n_critic / step,
        "ms": 1000.0 * step,
        "first_seconds": first,
        "not_finite": not_finite(model),
    }


def lazy_interval(hp) -> int:
    """Return the steps after which all lazy terms have been computed equally often."""
    intervals = (getattr(hp, name, None) for name in ("penalty_interval", "path_interval"))
    return math.lcm(*(interval for interval in intervals if interval))


def not_finite(model: GenerativeModel) -> list[str]:
    """Return the names of the scalars whose means are not finite."""
    means = model.running_means().items()
    return [name for name, mean in means if mean.count and not math.isfinite(mean.value)]


def model_and_batch(
    command: Sequence[str], jit: str
) -> tuple[GenerativeModel, tuple[np.ndarray, ...]]:
    """Return the compiled model of train.py with flags, and a batch of random images."""
    config = options.parse(command)
    loading.prepare(config)
    model = build(config)
    loop.compile_model(model, jit)
    return model, random_batch(config)


def build(config: Config) -> GenerativeModel:
    """Return the model of a configuration for its data set, which is not loaded."""
    images = known(config.options.dataset)
    model = loading.build_model(config, images.image_shape, images.num_classes)
    model.before_training(*2 * (config.hp.batch_size * config.hp.n_critic,))
    return model


def random_batch(config: Config) -> tuple[np.ndarray, ...]:
    """Return a batch of random images, and labels, in the form of a training."""
    images, random = known(config.options.dataset), np.random.default_rng(0)
    n = config.hp.batch_size * config.hp.n_critic
    pixels = random.integers(0, 256, (n, *images.image_shape), np.uint8)
    split = Split(pixels, np.arange(n) % images.num_classes)
    return Batches(split, config.hp.batch_size, n_critic=config.hp.n_critic).batch(0)


def waiting(command: Sequence[str], seconds: float) -> Iterator[dict]:
    """Yield the share of the time in which the step waits for data, in float32 and in 16 bits.

    Args:
        command: flags of train.py.
        seconds: approximate seconds of a turn.
    """
    for precision in ("off", sixteen_bit(gpu_details())):
        config = options.parse([*command, f"--mixed_precision={precision}"])
        rates = pipeline.measure(config, seconds)
        share = 1.0 - rates[pipeline.PIPELINE] / rates[pipeline.CONSTANT]
        yield {
            "precision": "float32" if precision == "off" else precision,
            "share": max(0.0, share),
            "rates": rates,
        }


def agreement(workloads: Mapping[str, Sequence[str]]) -> Iterator[dict]:
    """Yield the difference of losses and gradient norms of one step on the GPU and on the CPU.

    Weights, images, latents and all random numbers are the same. Products are in float32, without
    TensorFloat-32. The CPU computes without XLA.

    Args:
        workloads: title -> flags of train.py.
    """
    tf.config.experimental.enable_tensor_float_32_execution(False)
    place = CPU if gpu_details() is None else "/GPU:0"
    references = {}
    for xla in (False, True):
        for title, command in workloads.items():
            row = {"title": title, "xla": "on" if xla else "off"}
            try:
                if title not in references:
                    references[title] = losses_of_a_step(command, CPU, False)
                weights, expected = references[title]
                _, found = losses_of_a_step(command, place, xla, weights)
                row |= compared(expected, found)
            except Exception as error:  # of this model, or of XLA
                row["error"] = in_one_line(error)
            yield row


def losses_of_a_step(
    command: Sequence[str], place: str, xla: bool, weights: Sequence[np.ndarray] | None = None
) -> tuple[list[np.ndarray], dict[str, float]]:
    """Return the initial values of all variables, and losses and gradient norms of one step.

    Args:
        command: flags of train.py.
        place: device, such as "/GPU:0".
        xla: whether XLA compiles the step.
        weights: initial values; None for those of the seed.

    Raises:
        RuntimeError: TensorFlow placed the weights on another device.
    """
    config = options.parse(command)
    loading.prepare(config)
    with tf.device(place), fixed_draws():
        model = build(config)
        model.compile(jit_compile=xla)
        for variable, value in zip(model.variables, weights or (), strict=bool(weights)):
            variable.assign(value)
        initial = [np.asarray(variable) for variable in model.variables]
        placed = next(iter(model.players().values())).variables[0].value.device
        if not placed.endswith(place.lstrip("/")):
            raise RuntimeError(f"expected weights on {place}, found them on {placed}")
        step = tf.function(model.train_step, jit_compile=xla)
        scalars = step(tuple(map(tf.constant, random_batch(config))))
    return initial, {
        name: float(value)
        for name, value in scalars.items()
        if "loss" in name or GRADIENT_NORMS.label_of(name) is not None
    }


def compared(expected: Mapping[str, float], found: Mapping[str, float]) -> dict[str, Any]:
    """Return the largest difference, relative above an absolute value of 1, and its scalar.

    Raises:
        RuntimeError: a value is not finite.
    """
    for name, value in found.items():
        if not math.isfinite(value):
            raise RuntimeError(f"{name} is {value}, expected {expected[name]}")
    differences = {
        name: abs(found[name] - value) / max(1.0, abs(value)) for name, value in expected.items()
    }
    worst = max(differences, key=differences.get)
    return {"difference": differences[worst], "scalar": worst}


@contextlib.contextmanager
def fixed_draws() -> Iterator[None]:
    """Replace all random numbers of a step by constants, which depend on their stream and shape.

    Devices and XLA may draw other numbers.
    """

    def draws(of: Callable) -> Callable:
        def constant(_, stream: str, shape: Sequence[int] | tf.Tensor) -> tf.Tensor:
            random = np.random.default_rng(zlib.crc32(stream.encode()))
            static = tf.get_static_value(tf.convert_to_tensor(shape))
            return tf.constant(of(random, static), tf.float32)

        return constant

    draw = Latents.draw

    def latents(self, n: int, seed) -> dict[str, tf.Tensor]:
        with tf.init_scope(), tf.device(CPU):
            found = {name: value.numpy() for name, value in draw(self, n, 0).items()}
        return {name: tf.constant(value) for name, value in found.items()}

    with (
        mock.patch.object(Batch, "uniform", draws(lambda random, shape: random.random(shape))),
        mock.patch.object(Batch, "normal", draws(lambda random, shape: random.normal(size=shape))),
        mock.patch.object(Latents, "draw", latents),
    ):
        yield


def compilation(command: Sequence[str]) -> Iterator[dict]:
    """Yield the seconds of the first step under XLA.

    Args:
        command: flags of train.py; the images are random.
    """
    model, batch = model_and_batch(command, jit="on")
    dataset = repeated(batch)
    seconds = pipeline.seconds_of(lambda count: project.train(model, dataset, count), 1)
    yield {"first_seconds": seconds, "not_finite": not_finite(model)}
