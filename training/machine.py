"""Machine of a run: devices, library versions, slow bfloat16."""

import os
import platform
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from cli.version import commit
from errors import warn
from storage.run_directory import RunDirectory


def environment() -> dict[str, str]:
    """Return the description of the machine and the versions of Python and the libraries."""
    devices = ", ".join(accelerators()) or "no GPU"
    return {
        "machine": f"{cores()} {processor()}, {devices}",
        "threads": str(tf.config.threading.get_intra_op_parallelism_threads() or "default"),
        "zoo": commit(),
        "python": platform.python_version(),
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
        "numpy": np.__version__,
    }


def warn_of_changes(run: RunDirectory, now: dict[str, str]) -> None:
    """Print a warning if a run resumes with another machine or other versions of libraries.

    Its numbers then differ in their last digits from those of an uninterrupted run.

    Args:
        run: the run directory, with the config.json of the last training, if any.
        now: the present `environment`.
    """
    if not run.config.exists() or not run.has_checkpoints:
        return
    was = run.read_config().get("environment", {})
    changed = [
        f"{name} was {was[name]}, is {value}"
        for name, value in now.items()
        if name in was and was[name] != value and name not in ("zoo", "python")
    ]
    if changed:
        warn(f"{'; '.join(changed)}: the resumed run may differ in the last digits")


def accelerators() -> list[str]:
    """Return the names of the GPUs and TPUs, such as "Tesla T4"."""
    return [
        tf.config.experimental.get_device_details(d).get("device_name", d.device_type)
        for d in tf.config.get_visible_devices()
        if d.device_type != "CPU"
    ]


def cores() -> str:
    """Return the number of cores that this process may use: "2 cores" or "1 of 2 cores"."""
    present = os.cpu_count()
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else present
    return f"{present} cores" if usable == present else f"{usable} of {present} cores"


def processor() -> str:
    """Return the name of the processor, such as "AMD EPYC"."""
    return cpu_info("model name") or platform.processor() or platform.machine()


def cpu_info(name: str) -> str:
    """Return an entry of /proc/cpuinfo for the first processor; empty on other systems."""
    info = Path("/proc/cpuinfo")
    for line in info.read_text("utf-8").splitlines() if info.exists() else ():
        if line.startswith(name):
            return line.split(":", 1)[1].strip()
    return ""


def warn_of_emulation(precision: str) -> None:
    """Print a warning to stderr if the CPU emulates bfloat16 and no accelerator is present.

    Args:
        precision: value of the option `mixed_precision`.
    """
    if precision != "bfloat16" or accelerators():
        return
    flags = cpu_info("flags")
    if flags and not {"avx512_bf16", "amx_bf16"} & set(flags.split()):
        warn(
            "mixed_precision=bfloat16: this CPU emulates bfloat16, which is many times slower than "
            "float32. Use mixed_precision=off"
        )
