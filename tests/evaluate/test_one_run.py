"""evaluate.py of one run: its table, evaluation.json and pictures, and its errors."""

import dataclasses
import json
import os
import pathlib
import shutil
import types

import numpy as np
import pytest
from PIL import Image

import plotting
from cli import flags
from errors import UserError
from evaluation.features.classifier import DIGITS_SHA256
from evaluation.reports import tables
from tests.evaluate.cases import (
    ANYWHERE,
    CLUSTERS,
    CODES,
    CONDITIONS,
    FACTORS,
    PIXELS,
    RECONSTRUCTIONS,
    evaluation_of,
    metrics_in,
    rows,
    values_of,
)
from tests.train.cases import events_in, tensors

pytestmark = pytest.mark.usefixtures("cache")


# One run.


@pytest.fixture(scope="module")
def alone(call, run):
    """The evaluation of one run by all metrics: outcome, path, evaluation."""
    argv = ("--features=digits", "--num_samples=50", "--seed=3")
    done = call("evaluate", f"--run={run}", *argv)
    assert (done.code, done.err) == (0, ""), done
    evaluation = evaluation_of(run)
    return types.SimpleNamespace(outcome=done, path=run, evaluation=evaluation)


@pytest.mark.smoke
def test_evaluation_json_has_each_metric_with_its_protocol(alone):
    metrics = alone.evaluation["metrics"]
    assert set(alone.evaluation) == {"name", "dataset", "seconds", "metrics", "protocol_hashes"}
    assert list(alone.evaluation["protocol_hashes"]) == list(metrics)
    assert len(set(alone.evaluation["protocol_hashes"].values())) == 1
    assert alone.evaluation["name"] == str(alone.path)
    assert alone.evaluation["dataset"] == "digits"
    assert list(metrics) == [
        *metrics_in("digits"),
        *PIXELS,
        "path_length_digits",
        *CONDITIONS,
        *FACTORS,
        *RECONSTRUCTIONS,
        *ANYWHERE,
    ]
    run = {
        "dataset": "digits", "image_shape": [28, 28, 1], "model": "gan",
        "checkpoint_step": 6, "ema_decay": 0.999, "precision": "off",
    }  # fmt: skip
    sampled = {**run, "n_fake": 50, "split": "test", "seed": 3}
    scores = {"is_digits": 0, "is_digits_256": 40}
    features = {"features": "digits", "features_sha256": DIGITS_SHA256, "resizing": "none"}
    for name in metrics_in("digits"):
        assert (sampled | features).items() <= metrics[name]["protocol"].items(), name
        assert metrics[name]["protocol"]["n_real"] == scores.get(name, 40)
    for name in PIXELS:
        assert sampled.items() <= metrics[name]["protocol"].items(), name
        assert "features" not in metrics[name]["protocol"]
    for name in CODES + CLUSTERS:
        assert run.items() <= metrics[name]["protocol"].items(), name
    paths = {**run, **features, "n_fake": 1000, "epsilon": 1e-4, "space": "z", "seed": 3}
    assert paths.items() <= metrics["path_length_digits"]["protocol"].items()
    assert metrics["path_length_digits"]["value"] > 0


def test_evaluation_json_has_seconds_per_stage(alone):
    seconds = alone.evaluation["seconds"]
    assert {"loading", "sampling", "features of samples", "distances", "pixels"} <= set(seconds)
    assert all(s >= 0 for s in seconds.values())


def test_evaluate_without_enough_images_or_codes_is_na_with_reason(alone):
    values = values_of(alone.evaluation)
    lacking = {name for name, value in values.items() if value is None}
    assert lacking == {
        "kd_digits", "fd_digits_256", "is_digits_256", "copied_share", *CONDITIONS, *FACTORS,
        *RECONSTRUCTIONS, *ANYWHERE,
    }  # fmt: skip
    entries = alone.evaluation["metrics"].items()
    reasons = {n: entry["protocol"]["reason"] for n, entry in entries if n in lacking}
    assert reasons["kd_digits"] == "needs at least 1,000 samples, there are 50"
    assert reasons["fd_digits_256"] == "needs at least 256 images, there are 40"
    assert reasons["copied_share"] == "needs at least 100 unseen images, there are 40"
    assert reasons["conditional_accuracy"] == "GAN is not class-conditional"
    assert {reasons[name] for name in FACTORS} == {"GAN has no continuous codes"}
    assert reasons["nmi"] == "GAN has no categorical code"
    (line,) = (line for line in alone.outcome.out.splitlines() if line.startswith("n/a: "))
    first = ", ".join(list(reasons)[:3])
    more = f"{first} and {len(reasons) - 3} more; --verbose lists them with the reasons"
    assert line == f"n/a: {more}"


def test_evaluate_of_one_run_prints_the_table_and_one_line_about_na_but_no_protocol(alone):
    lines = alone.outcome.out.splitlines()
    kinds = [line.split()[0] for line in lines if line]
    assert list(dict.fromkeys(kinds)) == ["|", "n/a:", "evaluation.json"]
    assert "fingerprint" not in alone.outcome.out


def test_verbose_prints_protocol_reasons_and_seconds(evaluate):
    done, evaluation = evaluate("--metrics=pixel_mean,nmi", "--num_samples=5", "--verbose")
    assert done.code == 0, done
    assert [row[0] for row in rows(done.out)[2:]] == ["pixel_mean"]
    assert f"\n\n{tables.notes(evaluation)}\n" in done.out
    assert "checkpoint_step 6" in done.out
    assert "\n  n/a: nmi: GAN has no categorical code\n" in done.out


def test_pixel_mean_is_that_of_the_samples_of_the_seed(alone, digits):
    from training.loading import load_run

    fake = plotting.to_uint8(load_run(alone.path)[2].sample(50, seed=3))
    mean = alone.evaluation["metrics"]["pixel_mean"]
    assert mean["value"] == pytest.approx(fake.mean())
    assert mean["protocol"]["real"] == pytest.approx(np.load(digits)["x_test"].mean())


def test_table_of_one_run_has_a_row_per_measured_metric(alone):
    header, _, *body = rows(alone.outcome.out)
    assert header == ["digits", str(alone.path)]
    assert body == [
        [tables.with_arrow(name), tables.cell(entry)]
        for name, entry in alone.evaluation["metrics"].items()
        if entry["value"] is not None
    ]
    assert "±" in dict(body)["is_digits ↑"]


def test_evaluate_of_one_run_writes_no_comparison_and_no_codes(alone):
    assert not (alone.path / "none").exists()
    assert not (alone.path / "confusion.png").exists()
    assert not (alone.path / "codes.png").exists()


def test_neighbours_png_has_ten_samples_beside_their_nearest_training_images(alone, digits):
    picture = np.asarray(Image.open(alone.path / "neighbours.png"))
    # Cells of 56 pixels, 2 between them, and the names of the columns above.
    assert picture.shape[1] == 2 + 9 * 58
    assert picture.shape[0] > 2 + 10 * 58
    bottom = picture[-58:-2]
    x_train = np.load(digits)["x_train"]
    for column in range(1, 9):
        cell = bottom[:, 2 + 58 * column :][::2, :56:2]
        assert (cell == x_train).all((1, 2)).any(), column


def test_tensorboard_has_the_values_and_the_picture_at_the_step_of_the_checkpoint(alone):
    events, values = events_in(alone.path / "evaluation"), values_of(alone.evaluation)
    measured = {name: value for name, value in values.items() if value is not None}
    assert len(measured) > 10
    for name, value in measured.items():
        shown = tensors(events, f"evaluation/{name}", "scalars")
        assert (list(shown), float(shown[6])) == ([6], np.float32(value)), name
    tags = {tag for tag in events.Tags()["tensors"] if tag.startswith("evaluation/")}
    assert tags == {f"evaluation/{name}" for name in (*measured, "neighbours")}
    assert list(tensors(events, "evaluation/neighbours", "images")) == [6]


@pytest.mark.slow
def test_seed_determines_the_values(evaluate):
    argv = ("--metrics=fd_digits,fd_digits_infinity", "--features=digits", "--num_samples=20")
    first = evaluate("--seed=1", *argv)[1]["metrics"]
    assert evaluate("--seed=1", *argv)[1]["metrics"] == first
    other = evaluate("--seed=2", *argv)[1]["metrics"]
    assert all(other[name]["value"] != first[name]["value"] for name in first)


def test_metrics_flag_selects_and_orders_the_metrics(evaluate):
    done, evaluation = evaluate("--metrics=distinct_share, pixel_mean", "--num_samples=5")
    assert done.code == 0, done
    assert list(evaluation["metrics"]) == ["distinct_share", "pixel_mean"]
    assert [row[0] for row in rows(done.out)[2:]] == ["distinct_share ↑", "pixel_mean"]
    # No network was needed for them.
    assert not any("features" in stage for stage in evaluation["seconds"])


@pytest.mark.slow
def test_evaluation_json_keeps_other_metrics_of_the_same_checkpoint(call, copied_run):
    argv = (f"--run={copied_run}", "--features=digits", "--num_samples=20")
    assert call("evaluate", *argv, "--metrics=pixel_mean,fd_digits").code == 0
    first = evaluation_of(copied_run)["metrics"]
    assert call("evaluate", *argv, "--metrics=pixel_std,pixel_mean,nmi", "--seed=1").code == 0
    second = evaluation_of(copied_run)["metrics"]
    assert set(second) == {"pixel_std", "pixel_mean", "nmi", "fd_digits"}
    assert second["fd_digits"] == first["fd_digits"]
    assert second["pixel_mean"]["protocol"]["seed"] == 1
    assert len(list(copied_run.glob("evaluation/*.step-6"))) == 1
    shown = tensors(events_in(copied_run / "evaluation"), "evaluation/pixel_mean", "scalars")
    assert float(shown[6]) == pytest.approx(second["pixel_mean"]["value"])

    saved = evaluation_of(copied_run)
    saved["metrics"]["fd_digits"]["protocol"]["checkpoint_step"] = 5
    (copied_run / "evaluation.json").write_text(json.dumps(saved))
    assert call("evaluate", *argv, "--metrics=pixel_std").code == 0
    assert "fd_digits" not in evaluation_of(copied_run)["metrics"]


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--metrics=fd_digit"], "--metrics: no such metric: fd_digit; did you mean fd_digits"),
        (["--metrics=pixel_mean,zzz"], "--metrics: no such metric: zzz; there are fd_digits, "),
        (["--metrics=fid"],
         "--metrics: fid requires features=inception, got digits"),
        (["--metrics=fd_efficientnet_lite0"],
         "--metrics: fd_efficientnet_lite0 requires features=efficientnet_lite0, got digits"),
        (["--metrics=knn1_accuracy"], "--metrics: knn1_accuracy: GAN does not encode images"),
        (["--metrics=nmi,ari"], "--metrics: nmi, ari: GAN has no categorical code"),
        (
            ["--metrics=nmi,conditional_accuracy"],
            "--metrics: nmi: GAN has no categorical code; conditional_accuracy: GAN is not "
            "class-conditional",
        ),
        (["--metrics=class_change"], "--metrics: class_change: GAN has no continuous codes"),
        (["--metrics=kd_digits"],
         "--metrics: kd_digits: needs at least 1,000 samples, there are 50"),
        (["--metrics=copied_share"],
         "--metrics: copied_share: needs at least 100 unseen images, there are 40"),
        (["--baselines", "--num_samples=201"],
         "--num_samples: expected at most 200, the number of training images, with baselines, "
         "got 201"),
    ],
)  # fmt: skip
def test_evaluate_of_metrics_that_cannot_be_measured_ends_in_one_line(evaluate, argv, message):
    done, evaluation = evaluate("--features=digits", "--num_samples=50", *argv)
    assert done.refusal().startswith(message)
    assert done.out == ""
    assert evaluation is None


@pytest.mark.parametrize(
    ("features", "message"),
    [
        ("absent.keras", "Keras cannot load the file"),
        ("{broken}", "Keras cannot load the file"),
        ("digit", "expected one of auto, inception, digits, "),
        ("classifier", "no classifier of digits found; train it with train_classifier.py"),
    ],
)
def test_features_flag_with_an_invalid_network_ends_in_one_line(
    evaluate, tmp_path, features, message
):
    broken = tmp_path / "broken.keras"
    broken.write_bytes(b"not a network")
    features = features.format(broken=broken)
    done, evaluation = evaluate(f"--features={features}", "--num_samples=5")
    assert done.refusal().startswith(f"--features: {features}: {message}")
    assert evaluation is None


@pytest.mark.slow
def test_features_flag_with_a_network_of_another_image_shape_is_invalid(call, unlabelled):
    argv = ("--features=digits", "--num_samples=5", "--metrics=fd_digits")
    refusal = call("evaluate", f"--run={unlabelled}", *argv).refusal()
    assert refusal.startswith("digits requires images [28, 28, 1], got [8, 8, 3]")


def test_evaluate_of_a_model_that_encodes_measures_its_codes(evaluate, monkeypatch):
    import tensorflow as tf

    from models import GAN

    # The bars of the classes are 2.4 columns apart.
    def columns(model, x):
        return tf.reduce_mean(x, (1, 3))

    def classes(model, x):
        return tf.gather(columns(model, x), [3, 5, 8, 10, 13, 15, 17, 20, 22, 25], axis=1)

    monkeypatch.setattr(GAN, "encode", columns, raising=False)
    monkeypatch.setattr(GAN, "code_logits", classes, raising=False)
    done, evaluation = evaluate(f"--metrics={','.join(CODES + CLUSTERS)}")
    assert (done.code, done.err) == (0, ""), done
    assert list(evaluation["metrics"]) == CODES + CLUSTERS
    assert all(value > 0.9 for value in values_of(evaluation).values()), values_of(evaluation)
    protocol = evaluation["metrics"]["knn1_accuracy"]["protocol"]
    counts = {"n_train": 200, "n_test": 40, "code_dimension": 28}
    assert counts.items() <= protocol.items()
    assert evaluation["metrics"]["nmi"]["protocol"]["n_test"] == 40
    folder = pathlib.Path(evaluation["name"])
    assert Image.open(folder / "confusion.png").size[0] > 100
    # No samples were drawn for them.
    assert "sampling" not in evaluation["seconds"]
    assert not (folder / "neighbours.png").exists()


@pytest.mark.slow
def test_conditional_accuracy_is_that_of_the_classifier(call, told_run, tmp_path, monkeypatch):
    from evaluation import features
    from evaluation.features import TrainedOn, classifier
    from training.loading import load_run

    run = pathlib.Path(shutil.copytree(told_run.path, tmp_path / "told"))
    argv = (f"--run={run}", "--metrics=conditional_accuracy", "--num_samples=40")
    refusal = call("evaluate", *argv, "--features=digits").refusal()
    assert "requires a classifier of the classes of digits; use --features=classifier" in refusal

    # The shipped classifier replaces that of the run's data set.
    fingerprint = json.loads((run / "config.json").read_text())["data"]["fingerprint"]
    trained_on = TrainedOn(10, fingerprint=fingerprint)
    extractor = dataclasses.replace(classifier.load_digits(), trained_on=trained_on)
    monkeypatch.setattr(features, "load", lambda *_: extractor)
    assert call("evaluate", *argv, "--features=digits", "--seed=2").code == 0
    found = evaluation_of(run)["metrics"]["conditional_accuracy"]
    asked = np.arange(40) % 10
    images = plotting.to_uint8(load_run(run)[2].sample(40, seed=2, label=asked))
    assert found["value"] == (extractor(images)[1].argmax(1) == asked).mean()
    assert (found["protocol"]["n_fake"], found["protocol"]["seed"]) == (40, 2)
    assert found["protocol"]["features_sha256"] == DIGITS_SHA256


# Invalid requests.


def test_evaluate_with_other_images_than_the_run_is_invalid(call, copied_run, tmp_path):
    saved = json.loads((copied_run / "config.json").read_text())
    saved["options"]["dataset"] = str(tmp_path / "other.npz")
    (copied_run / "config.json").write_text(json.dumps(saved))
    x = np.random.default_rng(0).integers(0, 256, (30, 28, 28)).astype(np.uint8)
    np.savez(tmp_path / "other.npz", x_train=x)
    refusal = call("evaluate", f"--run={copied_run}", "--num_samples=5").refusal()
    assert "images" in refusal
    assert not (copied_run / "evaluation.json").exists()


def test_run_flag_without_a_run_or_a_checkpoint_is_invalid(call, copied_run, tmp_path):
    missing = tmp_path / "missing"
    assert f"{missing}: no run found" in call("evaluate", f"--run={missing}").refusal()
    assert not missing.exists()
    shutil.rmtree(copied_run / "checkpoints")
    refusal = call("evaluate", f"--run={copied_run}", "--num_samples=5").refusal()
    assert refusal.startswith(f"--run: {copied_run}: its checkpoints are missing. ")
    (copied_run / "status.json").unlink()
    (copied_run / "metrics.jsonl").unlink()
    refusal = call("evaluate", f"--run={copied_run}", "--num_samples=5").refusal()
    assert refusal == (
        f"--run: {copied_run}: no checkpoint found. Train it first with outdir={copied_run}"
    )


QUICK = ("--metrics=pixel_mean", "--num_samples=5")


def test_outdir_of_one_run_has_its_evaluation_and_the_run_is_left_unchanged(
    call, copied_run, tmp_path
):
    before = sorted(copied_run.rglob("*"))
    out = tmp_path / "out"
    argv = (f"--run={copied_run}", f"--outdir={out}", "--num_samples=5")
    assert call("evaluate", *argv, "--metrics=pixel_mean").code == 0
    assert sorted(path.name for path in out.iterdir()) == ["evaluation.json", "neighbours.png"]
    assert sorted(copied_run.rglob("*")) == before
    assert call("evaluate", *argv, "--metrics=pixel_std").code == 0
    assert list(values_of(evaluation_of(out))) == ["pixel_std", "pixel_mean"]


def test_outdir_of_one_run_keeps_no_metric_of_another_run(call, copied_run, tmp_path):
    other, out = shutil.copytree(copied_run, tmp_path / "other"), tmp_path / "out"
    argv = (f"--outdir={out}", "--num_samples=5")
    assert call("evaluate", f"--run={other}", *argv, "--metrics=pixel_mean").code == 0
    assert call("evaluate", f"--run={copied_run}", *argv, "--metrics=pixel_std").code == 0
    assert list(values_of(evaluation_of(out))) == ["pixel_std"]


def test_outdir_of_one_run_with_baselines_has_the_evaluation_and_the_comparison(
    call, copied_run, tmp_path
):
    out = tmp_path / "out"
    argv = (f"--run={copied_run}", f"--outdir={out}", "--baselines", *QUICK)
    assert call("evaluate", *argv).code == 0
    assert {"evaluation.json", "comparison.json"} <= {path.name for path in out.iterdir()}
    assert not (copied_run / "evaluation.json").exists()


@pytest.mark.parametrize(
    ("runs", "argv", "message"),
    [
        (["run"], ["--outdir={file}"], "--outdir: {file}: is a file, not a folder. "),
        (["run", "other"], ["--outdir={file}/a"], "--outdir: {file}: is a file, not a folder. "),
        (["run"], ["--outdir={other}"], "--outdir: {other} is the directory of another run"),
        (
            ["run"],
            ["--outdir={file}", "--publish", "--repeats=3"],
            "--outdir: has no effect with publish of one run, whose files are in its own directory",
        ),
        (
            ["run", "closed"],
            [],
            "--run: {closed}: cannot be written (Permission denied). Evaluate it alone with "
            "--outdir set to a directory that can be written",
        ),
        (
            ["closed"],
            [],
            "--run: {closed}: cannot be written (Permission denied). Run the command again with "
            "--outdir set to a directory that can be written",
        ),
    ],
)
def test_folders_that_cannot_be_used_are_one_line_before_anything_is_measured(
    copied_run, tmp_path, monkeypatch, runs, argv, message
):
    from training import evaluating

    places = {name: tmp_path / name for name in ("other", "closed", "file")}
    for name in ("other", "closed"):
        shutil.copytree(copied_run, places[name])
    places["file"].touch()
    places["run"] = copied_run
    access = os.access  # root may write everywhere
    monkeypatch.setattr(os, "access", lambda p, mode: p != places["closed"] and access(p, mode))
    monkeypatch.setattr(evaluating, "published_record", lambda run: {})
    monkeypatch.setattr(evaluating, "references_of", None)
    listed = ",".join(str(places[name]) for name in runs)
    given = flags.given(
        [f"--run={listed}", *(word.format(**places) for word in argv)], evaluating.EvaluateOptions
    )
    with pytest.raises(UserError) as error:
        evaluating.evaluate_all(evaluating.EvaluateOptions(**given))
    assert f"--{error.value}".startswith(message.format(**places))


def test_several_runs_and_images_write_to_the_comparison_by_default():
    from evaluation.options import EvaluateOptions

    assert EvaluateOptions(run="a").folder == pathlib.Path("runs/comparison")
    assert EvaluateOptions(run="a", outdir="b").folder == pathlib.Path("b")


def test_help_and_invalid_flags_leave_tensorflow_unimported(without_tensorflow, tmp_path):
    lines = [
        ["--help"], ["--help=all"], [], ["--run=x", "--images=y"], ["--run=x", "--num_sample=9"],
        ["--run=x", "--num_samples=1"],
        ["--run=x", "--publish=perhaps"], ["--run=x", "--nopublish=true"], ["--run=x"],
        ["--run=x", "--split=validation"], ["--run=x", "--repeats=0"],
    ]  # fmt: skip
    first, every, *refused = without_tensorflow("evaluate", lines, tmp_path)
    for help_ in (first, every):
        assert (help_.code, help_.err) == (0, "")
        assert help_.out.startswith("usage: python evaluate.py --run DIR[,DIR ...]")
        assert "\n  --num_samples  [10000]\n" in help_.out
        assert "\n  --publish  [False]\n" in help_.out
        assert "\n  --features  [auto]\n" in help_.out
    metric = "\n  fd_<features>  (inception: fid)\n"
    assert metric in every.out
    assert metric not in first.out
    messages = [outcome.refusal() for outcome in refused]
    assert messages[0].startswith(
        "no flags are given. Type, for example: python evaluate.py --run "
    )
    assert messages[1] == (
        "--run: expected either trained models (--run, --pretrained) or --images"
    )
    assert messages[2] == (
        "--num_sample: no such flag; did you mean --num_samples or --likelihood_samples?"
    )
    assert messages[3] == "--num_samples: expected an integer >= 2, got 1"
    assert "--publish=perhaps" in messages[4]
    assert "--nopublish" in messages[5]
    assert messages[6].startswith("x: no run found")
    assert messages[7] == "--split: expected one of test, train, got validation"
    assert messages[8] == "--repeats: expected an integer >= 1, got 0"


# Images of any program.


def test_images_flag_measures_the_images_of_a_folder(call, digits, tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    x = np.load(digits)["x_train"][:30]
    for k, image in enumerate(x):
        Image.fromarray(image).save(folder / f"{k:02}.png")
    out = tmp_path / "out"
    argv = (f"--images={folder}", f"--dataset={digits}", f"--outdir={out}")
    done = call("evaluate", *argv, "--metrics=pixel_mean,fd_digits,nmi", "--features=digits")
    assert done.code == 0, done
    metrics = evaluation_of(out)["metrics"]
    assert metrics["pixel_mean"]["value"] == pytest.approx(x.mean())
    assert metrics["fd_digits"]["protocol"]["n_fake"] == 30
    assert metrics["fd_digits"]["protocol"]["images"] == str(folder)
    assert metrics["nmi"]["value"] is None
    assert metrics["nmi"]["protocol"]["reason"] == "requires a model"
    assert (out / "neighbours.png").exists()
    assert rows(done.out)[0] == ["digits", str(folder)]


def test_images_flag_without_a_dataset_or_a_folder_is_invalid(call, digits, tmp_path):
    refusal = call("evaluate", f"--images={tmp_path}").refusal()
    assert refusal == "--dataset: images and dataset must be given together"
    argv = (f"--images={tmp_path / 'absent'}", f"--dataset={digits}", "--metrics=pixel_mean")
    assert "absent: expected a folder or an .npz file" in call("evaluate", *argv).refusal()


def test_image_size_flag_with_images_resizes_the_data_set(call, digits, tmp_path):
    small = np.random.default_rng(0).integers(0, 256, (12, 14, 14, 1)).astype(np.uint8)
    np.savez(tmp_path / "small.npz", images=small)
    images = (f"--images={tmp_path / 'small.npz'}", f"--dataset={digits}", "--metrics=pixel_mean")
    argv = (*images, "--num_samples=12", f"--outdir={tmp_path / 'out'}")
    assert "[28, 28, 1] as in the data set, got [14, 14, 1]" in call("evaluate", *argv).refusal()
    assert call("evaluate", *argv, "--image_size=14").code == 0
    for flag in ("--image_size=14", "--gray=skip", "--bits=12", "--max_image_pixels=9"):
        refusal = call("evaluate", "--run=x", flag).refusal()
        assert refusal == f"{flag.split('=')[0]}: requires --images; a run has its own"


def test_files_left_out_of_folders_are_named_and_the_data_set_is_read_with_its_options(
    call, tmp_path
):
    for name in ("real", "samples"):
        (tmp_path / name).mkdir()
        for k in range(4):
            image = Image.fromarray(np.full((28, 28), 1000 * k, np.uint16))
            image.save(tmp_path / name / f"{k}.png")
        (tmp_path / name / "empty.png").touch()
    folders = (f"--images={tmp_path / 'samples'}", f"--dataset={tmp_path / 'real'}")
    argv = (*folders, "--metrics=pixel_mean", "--bits=12", f"--outdir={tmp_path / 'out'}")
    done = call("evaluate", *argv, "--num_samples=4")
    assert done.code == 0, done
    assert "warning: real: 1 file left out, empty: empty.png\n" in done.err
    assert f"warning: {tmp_path / 'samples'}: 1 file left out, empty: empty.png\n" in done.err
    metrics = json.loads((tmp_path / "out" / "evaluation.json").read_text())["metrics"]
    real = np.mean([round(1000 * k / 4095 * 255) for k in range(4)])
    assert metrics["pixel_mean"]["protocol"]["real"] == pytest.approx(real)
