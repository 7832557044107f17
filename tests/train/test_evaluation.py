"""Metrics measured during a training."""

import json
import re

import pytest

from evaluation import runner
from metrics.measurement import Measurement
from storage.run_directory import RunDirectory
from tests.train.cases import (
    EVALUATION,
    SCHEDULE,
    events_in,
    files,
    measurements,
    records,
    steps_saved,
    tensors,
    timeless,
)


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


def test_eval_every_logs_the_values_of_evaluate(call, measured, cache):
    argv = ("--metrics=fd_digits,pixel_mean", "--features=digits", "--num_samples=20")
    assert call("evaluate", f"--run={measured.path}", *argv).code == 0
    metrics = json.loads((measured.path / "evaluation.json").read_text())["metrics"]
    last = measurements(measured.path)[-1]
    assert last["metric_fd_digits"] == pytest.approx(metrics["fd_digits"]["value"], rel=1e-5)
    assert last["metric_pixel_mean"] == pytest.approx(metrics["pixel_mean"]["value"])


@pytest.mark.slow
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
    from training import curves

    events = events_in(measured.path)
    lines = measurements(measured.path)
    drawn = {}
    monkeypatch.setattr(
        curves.plotting,
        "save_curves",
        lambda path, panels, *_: drawn.update({panel.title: panel for panel in panels}),
    )
    curves.draw_curves(RunDirectory(measured.path))
    panels = {"fd_digits": "distances of samples", "pixel_mean": "shares and scores"}
    for name, title in panels.items():
        assert set(drawn[title].series) == {name}
        steps, values = drawn[title].series[name]
        assert list(steps) == [line["step"] for line in lines]
        assert list(values) == [line[f"metric_{name}"] for line in lines]
        shown = tensors(events, f"metric/{name}", "scalars")
        assert list(shown) == list(steps)
        assert list(map(float, shown.values())) == pytest.approx(list(values))


@pytest.mark.slow
def test_resumed_run_has_each_evaluation_once(call, tiny, tmp_path, monkeypatch, measured, cache):
    from training.progress import Progress

    class Killed(Exception):
        pass

    argv = (*tiny, *SCHEDULE, *EVALUATION, f"--outdir={tmp_path}")
    progress = Progress.after_step

    def killed(callback):
        progress(callback)
        if callback.step == 13:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(Progress, "after_step", killed)
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


def test_metric_undefined_in_training_is_left_out_with_one_warning(
    call, tiny, tmp_path, monkeypatch, cache
):
    measure_one, trials = runner.measure_one, {"pixel_std", "pixel_distance"}

    def collapsing(context, name):
        if name not in trials and name != "pixel_mean":
            return Measurement(None, {"reason": "one is constant"})
        trials.discard(name)
        return measure_one(context, name)

    monkeypatch.setattr(runner, "measure_one", collapsing)
    argv = ("--steps=4", "--checkpoint_every=2", "--eval_every=1", "--eval_samples=5")
    metrics = "--eval_metrics=pixel_mean,pixel_std,pixel_distance"
    done = call("train", *tiny, *argv, metrics, f"--outdir={tmp_path}")
    assert done.code == 0, done
    assert done.err == (
        "warning: pixel_distance is not logged: one is constant\n"
        "warning: pixel_std is not logged: one is constant\n"
    )
    lines = measurements(tmp_path)
    assert [line["step"] for line in lines] == [1, 2, 3, 4]
    assert {name for line in lines for name in line if "metric" in name} == {"metric_pixel_mean"}
    assert steps_saved(tmp_path) == [2, 4]
