"""The files of a finished run, and its terminal output."""

import dataclasses
import io
import itertools
import json
import math
import os
import pty
import re
import shlex
import sys
import threading

import numpy as np
import pytest

import plotting
from cli import flags
from tests.train.cases import (
    events_in,
    pixels,
    records,
    saved_config,
    steps_saved,
    tensors,
)
from training import options


@pytest.fixture(scope="module")
def tiny_model(tiny_run):
    """The model of the tiny run, restored."""
    from training.loading import load_run

    return load_run(tiny_run.path)[2]


@pytest.mark.smoke
def test_finished_run_has_its_files(tiny_run):
    found = {path.name for path in tiny_run.path.iterdir()}
    events = {name for name in found if name.startswith("events.out.tfevents.")}
    assert len(events) == 1
    assert found - events == {
        ".lock", "checkpoints", "config.json", "curves.png", "export", "metrics.jsonl",
        "progress.gif", "real.png", "samples", "samples.png", "status.json",
    }  # fmt: skip


def test_config_json_records_options_data_machine_and_command(tiny_run, digits):
    import keras
    import tensorflow as tf

    import data

    saved = saved_config(tiny_run.path)
    config = options.parse(tiny_run.argv)
    assert list(saved) == [
        "commands", "options", "hyperparameters", "given", "data", "total_steps", "environment",
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
        "classes": data.load(str(digits)).class_counts(),
        "rules": 2,
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
def test_log_has_lines_every_log_every_steps(tiny_run):
    lines = records(tiny_run.path)
    assert [line["step"] for line in lines] == [3, 6]
    assert [line["epoch"] for line in lines] == pytest.approx([3 / 12, 6 / 12])
    assert [line["kimg"] for line in lines] == pytest.approx([0.048, 0.096])
    assert all(math.isfinite(value) for line in lines for value in line.values())


def test_work_of_a_training_has_notes(tiny_run):
    start = tiny_run.works.index("building the model")
    assert tiny_run.works[start:] == [
        "building the model",
        "restoring TensorBoard's summaries",
        "drawing the pictures of step 0",
        "first step",
        "writing the checkpoint of step 2",
        "drawing the pictures of step 4",
        "writing the checkpoint of step 4",
        "drawing the pictures of step 6",
        "writing the checkpoint of step 6",
        "drawing pictures and films",
        "exporting the generator",
    ]


def test_log_line_is_the_mean_over_the_steps_since_the_last(tiny_run):
    assert len(tiny_run.scalars) == 6
    windows = [(0, 3), (3, 6)]
    for line, (start, stop) in zip(records(tiny_run.path), windows, strict=True):
        window = tiny_run.scalars[start:stop]
        for name in window[0]:
            mean = sum(float(step[name]) for step in window) / len(window)
            assert line[name] == pytest.approx(mean, rel=1e-6), name
    losses = [step["d_loss"] for step in tiny_run.scalars]
    assert len(set(map(float, losses))) == 6


def test_records_and_weights_equal_those_of_a_fit_on_the_same_batches(tiny_run, tiny_model):
    from data import Batches
    from training import loading

    config = options.parse(tiny_run.argv)
    loading.prepare(config)
    images = config.load_data()
    batches = Batches(images.train, config.hp.batch_size, seed=config.options.seed)
    model = loading.build_model(config, images.image_shape, images.num_classes)
    model.before_training(200, 6 * batches.images_per_step)
    model.compile()
    history = model.fit(
        batches.dataset().take(6), steps_per_epoch=3, epochs=2, shuffle=False, verbose=0
    ).history
    assert {"d_loss", "g_loss", "generator_gradient_norm"} <= history.keys()
    lines = records(tiny_run.path)
    for name, means in history.items():
        assert [line[name] for line in lines] == pytest.approx(means, rel=1e-6), name
    for found, expected in zip(model.weights, tiny_model.weights, strict=True):
        np.testing.assert_array_equal(found, expected, err_msg=found.path)


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
    return events_in(tiny_run.path)


def picture_of(tensor):
    """The picture uint8 [H, W, c] in an image summary: width, height, PNG file."""
    _, _, png = tensor.tolist()
    return pixels(io.BytesIO(png))


def test_tensorboard_has_the_scalars_of_the_log(tiny_run, events):
    lines = records(tiny_run.path)
    names = set(lines[0]) - {"step"}
    tags = {
        **{f"loss/{name}": name for name in names if name.startswith(("d_loss", "g_loss"))},
        **{f"accuracy/{name}": name for name in names if name.startswith("d_accuracy_")},
        **{
            f"{folder}/{player}": f"{player}_{folder}"
            for folder in ("gradient_norm", "learning_rate")
            for player in ("discriminator", "generator")
        },
        **{f"progress/{n}": n for n in ("epoch", "kimg", "seconds", "images_per_second")},
    }
    assert sorted(tags.values()) == sorted(names)
    for tag, name in tags.items():
        shown = tensors(events, tag, "scalars")
        assert list(shown) == [line["step"] for line in lines]
        expected = [np.float32(line[name]) for line in lines]
        np.testing.assert_array_equal(list(map(float, shown.values())), expected, name)


def test_tensorboard_has_the_pictures_and_the_configuration(tiny_run, events):
    samples = tensors(events, "Samples/generated", "images")
    assert list(samples) == [0, 4, 6]
    for step, tensor in samples.items():
        file = tiny_run.path / "samples" / f"step-{step:07}.png"
        np.testing.assert_array_equal(picture_of(tensor), pixels(file))
    real = tensors(events, "Samples/real", "images")
    curves = tensors(events, "progress/curves", "images")
    np.testing.assert_array_equal(picture_of(real[0]), pixels(tiny_run.path / "real.png"))
    drawn = pixels(tiny_run.path / "curves.png")
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


@pytest.mark.slow
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


def test_terminal_output_begins_with_device_model_data_and_run(tiny_run):
    device, classes, first, *_, last = tiny_run.outcome.out.splitlines()
    assert re.fullmatch(r"device: .+, XLA off, float32", device)
    counts = ", ".join(f"{k} (20)" for k in range(10))
    assert classes == f"digits: 10 classes: {counts}"
    assert re.fullmatch(
        r"gan on digits: 200 images 28x28x1, [\d,]+ weights, steps 0 to 6 \(12 per epoch\), "
        rf"writing to {re.escape(str(tiny_run.path))}",
        first,
    )
    assert last.startswith("done: samples.png")
    assert tiny_run.outcome.err == ""


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
            except OSError:  # on Linux: the other end is closed
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


@pytest.mark.slow
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
