"""Stages of the comparison: groups of contestants, and measurements of other commands."""

import contextlib
import dataclasses
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

from benchmarks.compare import cases, contestants, rounds
from benchmarks.compare.contestants import BFLOAT16, FLOAT32, HERE, REFERENCE, Contestant
from benchmarks.compare.worker import ROOT, Worker, WorkerError

PEAK_SIDE = 4096
BATCH_SIZES = (16, 64, 256, 1024)
SIDES = (28, 32, 64, 128)
FOLDERS = (10_000, 50_000, 200_000)  # files
DISTINCT = 1000  # images in a folder; the other files are hard links to these
TRAINING = ("train.py", "--model=dcgan", "--dataset=MNIST", "--log_every=1", "--sample_every=1000")


@dataclasses.dataclass(frozen=True)
class Settings:
    """Size of a measurement.

    Attributes:
        rounds: number of rounds.
        seconds: approximate seconds per turn.
        say: function that reports progress in one line.
    """

    rounds: int
    seconds: float
    say: Callable[[str], None] = print


Groups = Iterator[tuple[str, dict[str, dict]]]  # title of a group, contestant -> measurement


@dataclasses.dataclass(frozen=True)
class Stage:
    """Part of the comparison.

    Attributes:
        title: heading on the page.
        text: paragraph below it.
        measure: yields the groups of measurements.
        reference: contestant that others are compared with; empty for none.
        in_seconds: whether times are in seconds, not in milliseconds per step.
    """

    title: str
    text: str
    measure: Callable[[Settings], Groups]
    reference: str = ""
    in_seconds: bool = False


def turns(
    groups: Mapping[str, Sequence[Contestant]], times: int = 1, seconds_factor: float = 1.0
) -> Callable[[Settings], Groups]:
    """Return the measurement of groups whose contestants take turns.

    Args:
        groups: contestants by title.
        times: factor of the number of rounds.
        seconds_factor: factor of the seconds of a turn.
    """

    def measure(settings: Settings) -> Groups:
        for title, group in groups.items():
            present = installed(group, settings)
            seconds = seconds_factor * settings.seconds
            yield title, rounds.measure(present, times * settings.rounds, seconds)

    return measure


def installed(group: Sequence[Contestant], settings: Settings) -> list[Contestant]:
    """Return the contestants whose libraries are installed; name the others in one line."""
    missing = [contestant for contestant in group if contestant.missing]
    if missing:
        needed = ", ".join(sorted({contestant.requires for contestant in missing}))
        names = "; ".join(contestant.name for contestant in missing)
        settings.say(f"not installed: {needed}; skipped: {names}")
    return [contestant for contestant in group if not contestant.missing]


def products() -> list[Contestant]:
    """Return the matrix products of both libraries in both precisions."""
    return [
        Contestant(
            name=f"{label}, {precision}",
            build=f"{HERE}.products:{label.lower()}",
            arguments={"side": PEAK_SIDE, "precision": precision},
            requires=module,
            precision=precision,
        )
        for label, module in (("TensorFlow", "tensorflow"), ("PyTorch", "torch"))
        for precision in (FLOAT32, BFLOAT16)
    ]


def pipelines(batch_size: int = 64) -> list[Contestant]:
    """Return the pipeline alone, the step on a constant batch, and both together."""

    def of(name: str, function: str, **arguments) -> Contestant:
        arguments["batch_size"] = batch_size
        return Contestant(name, f"{HERE}.pipelines:{function}", arguments, own=True)

    return [
        of("pipeline alone", "alone"),
        of("step, constant batch", "step", constant=True),
        of("step, pipeline", "step", constant=False),
    ]


def of_start(settings: Settings) -> Groups:
    """Measure the seconds from a command to the end of its first step; each round starts anew."""
    group = installed(contestants.of_start(cases.DCGAN_28), settings)
    times = {"train.py": [], **{contestant.name: [] for contestant in group}}
    for _ in range(settings.rounds):
        times["train.py"].append(seconds_to_first_log())
        for contestant in group:
            start = time.perf_counter()
            with contextlib.closing(Worker(contestant)) as worker:
                worker.wait_until_first_step()
                times[contestant.name].append(time.perf_counter() - start)
    own = {"train.py", *(contestant.name for contestant in group if contestant.own)}
    yield (
        cases.DCGAN_28.title,
        {name: {"seconds": seconds, "own": name in own} for name, seconds in times.items()},
    )


def seconds_to_first_log() -> float:
    """Return the seconds from the start of train.py to the record of its first step.

    Raises:
        WorkerError: the training ends without a record.
    """
    with tempfile.TemporaryDirectory() as folder:
        log = pathlib.Path(folder) / "run" / "metrics.jsonl"
        command = [sys.executable, *TRAINING, "--steps=1000", f"--outdir={log.parent}"]
        start = time.perf_counter()
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL) as training:
            while not (log.exists() and log.stat().st_size):
                if training.poll() is not None:
                    raise WorkerError(f"train.py: exit code {training.returncode}")
                time.sleep(0.005)
            seconds = time.perf_counter() - start
            training.kill()
        return seconds


def of_evaluation(settings: Settings) -> Groups:
    """Measure evaluate.py on a run of few steps: in all, and by its own stages."""
    times: dict[str, list[float]] = {"evaluate.py": []}
    with tempfile.TemporaryDirectory() as folder:
        run = pathlib.Path(folder) / "run"
        commands = (
            [sys.executable, *TRAINING, "--steps=5", f"--outdir={run}"],
            [sys.executable, "evaluate.py", f"--run={run}"],
        )
        for command in commands:  # the first evaluation fills the cache
            subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL, check=True)
        for _ in range(settings.rounds):
            start = time.perf_counter()
            subprocess.run(commands[1], cwd=ROOT, stdout=subprocess.DEVNULL, check=True)
            times["evaluate.py"].append(time.perf_counter() - start)
            found = json.loads((run / "evaluation.json").read_text())["seconds"]
            for name, seconds in found.items():
                times.setdefault(name, []).append(seconds)
    yield (
        "DCGAN on MNIST",
        {name: {"seconds": seconds, "own": True} for name, seconds in times.items()},
    )


def of_folders(settings: Settings) -> Groups:
    """Measure folders of many files: decoding, loading from the cache, reading batches."""
    for files in FOLDERS:
        with tempfile.TemporaryDirectory() as folder:
            images = pathlib.Path(folder) / "images"
            make_folder(images, files)
            contestant = Contestant(
                "read batches",
                f"{HERE}.pipelines:folder",
                {"path": str(images), "batch_size": 64},
                own=True,
                environment={"GAN_ZOO_CACHE": str(pathlib.Path(folder) / "cache")},
            )
            group = rounds.measure([contestant], settings.rounds, settings.seconds)
        (read,) = group.values()
        loads = {
            name: {"seconds": [seconds], "images": files, "own": True}
            for name, seconds in read.pop("parts").items()
        }
        yield f"{files:,} files", {**loads, **group}


def make_folder(folder: pathlib.Path, files: int) -> None:
    """Write a folder of colour PNG files of 32 x 32 pixels, most of them hard links."""
    import numpy as np
    from PIL import Image

    folder.mkdir(parents=True)
    random = np.random.default_rng(0)
    for k in range(files):
        path = folder / f"{k:06d}.png"
        if k < DISTINCT:
            Image.fromarray(random.integers(0, 256, (32, 32, 3), np.uint8)).save(path)
        else:
            os.link(folder / f"{k % DISTINCT:06d}.png", path)


STAGES = {
    "peak": Stage(
        title="Peak of the machine",
        text=f"Products of two matrices of {PEAK_SIDE} x {PEAK_SIDE}.",
        measure=turns({f"{PEAK_SIDE} x {PEAK_SIDE}": products()}),
    ),
    "steps": Stage(
        title="Train steps",
        text="The same networks, batches and optimizers in each row of a table, on one constant "
        "batch. Relative speeds are those to the tutorial loop within a round. The share of the "
        "peak is that of the multiplications that the step needs, in the same precision, and the "
        "peak that of the faster library. The networks have no dropout. The lazy penalties of "
        "StyleGAN2 are off. The backbones are those of the project, and the tutorial loop trains "
        "the same networks as plain Keras layers.",
        measure=turns(
            {
                case.title: contestants.of_steps(case)
                for case in (
                    cases.DCGAN_28,
                    cases.DCGAN_32,
                    cases.WGAN_GP_32,
                    cases.STYLEGAN2_32,
                    cases.MLP,
                    cases.backbone(28),
                    cases.RESNET,
                )
            }
        ),
        reference=REFERENCE,
    ),
    "ablation": Stage(
        title="Measures for speed",
        text="Each row removes one measure from the project's step, or adds one. The control is "
        "the unchanged step in another process. The rule by which a measure stays is above.",
        measure=turns(
            {
                title: contestants.of_ablation(case, precision)
                for title, case, precision in (
                    (f"{cases.DCGAN_28.title}, float32", cases.DCGAN_28, FLOAT32),
                    (f"{cases.DCGAN_28.title}, bfloat16", cases.DCGAN_28, BFLOAT16),
                    (
                        f"{cases.DCGAN_28.title}, float32, batches of 256",
                        cases.sized("dcgan_28", 256),
                        FLOAT32,
                    ),
                    (f"{cases.MLP.title}, float32", cases.MLP, FLOAT32),
                )
            },
            times=12,
            seconds_factor=0.25,
        ),
    ),
    "start": Stage(
        title="From the command to the first step",
        text="train.py loads the embedded MNIST; the others train on random images.",
        measure=of_start,
        reference=REFERENCE,
        in_seconds=True,
    ),
    "pipeline": Stage(
        title="Input pipeline",
        text="Batches of 64 images of the embedded MNIST. The last two rows are equal unless the "
        "pipeline limits the training.",
        measure=turns({"MNIST": pipelines()}),
        reference="step, constant batch",
    ),
    "evaluate": Stage(
        title="Evaluation",
        text="evaluate.py with its defaults, from the command to its end, and its stages; the rest "
        "of the time is the start of Python and of the libraries.",
        measure=of_evaluation,
        in_seconds=True,
    ),
    "batches": Stage(
        title="Batch sizes",
        text=f"{cases.DCGAN_28.title}, batches of 16 to 1,024 images.",
        measure=turns(
            {
                f"batches of {size:,}": contestants.few(cases.sized("dcgan_28", size))
                for size in BATCH_SIZES
            }
        ),
        reference=REFERENCE,
    ),
    "sides": Stage(
        title="Image sizes",
        text="The project's backbone `dcgan` with its default width, batches of 16.",
        measure=turns(
            {
                f"{side} x {side}": contestants.few(cases.backbone(side, batch_size=16))
                for side in SIDES
            }
        ),
        reference=REFERENCE,
    ),
    "folders": Stage(
        title="Folders of many files",
        text="Colour PNG files of 32 x 32 pixels. Anonymous memory does not include the "
        "memory-mapped cache, which the system can drop.",
        measure=of_folders,
        in_seconds=True,
    ),
}
