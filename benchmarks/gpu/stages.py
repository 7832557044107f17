"""Stages of the measurements on a GPU, in the order of their worth."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import fields
from models import REGISTRY

if TYPE_CHECKING:
    from benchmarks.gpu.__main__ import GpuOptions

HERE = "benchmarks.gpu"
GROUPS = ("device", "steps", "agreement", "data", "picture", "xla")
STOP_SECONDS = 45.0  # in which a training saves and ends


@dataclasses.dataclass(frozen=True)
class Stage:
    """Part of the measurements.

    Attributes:
        name: key in the record.
        group: its entry of GROUPS.
        title: title in the output.
        measure: "module:function" that yields the results, each a dictionary of JSON values.
        arguments: arguments of this function, JSON values.
        limit: time limit in seconds.
        model: name of its model; empty for a stage of no model or of several.
    """

    name: str
    group: str
    title: str
    measure: str
    arguments: Mapping[str, Any]
    limit: float
    model: str = ""


@dataclasses.dataclass(frozen=True)
class Workload:
    """Training whose step is measured.

    Attributes:
        name: part of the name of its stage.
        title: title in tables.
        model: name of the model.
        flags: further flags of train.py.
        limit: time limit of its steps in seconds.
    """

    name: str
    title: str
    model: str
    flags: tuple[str, ...]
    limit: float = 100.0

    def command(self, options: "GpuOptions", **changes: Any) -> list[str]:
        """Return its flags of train.py, with the sizes that the options give."""
        given = {"batch_size": options.batch_size, "width": options.width, **changes}
        sizes = [f"--{name}={value}" for name, value in given.items() if value is not None]
        return [f"--model={self.model}", *self.flags, *sizes]


CIFAR10 = "--dataset=CIFAR10"
DCGAN_28 = Workload("dcgan_28", "DCGAN, 28 x 28", "dcgan", ("--dataset=MNIST",))
DCGAN_32 = Workload("dcgan_32", "DCGAN, 32 x 32 x 3", "dcgan", (CIFAR10,))
INFOGAN_32 = Workload("infogan_32", "InfoGAN, 32 x 32 x 3", "infogan", (CIFAR10, "--noise_dim=64"))
WGAN_GP_32 = Workload("wgan_gp_32", "WGAN-GP, 32 x 32 x 3", "wgan_gp", (CIFAR10,))
STYLEGAN2_32 = Workload(
    "stylegan2_32", "StyleGAN2, 32 x 32 x 3", "stylegan2", (CIFAR10,), limit=180.0
)
COMPARED = (DCGAN_28, INFOGAN_32, WGAN_GP_32, STYLEGAN2_32)  # with the CPU
MEASURED = {workload.model for workload in (*COMPARED, DCGAN_32)}


def stages_of(options: "GpuOptions") -> list[Stage]:
    """Return the stages that the options select, in their order."""
    groups, models = fields.listed(options.stages), fields.listed(options.models)
    return [
        stage
        for stage in all_stages(options, models or list(REGISTRY))
        if stage.group in groups and (not models or stage.model in ("", *models))
    ]


def all_stages(options: "GpuOptions", models: Sequence[str]) -> list[Stage]:
    """Return all stages in their order; the agreement is that of the given models."""
    compared = [workload for workload in COMPARED if workload.model in models]
    return [
        Stage("device", "device", "device", f"{HERE}.measures:device", {}, 60.0),
        of_steps(DCGAN_28, options),
        *([of_agreement(compared, options)] if compared else []),
        Stage(
            "data",
            "data",
            "share of the time without data",
            f"{HERE}.measures:waiting",
            {"command": DCGAN_28.command(options), "seconds": options.seconds},
            75.0,
            DCGAN_28.model,
        ),
        of_steps(INFOGAN_32, options),
        Stage(
            "picture",
            "picture",
            f"DCGAN trained for {options.train_seconds:g} s",
            f"{HERE}.picture:training",
            {
                "command": DCGAN_28.command(options),
                "seconds": options.train_seconds,
                "folder": options.outdir,
            },
            options.train_seconds + STOP_SECONDS,
            DCGAN_28.model,
        ),
        *(of_steps(workload, options) for workload in (WGAN_GP_32, DCGAN_32, STYLEGAN2_32)),
        *(of_compilation(name, options) for name in REGISTRY if name not in MEASURED),
    ]


def of_steps(workload: Workload, options: "GpuOptions") -> Stage:
    """Return the stage of the speed of a workload."""
    return Stage(
        f"steps_{workload.name}",
        "steps",
        workload.title,
        f"{HERE}.measures:steps",
        {"command": workload.command(options), "seconds": options.seconds},
        workload.limit,
        workload.model,
    )


def of_agreement(workloads: Sequence[Workload], options: "GpuOptions") -> Stage:
    """Return the stage that compares a step of workloads with that of the CPU."""
    return Stage(
        "agreement",
        "agreement",
        "agreement of a step with the CPU",
        f"{HERE}.measures:agreement",
        {"workloads": {w.title: w.command(options, batch_size=8) for w in workloads}},
        120.0,
    )


def of_compilation(name: str, options: "GpuOptions") -> Stage:
    """Return the stage that compiles a model by XLA."""
    command = Workload(name, name, name, (CIFAR10,)).command(options)
    return Stage(
        f"xla_{name}",
        "xla",
        f"{name} under XLA",
        f"{HERE}.measures:compilation",
        {"command": command},
        90.0,
        name,
    )
