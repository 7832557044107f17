"""train.py from outside: files of a run, resuming, evaluation, and invalid commands."""

import contextlib
import dataclasses
import io
import itertools
import json
import math
import os
import pathlib
import pty
import re
import shlex
import shutil
import signal
import socket
import sys
import threading
import time
import types

import numpy as np
import pytest
from PIL import Image

import plotting
from cli import flags
from errors import UserError
from storage.run_directory import RunDirectory
from training import options


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
    array = np.asarray(Image.open(path))
    return array[..., None] if array.ndim == 2 else array


@pytest.fixture(scope="module")
def tiny_model(tiny_run):
    """The model of the tiny run, restored."""
    from training.loading import load_run

    return load_run(tiny_run.path)[2]


# Files of a run.


@pytest.mark.smoke
def test_finished_run_has_its_files(tiny_run):
    found = {path.name for path in tiny_run.path.iterdir()}
    events = {name for name in found if name.startswith("events.out.tfevents.")}
    assert len(events) == 1
    assert found - events == {
        ".lock", "checkpoints", "config.json", "curves.png", "export", "metrics.jsonl",
        "progress.gif", "real.png", "samples", "samples.png",
    }  # fmt: skip


def test_config_json_records_options_data_machine_and_command(tiny_run, digits):
    import keras
    import tensorflow as tf

    import data

    saved = saved_config(tiny_run.path)
    config = options.parse(tiny_run.argv)
    assert list(saved) == [
        "commands", "options", "hyperparameters", "data", "total_steps", "environment",
    ]  # fmt: skip
    assert [shlex.split(command) for command in saved["commands"]] == [
        ["python", "train.py", *tiny_run.argv]
    ]
    assert saved["options"] == dataclasses.asdict(config.options)
    assert saved["hyperparameters"] == json.loads(json.dumps(dataclasses.asdict(config.hp)))
    assert saved["options"]["seed"] == 5
    assert saved["hyperparameters"]["width"] == 8
    assert saved["hyperparameters"]["beta_1"] == 0.5
    assert options.Config.from_dict(saved) == config
    assert saved["total_steps"] == 6
    assert saved["data"] == {
        "name": "digits",
        "fingerprint": data.load(str(digits)).fingerprint,
        "image_shape": [28, 28, 1],
        "num_classes": 10,
        "train_images": 200,
        "test_images": 40,
        "notes": [],
    }
    environment = saved["environment"]
    assert environment["tensorflow"] == tf.__version__
    assert environment["keras"] == keras.__version__
    assert environment["numpy"] == np.__version__
    assert environment["python"] == sys.version.split()[0]
    used, there = len(os.sched_getaffinity(0)), os.cpu_count()
    cores = f"{there} cores" if used == there else f"{used} of {there} cores"
    assert environment["machine"].startswith(cores)


def test_keep_checkpoints_limits_the_checkpoints(tiny_run):
    assert steps_saved(tiny_run.path) == [4, 6]


@pytest.mark.smoke
def test_log_has_lines_every_log_every_steps_and_at_checkpoints(tiny_run):
    lines = records(tiny_run.path)
    assert [line["step"] for line in lines] == [2, 3, 4, 6]
    assert [line["epoch"] for line in lines] == pytest.approx([2 / 12, 3 / 12, 4 / 12, 6 / 12])
    assert [line["kimg"] for line in lines] == pytest.approx([0.032, 0.048, 0.064, 0.096])
    assert all(math.isfinite(value) for line in lines for value in line.values())


def test_log_line_is_the_mean_over_the_steps_since_the_last(tiny_run):
    assert len(tiny_run.scalars) == 6
    windows = [(0, 2), (2, 3), (3, 4), (4, 6)]
    for line, (start, stop) in zip(records(tiny_run.path), windows, strict=True):
        window = tiny_run.scalars[start:stop]
        for name in window[0]:
            mean = sum(float(step[name]) for step in window) / len(window)
            assert line[name] == pytest.approx(mean, rel=1e-6), name
    losses = [step["d_loss"] for step in tiny_run.scalars]
    assert len(set(map(float, losses))) == 6


def test_log_line_has_losses_terms_learning_rates_and_speed(tiny_run):
    for line in records(tiny_run.path):
        assert set(line) == {
            "step", "epoch", "kimg", "seconds", "images_per_second",
            "discriminator_learning_rate", "generator_learning_rate",
            "d_loss", "d_loss_real", "d_loss_fake", "d_accuracy_real", "d_accuracy_fake",
            "discriminator_gradient_norm", "g_loss", "generator_gradient_norm",
        }  # fmt: skip
        assert line["generator_learning_rate"] == pytest.approx(1e-3)
        assert line["discriminator_learning_rate"] == pytest.approx(2e-4)
        assert line["d_loss"] == pytest.approx(line["d_loss_real"] + line["d_loss_fake"], rel=1e-5)


def test_images_per_second_counts_the_time_of_steps_only(tiny_run):
    lines = records(tiny_run.path)
    seconds = [0.0] + [line["seconds"] for line in lines]
    images = 16 * np.diff([0] + [line["step"] for line in lines])
    assert all(now > before for before, now in itertools.pairwise(seconds))
    for line, elapsed, shown in zip(lines, np.diff(seconds), images, strict=True):
        busy = shown / line["images_per_second"]
        assert 0 < busy <= elapsed + 0.002  # seconds are rounded to a thousandth


def test_sample_grids_are_drawn_at_the_start_at_intervals_and_at_the_end(tiny_run):
    from training import loading

    drawn = sorted(path.name for path in (tiny_run.path / "samples").iterdir())
    assert drawn == ["step-0000000.png", "step-0000004.png", "step-0000006.png"]
    config = options.parse(tiny_run.argv)
    loading.prepare(config)
    untrained = loading.build_model(config, (28, 28, 1), 10)
    first = pixels(tiny_run.path / "samples" / drawn[0])
    np.testing.assert_array_equal(first, plotting.grid(untrained.sample(64)))
    assert (first != pixels(tiny_run.path / "samples" / drawn[1])).any()


def test_last_sample_grid_is_drawn_from_the_last_checkpoint(tiny_run, tiny_model):
    sheet = plotting.grid(tiny_model.sample(64))
    np.testing.assert_array_equal(pixels(tiny_run.path / "samples.png"), sheet)
    np.testing.assert_array_equal(pixels(tiny_run.path / "samples" / "step-0000006.png"), sheet)
    assert (sheet != pixels(tiny_run.path / "samples" / "step-0000004.png")).any()


def test_real_png_has_random_training_images(tiny_run, digits, cells):
    numbers = {image.tobytes(): k for k, image in enumerate(np.load(digits)["x_train"])}
    shown = cells(pixels(tiny_run.path / "real.png"), columns=8).reshape(64, 28, 28)
    chosen = [numbers[image.tobytes()] for image in shown]
    assert len(set(chosen)) == 64
    assert min(chosen) < 20
    assert max(chosen) >= 180


def test_progress_gif_has_the_sample_grids_as_frames(tiny_run):
    import imageio.v3 as iio

    frames = iio.imread(tiny_run.path / "progress.gif", mode="L")
    drawn = sorted((tiny_run.path / "samples").iterdir())
    assert len(frames) == len(drawn) == 3
    for frame, path in zip(frames, drawn, strict=True):
        np.testing.assert_array_equal(frame[..., None], pixels(path))


def test_curves_png_is_not_blank(tiny_run):
    picture = pixels(tiny_run.path / "curves.png")
    assert picture.shape[1] == 900
    assert len(np.unique(picture.reshape(-1, picture.shape[-1]), axis=0)) > 10


@pytest.fixture(scope="module")
def events(tiny_run):
    """Return the events of the tiny run as TensorBoard reads them."""
    from tensorboard.backend.event_processing import event_accumulator

    accumulator = event_accumulator.EventAccumulator(
        str(tiny_run.path), size_guidance={event_accumulator.TENSORS: 0}
    )
    accumulator.Reload()
    return accumulator


def tensors(events, tag, plugin):
    """Return step -> array of a tag of a TensorBoard plugin."""
    import tensorflow as tf

    assert events.SummaryMetadata(tag).plugin_data.plugin_name == plugin
    return {event.step: tf.make_ndarray(event.tensor_proto) for event in events.Tensors(tag)}


def picture_of(tensor):
    """The picture uint8 [H, W, c] in an image summary: width, height, PNG file."""
    _, _, png = tensor.tolist()
    return pixels(io.BytesIO(png))


def test_tensorboard_has_the_scalars_of_the_log(tiny_run, events):
    lines = records(tiny_run.path)
    for name in set(lines[0]) - {"step"}:
        shown = tensors(events, name, "scalars")
        assert list(shown) == [line["step"] for line in lines]
        expected = [np.float32(line[name]) for line in lines]
        np.testing.assert_array_equal(list(map(float, shown.values())), expected, name)


def test_tensorboard_has_the_pictures_and_the_configuration(tiny_run, events):
    samples = tensors(events, "samples", "images")
    assert list(samples) == [0, 4, 6]
    for step, tensor in samples.items():
        file = tiny_run.path / "samples" / f"step-{step:07}.png"
        np.testing.assert_array_equal(picture_of(tensor), pixels(file))
    real, curves = tensors(events, "real", "images"), tensors(events, "curves", "images")
    np.testing.assert_array_equal(picture_of(real[0]), pixels(tiny_run.path / "real.png"))
    drawn = pixels(tiny_run.path / "curves.png")[..., :3]
    np.testing.assert_array_equal(picture_of(curves[6]), drawn)
    text = tensors(events, "config", "text")[0].item().decode()
    assert (tiny_run.path / "config.json").read_text() in text


LOAD_EXPORTS = """
import sys
import numpy as np, keras, tensorflow as tf
assert "models" not in sys.modules
export, latents = sys.argv[1], np.load("latents.npy")
np.save("keras.npy", keras.models.load_model(export + "/generator.keras")(latents))
saved_model = tf.saved_model.load(export + "/saved_model")
np.save("saved_model.npy", saved_model.serve(latents))
"""


@pytest.mark.smoke
def test_exports_without_the_zoo_generate_the_same_images(tiny_run, tiny_model, python, tmp_path):
    np.save(tmp_path / "latents.npy", tiny_model.latents.join(tiny_model.latents.draw(5, 3)))
    export = tiny_run.path / "export"
    done = python("-c", LOAD_EXPORTS, export, cwd=tmp_path, zoo=False)
    assert done.code == 0, done.err
    expected = tiny_model.sample(5, seed=3)
    for name in ("keras", "saved_model"):
        images = np.load(tmp_path / f"{name}.npy")
        assert images.dtype == np.float32
        np.testing.assert_allclose(images, expected, rtol=0, atol=1e-6, err_msg=name)
    assert np.ptp(expected) > 0.01


def test_terminal_output_begins_with_model_data_and_run(tiny_run):
    first, *_, last = tiny_run.outcome.out.splitlines()
    assert re.fullmatch(
        r"gan on digits: 200 images 28x28x1, [\d,]+ weights, steps 0 to 6 \(12 per epoch\), "
        rf"writing to {re.escape(str(tiny_run.path))}",
        first,
    )
    assert last.startswith("done: samples.png")
    assert tiny_run.outcome.err == ""


def test_dcgan_on_the_embedded_mnist_trains(call, tmp_path):
    outdir = tmp_path / "run"
    done = call(
        "train", "--model=dcgan", "--width=4", "--dense_units=8", "--steps=2", f"--outdir={outdir}"
    )
    assert done.code == 0, done
    saved = saved_config(outdir)
    assert saved["data"]["name"] == saved["options"]["dataset"] == "MNIST"
    assert saved["data"]["train_images"] == 60000
    assert steps_saved(outdir) == [2]
    import keras

    generator = keras.models.load_model(outdir / "export" / "generator.keras")
    assert generator.output_shape == (None, 28, 28, 1)


# Resuming.

SCHEDULE = ("--epochs=2", "--checkpoint_every=5", "--log_every=4", "--sample_every=6")

# A training that sends itself a signal within the given step.
STOPPED = """
import os, sys
import train
from cli import flags
from training import callbacks

step, number = map(int, sys.argv[1:3])
after_step = callbacks.Log.after_step

def stopping(log, scalars):
    after_step(log, scalars)
    if log.step == step:
        os.kill(os.getpid(), number)

callbacks.Log.after_step = stopping
if code := flags.run_script(train.main, sys.argv[3:]):
    sys.exit(code)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("resume")


@pytest.fixture(scope="module")
def whole(call, tiny, folder):
    """An uninterrupted run of 24 steps."""
    done = call("train", *tiny, *SCHEDULE, f"--outdir={folder / 'whole'}")
    assert done.code == 0, done
    return folder / "whole"


@pytest.fixture(scope="module")
def killed(python, tiny, folder):
    """The same run, killed in step 13, in the middle between the checkpoints 10 and 15."""
    argv = [*tiny, *SCHEDULE, f"--outdir={folder / 'killed'}"]
    done = python("-c", STOPPED, 13, int(signal.SIGKILL), *argv)
    assert done.code == -signal.SIGKILL, done
    assert steps_saved(folder / "killed") == [5, 10]
    return folder / "killed"


@pytest.fixture(scope="module")
def resumed(call, tiny, folder, killed):
    """The killed run, resumed after adding everything that a kill can leave behind."""
    path = pathlib.Path(shutil.copytree(killed, folder / "resumed"))
    leftover = path / "checkpoints" / "ckpt-15_temp"
    leftover.mkdir()
    (leftover / "part-00000-of-00001.data-00000-of-00001").write_bytes(b"half")
    with (path / "metrics.jsonl").open("a") as log:
        log.write('{"step": 13, "epo')
    done = call("train", *tiny, *SCHEDULE, f"--outdir={path}")
    assert done.code == 0, done
    return types.SimpleNamespace(path=path, outcome=done)


def timeless(line):
    """Return a line of the log without the values of the clock."""
    return {k: v for k, v in line.items() if k not in ("seconds", "images_per_second")}


@pytest.mark.smoke
def test_resumed_run_after_a_kill_has_the_same_bits(resumed, whole, checkpoint, assert_same_bits):
    # It resumed in the middle of an epoch.
    assert "steps 10 to 24 (12 per epoch)" in resumed.outcome.out
    assert steps_saved(whole) == steps_saved(resumed.path) == [15, 20, 24]
    for step in (15, 20, 24):
        name = f"checkpoints/ckpt-{step}"
        assert_same_bits(checkpoint(resumed.path / name), checkpoint(whole / name))


def test_bits_of_different_steps_differ(whole, checkpoint, assert_same_bits):
    early, late = (checkpoint(whole / "checkpoints" / f"ckpt-{step}") for step in (20, 24))
    assert len(early) > 20
    with pytest.raises(AssertionError):
        assert_same_bits(early, late)


def test_checkpoint_has_all_variables_of_the_state(whole, checkpoint):
    import tensorflow as tf

    from training.loading import load_run

    model = load_run(whole)[2]
    model.compile()
    names = checkpoint(whole / "checkpoints" / "ckpt-24")
    for part, variables in model.state().items():
        assert sum(name.startswith(f"{part}/") for name in names) == len(variables) > 0
    assert len(names) == len(tf.nest.flatten(model.state()))


def test_log_of_a_resumed_run_has_each_line_once(killed, resumed, whole):
    lines = (killed / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [4, 5, 8, 10, 12]
    expected = [timeless(line) for line in records(whole)]
    assert [line["step"] for line in expected] == [4, 5, 8, 10, 12, 15, 16, 20, 24]
    assert [timeless(line) for line in records(resumed.path)] == expected
    seconds = [line["seconds"] for line in records(resumed.path)]
    assert seconds == sorted(set(seconds))


def test_pictures_of_a_resumed_run_are_the_same(resumed, whole):
    assert files(resumed.path / "samples") == files(whole / "samples")
    assert len(files(whole / "samples")) == 5
    for name in ("samples.png", "progress.gif", "real.png"):
        assert (resumed.path / name).read_bytes() == (whole / name).read_bytes(), name


def test_resumed_run_removes_unfinished_checkpoints(resumed):
    assert not list((resumed.path / "checkpoints").glob("*_temp"))


def test_config_json_of_a_resumed_run_has_both_commands(killed, resumed):
    before, after = saved_config(killed)["commands"], saved_config(resumed.path)["commands"]
    assert len(before) == 1
    assert len(after) == 2
    assert after[0] == before[0]
    assert after[1].endswith(f"--outdir={resumed.path}")


def test_sigterm_saves_and_the_resumed_run_has_the_same_bits(
    call, python, tiny, tmp_path, whole, checkpoint, assert_same_bits
):
    argv = [*tiny, *SCHEDULE, f"--outdir={tmp_path}"]
    stopped = python("-c", STOPPED, 13, int(signal.SIGTERM), *argv)
    assert stopped.code == 128 + signal.SIGTERM == 143, stopped
    assert "stopping after this step; a second signal stops" in stopped.err
    assert "stopped by SIGTERM at step 13; run the same command to resume" in stopped.out
    assert "Traceback" not in stopped.err
    assert steps_saved(tmp_path) == [5, 10, 13]
    assert [line["step"] for line in records(tmp_path)] == [4, 5, 8, 10, 12, 13]
    assert not (tmp_path / "export").exists()

    done = call("train", *argv)
    assert done.code == 0, done
    assert "steps 13 to 24" in done.out
    expected = checkpoint(whole / "checkpoints" / "ckpt-24")
    assert_same_bits(checkpoint(tmp_path / "checkpoints" / "ckpt-24"), expected)
    steps = [line["step"] for line in records(tmp_path)]
    assert steps == [4, 5, 8, 10, 12, 13, 15, 16, 20, 24]


# Mirrored images.


def test_resumed_run_with_flip_has_the_same_bits(
    call, tiny_run, tmp_path, checkpoint, assert_same_bits
):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    for path, steps in ((whole, 6), (parts, 4), (parts, 6)):
        argv = (*tiny_run.argv, "--flip", f"--steps={steps}", f"--outdir={path}")
        assert call("train", *argv).code == 0
    ends = [checkpoint(p / "checkpoints" / "ckpt-6") for p in (whole, parts, tiny_run.path)]
    assert_same_bits(ends[1], ends[0])
    with pytest.raises(AssertionError):
        assert_same_bits(ends[2], ends[0])
    assert saved_config(whole)["options"]["flip"] is True
    assert saved_config(whole)["data"] == saved_config(tiny_run.path)["data"]
    assert (whole / "real.png").read_bytes() == (tiny_run.path / "real.png").read_bytes()


# Evaluation in training.

EVALUATION = (
    "--eval_every=4", "--eval_metrics=fd_digits,pixel_mean", "--eval_features=digits",
    "--eval_samples=20",
)  # fmt: skip


@pytest.fixture(scope="module")
def measured(call, tiny, folder, cache):
    """The uninterrupted run with evaluation: path and outcome."""
    done = call("train", *tiny, *SCHEDULE, *EVALUATION, f"--outdir={folder / 'measured'}")
    assert done.code == 0, done
    return types.SimpleNamespace(path=folder / "measured", outcome=done)


def measurements(path):
    """Return the lines of the log with metrics."""
    return [line for line in records(path) if any(name.startswith("metric_") for name in line)]


@pytest.mark.smoke
def test_eval_every_logs_metrics_with_their_step(measured):
    lines = measurements(measured.path)
    assert [line["step"] for line in lines] == [4, 8, 12, 16, 20, 24]
    for line in lines:
        assert set(line) == {
            "step", "epoch", "kimg", "seconds", "metric_fd_digits", "metric_pixel_mean",
        }  # fmt: skip
        assert line["epoch"] == pytest.approx(line["step"] / 12)
        assert line["kimg"] == pytest.approx(line["step"] * 16 / 1000)
        assert line["metric_fd_digits"] > 0
    assert len({line["metric_fd_digits"] for line in lines}) == 6
    seconds = [line["seconds"] for line in records(measured.path)]
    assert seconds == sorted(seconds)
    assert re.search(r"evaluation takes \d+\.\d s, every 4 steps\n", measured.outcome.out)
    told = re.findall(r"^step (\d+): fd_digits \S+  pixel_mean", measured.outcome.out, re.M)
    assert told == [str(line["step"]) for line in lines]


def test_eval_every_gives_the_values_of_evaluate(call, measured, cache):
    argv = ("--metrics=fd_digits,pixel_mean", "--features=digits", "--num_samples=20")
    assert call("evaluate", f"--run={measured.path}", *argv).code == 0
    metrics = json.loads((measured.path / "evaluation.json").read_text())["metrics"]
    last = measurements(measured.path)[-1]
    assert last["metric_fd_digits"] == pytest.approx(metrics["fd_digits"]["value"], rel=1e-5)
    assert last["metric_pixel_mean"] == pytest.approx(metrics["pixel_mean"]["value"])


def test_eval_every_changes_neither_weights_nor_other_log_lines(
    measured, whole, checkpoint, assert_same_bits
):
    for step in (15, 20, 24):
        name = f"checkpoints/ckpt-{step}"
        assert_same_bits(checkpoint(measured.path / name), checkpoint(whole / name))
    evaluated = measurements(measured.path)
    others = [line for line in records(measured.path) if line not in evaluated]
    assert [timeless(line) for line in others] == [timeless(line) for line in records(whole)]
    assert files(measured.path / "samples") == files(whole / "samples")


def test_tensorboard_and_curves_have_the_metrics(measured, monkeypatch):
    from tensorboard.backend.event_processing import event_accumulator

    from training import curves

    events = event_accumulator.EventAccumulator(str(measured.path))
    events.Reload()
    lines = measurements(measured.path)
    drawn = {}
    monkeypatch.setattr(
        curves.plotting,
        "save_curves",
        lambda path, panels, x_label: drawn.update({panel.title: panel for panel in panels}),
    )
    curves.draw_curves(RunDirectory(measured.path))
    panels = {"fd_digits": "distances of samples", "pixel_mean": "shares and scores"}
    for name, title in panels.items():
        assert set(drawn[title].series) == {name}
        steps, values = drawn[title].series[name]
        assert list(steps) == [line["step"] for line in lines]
        assert list(values) == [line[f"metric_{name}"] for line in lines]
        shown = tensors(events, f"metric_{name}", "scalars")
        assert list(shown) == list(steps)
        assert list(map(float, shown.values())) == pytest.approx(list(values))


def test_resumed_run_has_each_evaluation_once(call, tiny, tmp_path, monkeypatch, measured, cache):
    from training import callbacks

    class Killed(Exception):
        pass

    argv = (*tiny, *SCHEDULE, *EVALUATION, f"--outdir={tmp_path}")
    progress = callbacks.Progress.after_step

    def killed(callback, scalars):
        progress(callback, scalars)
        if callback.step == 13:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(callbacks.Progress, "after_step", killed)
        with pytest.raises(Killed):
            call("train", *argv)
    assert [line["step"] for line in measurements(tmp_path)] == [4, 8, 12]
    assert steps_saved(tmp_path) == [5, 10]

    done = call("train", *argv)
    assert done.code == 0, done
    lines, expected = (list(map(timeless, records(p))) for p in (tmp_path, measured.path))
    assert lines == expected


@pytest.mark.parametrize(
    ("metrics", "features", "message"),
    [
        ("fd_digit", "digits", "--eval_metrics: no such metric: fd_digit; did you mean fd_digits"),
        ("pixel_mean,fid", "digits",
         "--eval_metrics: fid requires eval_features=inception, got digits"),
        ("nmi", "digits", "--eval_metrics: nmi: GAN has no categorical code"),
        ("knn1_accuracy", "digits", "--eval_metrics: knn1_accuracy: GAN does not encode images"),
        ("conditional_accuracy", "digits", "--eval_metrics: conditional_accuracy: GAN is not"),
        ("precision", "absent.keras", "--eval_features: absent.keras: Keras cannot load the"),
        ("kd_digits", "digits",
         "--eval_metrics: kd_digits: needs at least 1,000 samples, there are 40 (eval_samples="),
    ],
)  # fmt: skip
def test_invalid_evaluation_ends_before_training(call, tiny, tmp_path, metrics, features, message):
    path = tmp_path / "run"
    evaluation = ("--eval_every=2", f"--eval_metrics={metrics}", f"--eval_features={features}")
    evaluation += ("--eval_samples=40",)
    done = call("train", *tiny, "--steps=4", *evaluation, f"--outdir={path}")
    assert done.refusal().startswith(message)
    assert not RunDirectory(path).records()
    assert not (path / "config.json").exists()
    assert not (path / "checkpoints").exists()


def interrupted(callbacks, step, number):
    """Return Log.after_step that also signals this process in a step."""
    after_step = callbacks.Log.after_step

    def interrupting(log, scalars):
        after_step(log, scalars)
        if log.step == step:
            os.kill(os.getpid(), number)

    return interrupting


def test_ctrl_c_saves_and_restores_the_signal_handlers(call, tiny, tmp_path, monkeypatch):
    from training import callbacks

    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    interrupting = interrupted(callbacks, 3, signal.SIGINT)
    monkeypatch.setattr(callbacks.Log, "after_step", interrupting)
    done = call("train", *tiny, "--steps=6", f"--outdir={tmp_path}")
    assert done.code == 130
    assert "stopped by SIGINT at step 3" in done.out
    assert steps_saved(tmp_path) == [3]
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == handlers


def test_finished_run_with_more_epochs_resumes(
    call, tiny, tmp_path, whole, checkpoint, assert_same_bits
):
    argv = [*tiny, *SCHEDULE[1:], f"--outdir={tmp_path}"]
    assert call("train", *argv, "--epochs=1").code == 0
    assert steps_saved(tmp_path) == [5, 10, 12]
    done = call("train", *argv, "--epochs=2")
    assert "steps 12 to 24" in done.out
    assert saved_config(tmp_path)["total_steps"] == 24
    expected = checkpoint(whole / "checkpoints" / "ckpt-24")
    assert_same_bits(checkpoint(tmp_path / "checkpoints" / "ckpt-24"), expected)
    expected = [timeless(line) for line in records(whole)]
    assert [timeless(line) for line in records(tmp_path)] == expected


def test_resumed_run_with_spectral_norm_and_n_critic_has_the_same_bits(
    call, digits, tmp_path, checkpoint, assert_same_bits
):
    networks = ("--model=dcgan", "--width=4", "--d_norm=spectral", "--batch_size=8", "--n_critic=2")
    argv = [*networks, f"--dataset={digits}"]
    ends = []
    for name, all_steps in (("at_once", [4]), ("in_two", [2, 4])):
        for steps in all_steps:
            done = call("train", *argv, f"--steps={steps}", f"--outdir={tmp_path / name}")
            assert done.code == 0, done
        ends.append(checkpoint(tmp_path / name / "checkpoints" / "ckpt-4"))
    assert_same_bits(*ends)


def test_finished_run_repeated_changes_no_weight(call, tiny, whole, tmp_path):
    path = pathlib.Path(shutil.copytree(whole, tmp_path / "again"))
    done = call("train", *tiny, *SCHEDULE, f"--outdir={path}")
    assert done.code == 0, done
    assert "steps 24 to 24" in done.out
    assert files(path / "checkpoints") == files(whole / "checkpoints")
    assert files(path / "samples") == files(whole / "samples")
    assert records(path) == records(whole)
    assert (path / "samples.png").read_bytes() == (whole / "samples.png").read_bytes()


def test_changed_images_are_invalid_and_leave_the_run_unchanged(call, tiny, tmp_path):
    x = np.random.default_rng(0).integers(0, 256, (40, 8, 8)).astype(np.uint8)
    path, outdir = tmp_path / "images.npz", tmp_path / "run"
    argv = [*tiny[:-1], f"--dataset={path}", "--steps=2", f"--outdir={outdir}"]
    np.savez(path, x_train=x)
    assert call("train", *argv, "--steps=1").code == 0
    before = files(outdir)
    np.savez(path, x_train=np.where(np.arange(40)[:, None, None] == 39, x ^ 1, x))
    refusal = call("train", *argv).refusal()
    assert refusal == f"--dataset: its images differ from those that {outdir} was trained on"
    assert files(outdir) == before
    np.savez(path, x_train=x)
    assert call("train", *argv).code == 0
    assert steps_saved(outdir) == [1, 2]


def truncate(file):
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def test_damaged_checkpoint_is_skipped_and_the_end_has_the_same_bits(
    call, tiny, killed, tmp_path, whole, checkpoint, assert_same_bits
):
    path = pathlib.Path(shutil.copytree(killed, tmp_path / "run"))
    truncate(path / "checkpoints" / "ckpt-10.data-00000-of-00001")
    done = call("train", *tiny, *SCHEDULE, f"--outdir={path}")
    assert done.code == 0, done
    assert "steps 5 to 24" in done.out
    assert re.fullmatch(r"warning: \S+/ckpt-10 is damaged .*\n", done.err)
    expected = checkpoint(whole / "checkpoints" / "ckpt-24")
    assert_same_bits(checkpoint(path / "checkpoints" / "ckpt-24"), expected)
    expected = [timeless(line) for line in records(whole)]
    assert [timeless(line) for line in records(path)] == expected


@pytest.mark.parametrize("damage", ["truncated data", "missing index"])
def test_run_with_damaged_checkpoints_only_is_not_restarted(call, tiny, killed, tmp_path, damage):
    path = pathlib.Path(shutil.copytree(killed, tmp_path / "run"))
    for step in (5, 10):
        if damage == "missing index":
            (path / "checkpoints" / f"ckpt-{step}.index").unlink()
        else:
            truncate(path / "checkpoints" / f"ckpt-{step}.data-00000-of-00001")
    before = records(path)
    done = call("train", *tiny, *SCHEDULE, f"--outdir={path}")
    assert done.code == 2, done
    assert "no checkpoint can be read" in done.err.splitlines()[-1]
    assert done.err.splitlines()[-1].startswith("error: ")
    assert records(path) == before


def test_log_without_checkpoints_is_not_overwritten(call, tiny, whole, tmp_path):
    path = pathlib.Path(shutil.copytree(whole, tmp_path / "run"))
    shutil.rmtree(path / "checkpoints")
    before = files(path)
    refusal = call("train", *tiny, *SCHEDULE, f"--outdir={path}").refusal()
    assert refusal == (
        f"{path}: has a log, but its checkpoints are missing; move it away, or set another outdir"
    )
    assert files(path) == before


def test_steps_below_the_last_checkpoint_are_invalid_and_leave_the_run_unchanged(
    call, tiny, copied_run
):
    before = files(copied_run)
    argv = (*tiny, "--seed=5", "--g_learning_rate=1e-3", f"--outdir={copied_run}")
    refusal = call("train", *argv, "--steps=5").refusal()
    assert refusal == f"{copied_run}: at step 6, beyond the last step 5; increase steps or epochs"
    assert files(copied_run) == before


# Invalid command lines, which end before TensorFlow is imported: name -> flags, message.

INVALID = {
    "no model": ([], r"--model: expected one of .*\bgan\b.*\bdcgan\b"),
    "unknown model": (["--model=dcgn"], r"--model: no such model: dcgn; did you mean .*\bdcgan\b"),
    "model like no other": (["--model=0"], r"--model: no such model: 0; there are .*gan"),
    "unknown flag": (["--batchsize=3"], "--batchsize: no such flag; did you mean --batch_size"),
    "flag like no other": (["--zzz=1"], "--zzz: no such flag$"),
    "flag of another model": (["--clip=0.1"], "--clip: not a flag of gan, only of wgan$"),
    "below the range": (["--batch_size=0"], "--batch_size: expected an integer >= 1, got 0$"),
    "at an open end": (["--beta_1=1"], r"--beta_1: expected a number >= 0 and < 1, got 1.0$"),
    "above the range": (["--seed=2147483648"], "--seed: expected .* <= 2147483647, got 2147483648"),
    "below zero, apart": (
        ["--seed", "-1"],
        "--seed: expected an integer >= 0 and <= 2147483647, got -1$",
    ),
    "no number": (["--batch_size=many"], "--batch_size: expected an integer >= 1, got many$"),
    "no whole number": (["--batch_size=2.5"], "--batch_size: expected an integer >= 1, got 2.5$"),
    "empty": (["--batch_size="], "--batch_size: expected an integer >= 1, got$"),
    "not a number": (
        ["--g_learning_rate=nan"],
        "--g_learning_rate: expected a number > 0, got nan$",
    ),
    "infinite": (["--g_learning_rate=inf"], "--g_learning_rate: expected a number > 0, got inf$"),
    "not among choices": (["--jit=maybe"], "--jit: expected one of auto, on, off, got maybe$"),
    "not among the model's": (
        ["--prior=cauchy"],
        "--prior: expected one of normal, uniform, got cauchy$",
    ),
    "positional": (["extra"], "extra: not a flag; flags are --name=value"),
    "no value": (["--dataset"], "--dataset"),
    "missing flagfile": (["--flagfile={missing}"], "flagfile: .*{missing}"),
    "no flagfile": (["--flagfile"], "--flagfile"),
    "typo in a flagfile": (["--flagfile={typo}"], "--batchsize: no such flag; did you mean"),
    "flagfile of no text": (["--flagfile={binary}"], "."),
    "empty folder": (["--dataset={empty}"], "--dataset: {empty}: no PNG or JPEG files found$"),
    "missing folder": (["--dataset={missing}"], "--dataset: {missing}: no such folder or file$"),
    "missing npz": (["--dataset={missing}.npz"], "--dataset: {missing}.npz: no such file$"),
    "neither folder nor npz": (
        ["--dataset={file}"],
        "--dataset: {file}: expected a folder of images or an .npz file$",
    ),
    "no data set": (
        ["--dataset="],
        "--dataset: expected a name such as MNIST, or a path, got an empty string$",
    ),
    "outdir below a file": (["--outdir={file}/run"], "--outdir: {file}/run: cannot be written"),
    "outdir is a file": (["--outdir={file}"], "--outdir: {file}: cannot be written"),
    "outdir held": (["--outdir={held}"], "--outdir: {held}: another process trains in it"),
    "resume must": (
        ["--resume=must", "--outdir={new}"],
        "--resume: resume=must requires a checkpoint, {new}",
    ),
    "resume never": (
        ["--resume=never", "--outdir={run}"],
        "--resume: resume=never requires a new directory, {run}",
    ),
    "other seed and width": (
        ["{run_flags}", "--seed=6", "--width=9"],
        "{run} was started with .*: (?=.*seed was 5, is 6)(?=.*width was 8, is 9)",
    ),
    "other images": (
        ["{run_flags}", "--flip"],
        "{run} was started with another configuration: .*flip was False, is True",
    ),
    "no way with gray images": (
        ["--gray=drop"],
        "--gray: expected one of convert, skip, got drop$",
    ),
    "other data": (
        ["{run_flags}", "--dataset=MNIST"],
        "{run} was started with another configuration: dataset was .*digits.npz, is MNIST",
    ),
    "other model": (
        ["--model=dcgan", "--outdir={run}"],
        "{run} was started with another configuration: .*model was gan, is dcgan",
    ),
    "run of another version": (["--outdir={other}"], "config.json.*an_option_of_old"),
    "run without config.json": (["--outdir={bare}"], "{bare}.*config.json"),
    "run with a damaged config.json": (["--outdir={damaged}"], "{damaged}.*cannot be read"),
    "help for an unknown model": (["--model=dcgn", "--help"], "--model: no such model: dcgn"),
}

# Valid command lines, which proceed to import TensorFlow.
VALID = {
    "a model": ["--model=gan", "--outdir={new}"],
    "capitals": ["--model=DCGAN", "--dataset=mnist", "--outdir={new}"],
    "words apart": ["--model", "gan", "--width", "8", "--outdir", "{new}"],
    "the model after its flags": ["--width", "8", "--model", "gan", "--outdir", "{new}"],
    "a flagfile": ["--flagfile={flagfile}", "--outdir={new}"],
    "a flagfile after other flags": ["--width", "8", "--flagfile={flagfile}", "--outdir={new}"],
    "resume never of nothing": ["--model=gan", "--resume=never", "--outdir={new}"],
    "resume must of a run": ["{run_flags}", "--resume=must"],
    "what may change": [
        "{run_flags}", "--epochs=9", "--steps=99", "--log_every=7", "--sample_every=1",
        "--keep_checkpoints=9", "--checkpoint_every=1", "--jit=off", "--data_dir=elsewhere",
    ],
}  # fmt: skip

HELP = {
    "help": ["--help"],
    "short help": ["-h"],
    "help for a model": ["--model=dcgan", "--help"],
    "help for a model, first": ["--help", "--model", "dcgan"],
    "help for the model of a flagfile": ["--flagfile={flagfile}", "--help"],
    "help after a model's flags": ["--kernel_size", "6", "--model=dcgan", "--help"],
}


@pytest.fixture(scope="module")
def places(tiny_run, tmp_path_factory):
    """The words in braces of the command lines above."""
    base = tmp_path_factory.mktemp("places")
    texts = {"file": "text", "flagfile": "# ok\n--model=gan\n", "typo": "--batchsize=3\n"}
    for name, text in texts.items():
        (base / name).write_text(text)
    (base / "binary").write_bytes(b"\xff\xfe\x00--model=gan")
    (base / "empty").mkdir()
    for name in ("run", "bare", "damaged", "other"):
        shutil.copytree(tiny_run.path, base / name)
    (base / "bare" / "config.json").unlink()
    (base / "damaged" / "config.json").write_text('{"options": ')
    saved = saved_config(tiny_run.path)
    saved["options"]["an_option_of_old"] = 1
    (base / "other" / "config.json").write_text(json.dumps(saved))
    names = [*texts, "binary", "empty", "run", "bare", "damaged", "other", "held", "missing", "new"]
    run_flags = [*tiny_run.argv[:-1], f"--outdir={base / 'run'}"]
    return {name: str(base / name) for name in names} | {"run_flags": run_flags}


def filled(argv, places):
    """A command line with its words in braces replaced."""
    words = []
    for word in argv:
        words += places["run_flags"] if word == "{run_flags}" else [word.format(**places)]
    return words


@pytest.fixture(scope="module")
def answers(without_tensorflow, places, tmp_path_factory):
    """Return the outcomes of the command lines above without TensorFlow, by name."""
    lines = {}
    for name, (argv, _) in INVALID.items():
        without_model = {"no model", "unknown model", "model like no other", "other model"}
        model = [] if name in without_model or "{run_flags}" in argv else ["--model=gan"]
        lines[name] = [*model, *argv]
    lines |= VALID | HELP
    lines = {name: filled(argv, places) for name, argv in lines.items()}
    elsewhere = tmp_path_factory.mktemp("cwd")
    with RunDirectory(places["held"]):
        outcomes = without_tensorflow("train", list(lines.values()), elsewhere)
    return dict(zip(lines, outcomes, strict=True))


@pytest.mark.parametrize("name", INVALID)
def test_invalid_command_ends_in_one_line_before_tensorflow_is_imported(answers, places, name):
    quoted = {k: re.escape(str(v)) for k, v in places.items()}
    pattern = re.sub(r"\{(\w+)\}", lambda match: quoted[match[1]], INVALID[name][1])
    assert re.search(pattern, answers[name].refusal())
    assert answers[name].out == ""


@pytest.mark.parametrize("name", VALID)
def test_valid_command_proceeds_to_import_tensorflow(answers, name):
    assert re.search(r"ImportError.* was imported", str(answers[name].code)), answers[name]


@pytest.mark.parametrize("name", HELP)
def test_help_leaves_tensorflow_unimported(answers, name):
    assert answers[name].code == 0, answers[name]
    assert answers[name].err == ""
    assert answers[name].out.startswith("usage: python train.py --model NAME")


def test_help_lists_run_options_by_group_with_defaults(answers):
    text = answers["help"].out
    assert answers["short help"].out == text
    for group in ("run", "data", "training", "outputs", "speed"):
        assert f"\n{group}:\n" in text
    for spec in dataclasses.fields(options.RunOptions):
        shown = f"\n  --{spec.name}" + ("" if spec.default in (None, "") else f"  [{spec.default}]")
        assert text.count(shown + "\n") == 1, shown
    assert "--kernel_size" not in text
    assert "--model" in text.splitlines()[-1]


@pytest.mark.parametrize(
    "name", ["help for a model", "help for a model, first", "help after a model's flags"]
)
def test_help_for_a_model_lists_its_hyperparameters(answers, name):
    text = answers[name].out
    for group in ("run", "latents", "loss", "optimisation", "networks"):
        assert f"\n{group}:\n" in text
    assert "\n  --kernel_size  (dcgan: 4)\n" in text
    assert "\n  --beta_1  (adam: 0.5)\n" in text
    assert "\n  --clip" not in text
    assert text.splitlines()[-1] not in answers["help"].out


def test_help_for_a_flagfile_lists_hyperparameters_of_its_model(answers):
    assert "\n  --depth  (mlp: 3)\n" in answers["help for the model of a flagfile"].out


def test_invalid_command_ends_its_process_with_code_2(python):
    refusal = python("train.py", "--model=dcgn").refusal()
    assert refusal.startswith("--model: no such model: dcgn; did you mean")


# Invalid for the data.


def test_batch_size_above_the_training_images_is_invalid(call, tiny, tmp_path):
    refusal = call("train", *tiny, "--batch_size=201", f"--outdir={tmp_path / 'a'}").refusal()
    assert refusal.startswith("--batch_size: 201 exceeds the 200 training images")
    argv = ("--batch_size=101", "--n_critic=2", f"--outdir={tmp_path / 'b'}")
    assert "--batch_size: 101 x n_critic=2" in call("train", *tiny, *argv).refusal()


def test_gray_skip_of_a_file_is_invalid(call, tiny, digits, tmp_path):
    refusal = call("train", *tiny, "--gray=skip", f"--outdir={tmp_path}").refusal()
    assert refusal == (
        f"--gray: skip requires a folder of images, and dataset={digits} is not one; "
        "set gray=convert"
    )


def test_image_size_that_the_networks_do_not_support_is_invalid(call, digits, tmp_path):
    argv = ("--model=dcgan", f"--dataset={digits}", "--image_size=30", f"--outdir={tmp_path}")
    message = (
        "--image_size: expected square images with a side of 28, 32, 64 or 128 pixels (4 or 7 "
        "times a power of two from 4 to 64), got 30x30"
    )
    assert call("train", *argv).refusal() == message
    np.savez(tmp_path / "odd.npz", x_train=np.zeros((9, 30, 30), np.uint8))
    argv = ("--model=dcgan", f"--dataset={tmp_path / 'odd.npz'}", f"--outdir={tmp_path / 'run'}")
    assert call("train", *argv, "--batch_size=3").refusal() == message


def test_unknown_data_set_is_invalid_with_a_suggestion(call, tmp_path):
    refusal = call("train", "--model=gan", "--dataset=CIFR10", f"--outdir={tmp_path}").refusal()
    assert refusal.startswith("--dataset: CIFR10: ")
    assert "did you mean CIFAR10" in refusal


def online() -> bool:
    """Return whether hosts can be reached, within some seconds."""
    connected = []

    def connect():
        with contextlib.suppress(OSError):
            socket.create_connection(("storage.googleapis.com", 443), timeout=3).close()
            connected.append(True)

    probe = threading.Thread(target=connect, daemon=True)
    probe.start()
    probe.join(3)
    return bool(connected)


def test_unprepared_data_set_without_a_network_ends_within_seconds(call, tmp_path, monkeypatch):
    if online():
        pytest.skip("there is a network: the set would be downloaded")
    import tensorflow_datasets

    tensorflow_datasets.list_builders(with_community_datasets=False)
    for name in ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.delenv("TFDS_DATA_DIR", raising=False)
    argv = ("--model=gan", "--dataset=svhn_cropped", f"--data_dir={tmp_path / 'tfds'}")
    start = time.monotonic()
    refusal = call("train", *argv, f"--outdir={tmp_path / 'run'}").refusal()
    assert time.monotonic() - start < 10
    assert "--dataset: svhn_cropped: not prepared" in refusal
    assert "TFDS_DATA_DIR" in refusal


# A notebook.

CELLS = """
import sys
from IPython.core.interactiveshell import InteractiveShell

shell = InteractiveShell.instance()
for cell in sys.argv[1:]:
    print("cell:", cell, flush=True)
    shell.run_cell(cell)
"""


@pytest.mark.smoke
def test_train_in_a_notebook_runs_repeatedly(python, tiny, tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    base = f"%run train.py {shlex.join(tiny)}"
    done = python(
        "-c",
        CELLS,
        f"{base} --steps 2 --seed 3 --width 9 --outdir {first}",
        f"{base} --steps 1 --beta_1 0.25 --outdir {second}",
        "%run train.py --model dcgn",
        "print('the answer is', 6 * 7)",
        f"{base} --steps 3 --seed 3 --width 9 --outdir {first}",
        IPYTHONDIR=str(tmp_path / "ipython"),
    )
    assert done.code == 0, done
    assert "DuplicateFlagError" not in done.out + done.err
    assert "Traceback (most recent call last)" not in done.out + done.err
    assert done.err.count("error: --model: no such model: dcgn") == 1
    assert "the answer is 42" in done.out
    assert steps_saved(first) == [2, 3]
    assert steps_saved(second) == [1]
    was, now = saved_config(first), saved_config(second)
    assert (was["options"]["seed"], now["options"]["seed"]) == (3, 0)
    assert (was["options"]["steps"], now["options"]["steps"]) == (3, 1)
    assert (was["hyperparameters"]["width"], now["hyperparameters"]["width"]) == (9, 8)
    assert (was["hyperparameters"]["beta_1"], now["hyperparameters"]["beta_1"]) == (0.5, 0.25)


# The line of progress.

PROGRESS = (
    r"step 6/6  epoch 1  d_loss \d+\.\d{3}  g_loss \d+\.\d{3}  [\d,]+ images/s  \d\d:\d\d:\d\d left"
)


def test_progress_in_a_file_has_plain_lines(tiny_run):
    assert "\r" not in tiny_run.outcome.out
    lines = [line for line in tiny_run.outcome.out.splitlines() if line.startswith("step ")]
    assert re.fullmatch(PROGRESS, lines[-1])


def test_progress_at_a_terminal_rewrites_its_line(tiny, tmp_path, monkeypatch):
    import train

    master, slave = pty.openpty()
    shown = []

    def read():
        while True:
            try:
                shown.append(os.read(master, 4096))
            except OSError:  # so Linux says that the other side was closed
                return

    reader = threading.Thread(target=read)
    reader.start()
    with os.fdopen(slave, "w") as terminal, monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", terminal)
        code = flags.run_script(train.main, [*tiny, "--steps=6", f"--outdir={tmp_path}"])
    reader.join(10)
    os.close(master)
    text = b"".join(shown).decode().replace("\r\n", "\n")
    assert code == 0
    rewritten = text.split("\r")[1:]
    assert rewritten
    line, rest = rewritten[-1].split("\n", 1)
    assert re.fullmatch(PROGRESS, line.rstrip())
    assert rest.startswith("done: ")


# A run that diverges.


def test_diverging_run_ends_in_one_line_with_code_1(call, tiny, tmp_path):
    done = call("train", *tiny, "--d_learning_rate=1e30", "--steps=6", f"--outdir={tmp_path}")
    assert done.code == 1, done
    assert re.fullmatch(r"error: step 1: \w+ is (nan|inf|-inf); .*\n", done.err)
    assert steps_saved(tmp_path) == []
    assert not (tmp_path / "export").exists()


@contextlib.contextmanager
def no_numbers_from(step):
    """Set the weights of generators to NaN from the end of a training step on."""
    import tensorflow as tf

    from models.adversarial import AdversarialModel

    after_update = AdversarialModel.after_generator_update

    def poison(model, terms, batch):
        for weight in model.generator.trainable_variables:
            weight.assign(weight.value + tf.where(model.step >= step - 1, math.nan, 0.0))
        return after_update(model, terms, batch)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(AdversarialModel, "after_generator_update", poison)
        yield


def test_diverged_run_keeps_its_checkpoints_and_resumes_from_them(
    call, tiny, tmp_path, whole, checkpoint, assert_same_bits
):
    argv = [*tiny, *SCHEDULE, f"--outdir={tmp_path}"]
    with no_numbers_from(13):
        done = call("train", *argv)
    assert done.code == 1, done
    assert re.fullmatch(r"error: step 14: \w+ is nan; .*\n", done.err)
    assert steps_saved(tmp_path) == [5, 10]
    assert not (tmp_path / "export").exists()
    *lines, last = records(tmp_path)
    assert all(math.isfinite(value) for line in lines for value in line.values())
    assert last["step"] == 14
    assert math.isnan(last["d_loss"])

    assert call("train", *argv).code == 0
    expected = checkpoint(whole / "checkpoints" / "ckpt-24")
    assert_same_bits(checkpoint(tmp_path / "checkpoints" / "ckpt-24"), expected)
    expected = [timeless(line) for line in records(whole)]
    assert [timeless(line) for line in records(tmp_path)] == expected


@pytest.mark.parametrize("due", ["--sample_every=4", "--checkpoint_every=4", "--steps=4"])
def test_nan_weights_are_neither_drawn_nor_saved(call, tiny, tmp_path, due):
    # The losses of step 4 are finite: they are those of the weights before its update.
    with no_numbers_from(4):
        done = call("train", *tiny, "--steps=6", due, f"--outdir={tmp_path}")
    assert done.code == 1, done
    assert re.fullmatch(r"error: step 4: .*\n", done.err)
    assert steps_saved(tmp_path) == []
    assert [path.name for path in (tmp_path / "samples").iterdir()] == ["step-0000000.png"]
    assert not (tmp_path / "export").exists()


def test_sample_grid_of_a_class_conditional_model_has_one_class_per_row(told_run, cells):
    from training.loading import load_run

    model = load_run(told_run.path)[2]
    sheet = np.asarray(Image.open(told_run.path / "samples.png"))[..., None]
    shown = cells(sheet, columns=10)
    noise = model.latents.draw(10, 0)["noise"]
    for row, label in enumerate(np.eye(10, dtype=np.float32)):
        latents = {"noise": noise, "label": np.repeat(label[None], 10, axis=0)}
        expected = plotting.to_uint8(model.generate(latents)).astype(int)
        assert abs(shown[row] - expected).max() <= 1


def test_sample_planes_draws_planes_with_the_sample_grids(told_run, tiny_run):
    names = [f"span-{span}-step-{step:07}.png" for span in (1, 3) for step in (0, 4, 6)]
    assert sorted(path.name for path in (told_run.path / "planes").iterdir()) == names
    for span in (1, 3):
        last = told_run.path / "planes" / f"span-{span}-step-0000006.png"
        assert (told_run.path / f"plane-{span}.png").read_bytes() == last.read_bytes()
    assert not (tiny_run.path / "planes").exists()


def test_class_conditional_model_without_labels_is_invalid(call, tmp_path):
    np.savez(tmp_path / "plain.npz", x_train=np.zeros((9, 28, 28), np.uint8))
    argv = ("--model=cgan", f"--dataset={tmp_path / 'plain.npz'}", "--batch_size=3")
    refusal = call("train", *argv, f"--outdir={tmp_path / 'run'}").refusal()
    assert refusal == "--dataset: CGAN requires images with labels"
    assert not (tmp_path / "run").exists()


# Models with an encoder.


def test_run_of_a_model_with_an_encoder_draws_and_measures_reconstructions(call, digits, tmp_path):
    path = tmp_path / "run"
    networks = ("--model=bigan", "--network=mlp", "--width=8", "--depth=1", "--joint_units=8")
    every = ("--sample_every=2", "--checkpoint_every=2", "--log_every=2", "--eval_every=4")
    metrics = "--eval_metrics=knn1_accuracy,reconstruction_error"
    argv = (
        *networks,
        f"--dataset={digits}",
        "--batch_size=16",
        *every,
        metrics,
        "--eval_samples=5",
    )
    done = call("train", *argv, "--steps=4", f"--outdir={path}")
    assert done.code == 0, done
    folder = path / "reconstructions"
    assert sorted(p.name for p in folder.iterdir()) == [f"step-{s:07}.png" for s in (0, 2, 4)]
    last = (folder / "step-0000004.png").read_bytes()
    assert (path / "reconstructions.png").read_bytes() == last
    measured = [record for record in records(path) if "metric_knn1_accuracy" in record][-1]
    assert 0 <= measured["metric_knn1_accuracy"] <= 1
    assert measured["metric_reconstruction_error"] > 0

    (folder / "step-0000005.png").write_bytes(last)  # of a training that was killed
    assert call("train", *argv, "--steps=6", f"--outdir={path}").code == 0
    assert sorted(p.name for p in folder.iterdir()) == [f"step-{s:07}.png" for s in (0, 2, 4, 6)]


# Models with codes.


def test_finished_run_of_a_model_with_codes_has_traversals(coded_run, tiny_run, cells):
    import imageio.v3 as iio

    from training.loading import load_run

    folder = coded_run.path / "traversals"
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        f"code-{code}-span-{span}.{kind}"
        for code in (0, 1) for span in (1, 2) for kind in ("gif", "png")
    )  # fmt: skip
    assert not (tiny_run.path / "traversals").exists()
    model = load_run(coded_run.path)[2]
    drawn = model.latents.draw(10, 0)
    continuous = drawn["continuous"].numpy()
    continuous[:, 1] = 2.0
    categories = np.eye(4, dtype=np.float32).repeat(10, axis=0)
    latents = {
        "noise": np.tile(drawn["noise"], (4, 1)),
        "category_0": categories,
        "continuous": np.tile(continuous, (4, 1)),
    }
    last = iio.imread(folder / "code-1-span-2.gif", mode="L")[10]
    expected = plotting.to_uint8(model.generate(latents)).reshape(4, 10, 28, 28, 1).astype(int)
    assert abs(cells(last[..., None], columns=10) - expected).max() <= 1


def test_log_of_a_model_with_codes_has_mutual_information(coded_run):
    names = {"information_category_0", "information_continuous_0", "information_continuous_1"}
    for record in records(coded_run.path):
        assert names < set(record)
        assert record["information_category_0"] <= math.log(4)


def test_sample_grid_of_a_model_with_codes_has_one_category_per_row(coded_run, cells):
    from training.loading import load_run

    model = load_run(coded_run.path)[2]
    sheet = np.asarray(Image.open(coded_run.path / "samples.png"))[..., None]
    latents, columns = model.picture_latents()
    assert columns == 10
    expected = plotting.to_uint8(model.generate(latents)).reshape(4, 10, 28, 28, 1).astype(int)
    assert abs(cells(sheet, columns=10) - expected).max() <= 1


@pytest.mark.parametrize(("share", "known"), [("0", 0), ("0.25", 50), ("1", 200)])
def test_supervised_fraction_limits_the_labels_of_the_model(
    call, digits, tmp_path, monkeypatch, share, known
):
    from training import loop

    made = []

    def batches(*args, **how):
        made.append(Batches(*args, **how))
        raise UserError("made")

    Batches = loop.Batches
    monkeypatch.setattr(loop, "Batches", batches)
    argv = ("--model=infogan", f"--dataset={digits}", "--batch_size=20", f"--outdir={tmp_path}")
    assert call("train", *argv, f"--supervised_fraction={share}").refusal() == "made"
    assert (made[0].split.labels >= 0).sum() == known


def test_supervised_fraction_with_more_classes_than_categories_is_invalid(call, digits, tmp_path):
    argv = ("--model=infogan", f"--dataset={digits}", "--network=mlp", "--batch_size=20")
    told = ("--supervised_fraction=0.5", "--categorical_codes=9", f"--outdir={tmp_path / 'run'}")
    assert call("train", *argv, *told).refusal() == (
        "--supervised_fraction: requires images with labels of at most 9 classes (the size of the "
        "first of categorical_codes), there are 10"
    )
    assert not (tmp_path / "run").exists()
