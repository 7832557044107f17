"""Readers of a run's files and the training commands that the tests of train.py share."""

import json

import numpy as np
from PIL import Image


def records(path):
    """Return the lines of a run's metrics.jsonl."""
    return [json.loads(line) for line in (path / "metrics.jsonl").read_text().splitlines()]


def saved_config(path):
    return json.loads((path / "config.json").read_text())


def steps_saved(path):
    """Return the steps of a run's checkpoints, in order."""
    names = [index.stem for index in (path / "checkpoints").glob("ckpt-*.index")]
    return sorted(int(name.removeprefix("ckpt-")) for name in names)


def files(path):
    """Return the names and bytes of all files in a folder, at any depth."""
    found = [file for file in sorted(path.rglob("*")) if file.is_file()]
    return {str(file.relative_to(path)): file.read_bytes() for file in found}


def pixels(path):
    """Return a picture as uint8 [H, W, c]."""
    image = Image.open(path)
    array = np.asarray(image.convert("RGB") if image.mode == "P" else image)
    return array[..., None] if array.ndim == 2 else array


def timeless(line):
    """Return a line of the log without the values of the clock."""
    return {k: v for k, v in line.items() if k not in ("seconds", "images_per_second")}


def events_in(path):
    """Return the events of a run as TensorBoard reads them."""
    from tensorboard.backend.event_processing import event_accumulator

    everything = {event_accumulator.TENSORS: 0}
    accumulator = event_accumulator.EventAccumulator(str(path), size_guidance=everything)
    return accumulator.Reload()


def tensors(events, tag, plugin):
    """Return step -> array of a tag of a TensorBoard plugin."""
    import tensorflow as tf

    assert events.SummaryMetadata(tag).plugin_data.plugin_name == plugin
    return {event.step: tf.make_ndarray(event.tensor_proto) for event in events.Tensors(tag)}


SCHEDULE = ("--epochs=2", "--checkpoint_every=5", "--log_every=4", "--sample_every=6")


EVALUATION = (
    "--eval_every=4", "--eval_metrics=fd_digits,pixel_mean", "--eval_features=digits",
    "--eval_samples=20",
)  # fmt: skip


# A training that sends itself a signal within the given step.
STOPPED = """
import os, sys
import train
from cli import flags
from training import callbacks

step, number = map(int, sys.argv[1:3])
after_step = callbacks.Log.after_step

def stopping(log):
    after_step(log)
    if log.step == step:
        os.kill(os.getpid(), number)

callbacks.Log.after_step = stopping
if code := flags.run_script(train.main, sys.argv[3:]):
    sys.exit(code)
"""


def measurements(path):
    """Return the lines of the log with metrics."""
    return [line for line in records(path) if any(name.startswith("metric_") for name in line)]
