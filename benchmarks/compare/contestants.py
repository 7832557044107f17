"""Contestants: the implementations of a train step that are compared, by declared names."""

import dataclasses
import importlib
import importlib.util
from collections.abc import Callable, Mapping
from typing import Any

from benchmarks.compare.cases import Case

HERE = "benchmarks.compare"
FLOAT32, BFLOAT16 = "float32", "bfloat16"
TUTORIAL = "tutorial loop"
REFERENCE = f"{TUTORIAL}, {FLOAT32}"  # ratios of steps are relative to it
CONTROL = "project again (control)"
LEAST_GAIN = 0.03  # of a measure, beyond the control's spread


@dataclasses.dataclass(frozen=True)
class Built:
    """Contestant in its process.

    Attributes:
        run: function of a number of steps, which runs them.
        images: real images per step.
        multiplications: multiplications per step; None if they are not counted.
        multiple: the number of steps must be a multiple of it.
        parts: seconds of parts of its construction by name.
    """

    run: Callable[[int], None]
    images: int | None = None
    multiplications: int | None = None
    multiple: int = 1
    parts: Mapping[str, float] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Contestant:
    """Implementation that is measured.

    Attributes:
        name: name in tables.
        build: "module:function" that returns a `Built`.
        arguments: arguments of this function, JSON values.
        requires: a module that must be installed; empty for none.
        own: whether it belongs to this project, so that a stored run can be compared with it.
        precision: of its products, for the share of the peak.
        environment: environment variables of its process.
    """

    name: str
    build: str
    arguments: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    requires: str = ""
    own: bool = False
    precision: str = FLOAT32
    environment: Mapping[str, str] = dataclasses.field(default_factory=dict)

    @property
    def missing(self) -> bool:
        """True if the module that it requires is not installed."""
        return bool(self.requires) and importlib.util.find_spec(self.requires) is None

    def load(self) -> Built:
        """Build it in this process."""
        module, function = self.build.split(":")
        return getattr(importlib.import_module(module), function)(**self.arguments)


def project(case: Case, precision: str = FLOAT32, name: str = "", **changes) -> Contestant:
    """Return the project's step; `changes` are arguments of benchmarks.compare.project.build."""
    name = name or f"project, {precision}"
    return _of(case, name, "project", precision, own=True, **changes)


def tutorial(case: Case, precision: str = FLOAT32) -> Contestant:
    """Return the loop of the TensorFlow DCGAN tutorial."""
    return _of(case, f"{TUTORIAL}, {precision}", "tutorial", precision)


def keras_documentation(case: Case, precision: str = FLOAT32) -> Contestant:
    """Return the step of the Keras documentation."""
    return _of(case, f"Keras documentation, {precision}", "keras_documentation", precision)


def pytorch(case: Case, precision: str = FLOAT32, channels_last: bool = False) -> Contestant:
    """Return the step in PyTorch."""
    name = f"PyTorch {'channels last' if channels_last else 'eager'}, {precision}"
    return _of(case, name, "pytorch", precision, requires="torch", channels_last=channels_last)


def _of(case, name, module, precision, *, own=False, requires="", **changes) -> Contestant:
    sizes = {"case": case.name, "batch_size": case.batch_size}
    return Contestant(
        name=name,
        build=f"{HERE}.{module}:build",
        arguments={**sizes, "precision": precision, **changes},
        requires=requires,
        own=own,
        precision=precision,
    )


def of_steps(case: Case) -> list[Contestant]:
    """Return the contestants of a case; other libraries only where its layers are plain."""
    ours = [project(case), project(case, name=CONTROL), project(case, BFLOAT16)]
    others = [tutorial(case), tutorial(case, BFLOAT16)]
    if case.layers is not None:
        others += [
            keras_documentation(case),
            pytorch(case),
            pytorch(case, channels_last=True),
            pytorch(case, BFLOAT16, channels_last=True),
        ]
    return [*ours, *others]


def of_start(case: Case) -> list[Contestant]:
    """Return the contestants of the time to the first step."""
    return [
        project(case),
        tutorial(case),
        keras_documentation(case),
        pytorch(case),
    ]


def few(case: Case) -> list[Contestant]:
    """Return the contestants of the measurements over batch sizes and image sides."""
    return [project(case), project(case, BFLOAT16), tutorial(case)]


@dataclasses.dataclass(frozen=True)
class Measure:
    """Measure that makes the project's step faster, by the change that removes or adds it.

    Attributes:
        name: the measure.
        change: arguments of benchmarks.compare.project.build.
        adds: whether the change adds the measure, which the step does not have by default.
    """

    name: str
    change: Mapping[str, Any]
    adds: bool = False


MEASURES = (
    Measure("fused batch norm", {"keras_batch_norm": True}),
    Measure("fused Adam", {"keras_adam": True}),
    Measure("no logs per step", {"step_logs": True}),
    Measure("10 steps per execution", {"steps_per_execution": 10}, adds=True),
)


def label(measure: Measure) -> str:
    """Return the name of the contestant that has or lacks a measure."""
    return f"{'with' if measure.adds else 'without'}: {measure.name}"


def of_ablation(case: Case, precision: str) -> list[Contestant]:
    """Return the project, the project again as control, and one contestant per measure."""
    return [
        project(case, precision),
        project(case, precision, CONTROL),
        *(project(case, precision, label(m), **m.change) for m in MEASURES),
    ]
