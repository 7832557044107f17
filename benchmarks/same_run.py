"""Comparison of two runs: weights, records, pictures and TensorBoard's summaries.

What depends on the clock or on the path is left out.
"""

import json
import pathlib
from collections.abc import Iterator

import numpy as np

from storage.checkpoint_files import path_of, steps_of

TIMES = ("seconds", "images_per_second")
# Tags; those without a folder are of earlier versions.
OF_THE_CLOCK = (*TIMES, *(f"progress/{name}" for name in (*TIMES, "curves")), "curves", "config")
PICTURES = ("samples.png", "real.png", "progress.gif")


def records(path: pathlib.Path) -> list[dict]:
    """Return the lines of metrics.jsonl without times."""
    lines = (path / "metrics.jsonl").read_text().splitlines()
    return [{k: v for k, v in json.loads(line).items() if k not in TIMES} for line in lines]


def summaries(path: pathlib.Path) -> list[tuple[str, int, bytes]]:
    """Return (tag, step, value) of the summaries of a run, sorted, as TensorBoard shows them."""
    from tensorboard.backend.event_processing.plugin_event_accumulator import EventAccumulator

    everything = EventAccumulator(str(path), size_guidance={"tensors": 0})
    everything.Reload()
    return sorted(
        (tag, event.step, event.tensor_proto.SerializeToString())
        for tag in everything.Tags()["tensors"]
        if tag not in OF_THE_CLOCK
        for event in everything.Tensors(tag)
    )


def differences(path: pathlib.Path, other: pathlib.Path) -> Iterator[str]:
    """Yield what differs between two runs."""
    from storage.checkpoints import read

    steps = steps_of(path / "checkpoints")
    if steps != steps_of(other / "checkpoints"):
        yield f"checkpoints of steps {steps}"
    for step in steps[:1]:
        left, right = (read(path_of(p / "checkpoints", step)).tensors for p in (path, other))
        if left.keys() != right.keys():
            yield f"variables of step {step}"
        for key in left.keys() & right.keys():
            if left[key].dtype != right[key].dtype or not np.array_equal(left[key], right[key]):
                yield f"{key} of step {step}"
    mine, theirs = records(path), records(other)
    if mine != theirs:
        yield f"records ({len(mine)} and {len(theirs)})"
    shown, expected = summaries(path), summaries(other)
    if shown != expected:
        apart = {found[:2] for found in set(shown) ^ set(expected)}
        yield f"summaries ({len(shown)} and {len(expected)}), such as {min(apart, default='none')}"
    folders = ("samples", "planes", "reconstructions", "traversals")
    pictures = [*PICTURES, *(f"{f}/{p.name}" for f in folders for p in (other / f).glob("*.png"))]
    for name in pictures:
        if content(path / name) != content(other / name):
            yield name
    extra = {p.name for f in folders for p in (path / f).glob("*")}
    if more := extra - {p.name for f in folders for p in (other / f).glob("*")}:
        yield f"more pictures: {', '.join(sorted(more))}"
    if left_behind := [p.name for p in path.rglob("*") if ".tmp" in p.name or "_temp" in p.name]:
        yield f"left behind: {', '.join(left_behind)}"


def content(path: pathlib.Path) -> bytes | None:
    """Return the content of a file, None if it is missing."""
    return path.read_bytes() if path.exists() else None
