"""evaluate.py from outside: its tables and figures, evaluation.json, and what it publishes."""

import csv
import dataclasses
import hashlib
import json
import os
import pathlib
import shutil
import signal
import types

import numpy as np
import pytest
from PIL import Image

import evaluate as evaluate_script
import plotting
from evaluation.features.classifier import DIGITS_SHA256
from metrics import report
from metrics.measurement import Measurement

pytestmark = pytest.mark.usefixtures("cache")

PIXELS = ["pixel_mean", "pixel_std", "pixel_distance", "distinct_share", "copied_share"]
CONDITIONS = ["conditional_accuracy"]
CODES = ["knn1_accuracy", "knn3_accuracy", "linear_probe_accuracy"]
CLUSTERS = ["cluster_accuracy", "nmi", "ari"]
POSTERIORS = ["reconstruction_loss", "kl_loss", "active_units"]
LIKELIHOODS = ["elbo", "importance_weighted_bound", "bits_per_dimension"]
ANYWHERE = [*CODES, *CLUSTERS, *POSTERIORS, *LIKELIHOODS]
STROKES = ["slant_correlation", "thickness_correlation"]
FACTORS = [*STROKES, "class_change", "mutual_information_gap"]
RECONSTRUCTIONS = [f"reconstruction_{end}" for end in ("error", "feature_distance", "accuracy")]


def metrics_in(features):
    """The names of the metrics in features that are not Inception's, in order."""
    fd, score = f"fd_{features}", f"is_{features}"
    manifolds = ["precision", "recall", "density", "coverage"]
    return [fd, f"{fd}_infinity", f"kd_{features}", score, *manifolds, f"{fd}_256", f"{score}_256"]


def evaluation_of(path):
    return json.loads((path / "evaluation.json").read_text())


def values_of(evaluation):
    return {name: entry["value"] for name, entry in evaluation["metrics"].items()}


def rows(text):
    """The cells of the lines of a Markdown table."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]


def moving_bars(n, seed):
    """n gray images uint8 [28, 28, 1] of a bright bar each, of its own place, width and noise."""
    random = np.random.default_rng(seed)
    place, width = random.uniform(4, 24, (n, 1, 1)), random.uniform(1, 4, (n, 1, 1))
    noise = random.integers(0, 50, (n, 28, 28))
    bar = np.abs(np.arange(28)[None, None, :] - place) < width
    return np.where(bar, 200 + noise, noise).astype(np.uint8)


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """A .keras file of a network that takes coloured images of any size, without classes."""
    import keras

    keras.utils.set_random_seed(1)
    image = keras.Input((None, None, 3))
    x = keras.layers.Conv2D(6, 5, strides=2, activation="relu")(image)
    path = tmp_path_factory.mktemp("network") / "My-Net.keras"
    keras.Model(image, keras.layers.GlobalAveragePooling2D()(x)).save(path)
    return path


@pytest.fixture(scope="module")
def run(tiny_run, tmp_path_factory):
    """A copy of the tiny run that is evaluated, but not changed otherwise."""
    return pathlib.Path(shutil.copytree(tiny_run.path, tmp_path_factory.mktemp("run") / "tiny"))


@pytest.fixture(scope="module")
def unlabelled(tmp_path_factory, call):
    """A finished run on coloured images without labels, of which none are for testing."""
    folder = tmp_path_factory.mktemp("unlabelled")
    x = np.random.default_rng(0).integers(0, 256, (30, 8, 8, 3)).astype(np.uint8)
    np.savez(folder / "noise.npz", x_train=x)
    argv = ("--model=gan", "--width=4", "--depth=1", "--batch_size=8", "--steps=2")
    done = call("train", *argv, f"--dataset={folder / 'noise.npz'}", f"--outdir={folder / 'run'}")
    assert done.code == 0, done
    return folder / "run"


# One run.


@pytest.fixture(scope="module")
def alone(call, run):
    """The evaluation of one run by all metrics: outcome, path, evaluation."""
    argv = ("--features=digits", "--num_samples=50", "--seed=3", f"--outdir={run / 'none'}")
    done = call("evaluate", f"--run={run}", *argv)
    assert (done.code, done.err) == (0, ""), done
    evaluation = evaluation_of(run)
    return types.SimpleNamespace(outcome=done, path=run, evaluation=evaluation)


@pytest.mark.smoke
def test_evaluation_json_has_each_metric_with_its_protocol(alone):
    metrics = alone.evaluation["metrics"]
    assert set(alone.evaluation) == {"name", "dataset", "seconds", "metrics", "ways"}
    assert list(alone.evaluation["ways"]) == list(metrics)
    assert len(set(alone.evaluation["ways"].values())) == 1
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


def test_the_seconds_of_an_evaluation_are_by_stage(alone):
    seconds = alone.evaluation["seconds"]
    assert {"loading", "sampling", "features of samples", "distances", "pixels"} <= set(seconds)
    assert all(s >= 0 for s in seconds.values())


def test_what_there_are_too_few_images_or_no_codes_for_is_na_with_the_reason(alone):
    values = values_of(alone.evaluation)
    lacking = {name for name, value in values.items() if value is None}
    assert lacking == {
        "kd_digits", "fd_digits_256", "is_digits_256", "copied_share", *CONDITIONS, *FACTORS,
        *RECONSTRUCTIONS, *ANYWHERE,
    }  # fmt: skip
    reasons = {n: alone.evaluation["metrics"][n]["protocol"]["reason"] for n in lacking}
    assert reasons["kd_digits"] == "needs at least 1,000 samples, there are 50"
    assert reasons["fd_digits_256"] == "needs at least 256 images, there are 40"
    assert reasons["copied_share"] == "needs at least 100 unseen images, there are 40"
    assert reasons["conditional_accuracy"] == "GAN is not told the class"
    assert {reasons[name] for name in FACTORS} == {"GAN has no continuous codes"}
    assert reasons["nmi"] == "GAN has no categorical code"
    notes = alone.outcome.out[alone.outcome.out.index(f"\n{alone.path}: ") :]
    shared = notes.splitlines()[1]
    assert shared.startswith(f"{alone.path}: dataset digits, fingerprint ")
    assert "model gan, checkpoint_step 6, ema_decay 0.999, precision off" in shared
    assert f"features digits, features_sha256 {DIGITS_SHA256[:12]}, resizing none" in shared
    assert "seed 3" in shared
    for reason in reasons.values():
        assert notes.count(reason) == 1


def test_the_pixels_are_those_of_the_samples_of_the_seed(alone, digits):
    from training.setup import load_run

    fake = plotting.to_uint8(load_run(alone.path)[2].sample(50, seed=3))
    mean = alone.evaluation["metrics"]["pixel_mean"]
    assert mean["value"] == pytest.approx(fake.mean())
    assert mean["protocol"]["real"] == pytest.approx(np.load(digits)["x_test"].mean())


def test_the_table_of_one_run_has_a_row_for_each_metric_it_has(alone):
    header, _, *body = rows(alone.outcome.out)
    assert header == ["digits", str(alone.path)]
    assert body == [
        [name, report.cell(entry)]
        for name, entry in alone.evaluation["metrics"].items()
        if entry["value"] is not None
    ]
    assert "±" in dict(body)["is_digits"]


def test_one_run_is_compared_with_nothing(alone):
    assert not (alone.path / "none").exists()
    assert not (alone.path / "confusion.png").exists()
    assert not (alone.path / "codes.png").exists()


def test_neighbours_png_has_ten_samples_each_before_its_nearest_training_images(alone, digits):
    picture = np.asarray(Image.open(alone.path / "neighbours.png"))
    # Cells of 56 pixels, 2 between them, and the names of the columns above.
    assert picture.shape[1] == 2 + 9 * 58
    assert picture.shape[0] > 2 + 10 * 58
    bottom = picture[-58:-2]
    x_train = np.load(digits)["x_train"]
    for column in range(1, 9):
        cell = bottom[:, 2 + 58 * column :][::2, :56:2]
        assert (cell == x_train).all((1, 2)).any(), column


@pytest.fixture
def evaluate(call, run, tmp_path):
    """evaluate(flags ...) -> outcome, evaluation: of a run that was not evaluated before."""

    def evaluate(*argv):
        folder = tmp_path / f"run-{len(list(tmp_path.iterdir()))}"
        keep = shutil.ignore_patterns("evaluation.json", "neighbours.png")
        shutil.copytree(run, folder, ignore=keep)
        done = call("evaluate", f"--run={folder}", *argv)
        written = (folder / "evaluation.json").exists()
        return done, evaluation_of(folder) if written else None

    return evaluate


def test_the_same_seed_gives_the_same_numbers_and_another_one_others(evaluate):
    argv = ("--metrics=fd_digits,fd_digits_infinity", "--features=digits", "--num_samples=20")
    first = evaluate("--seed=1", *argv)[1]["metrics"]
    assert evaluate("--seed=1", *argv)[1]["metrics"] == first
    other = evaluate("--seed=2", *argv)[1]["metrics"]
    assert all(other[name]["value"] != first[name]["value"] for name in first)


def test_metrics_names_what_is_measured_in_that_order_and_no_more(evaluate):
    done, evaluation = evaluate("--metrics=distinct_share, pixel_mean", "--num_samples=5")
    assert done.code == 0, done
    assert list(evaluation["metrics"]) == ["distinct_share", "pixel_mean"]
    assert [row[0] for row in rows(done.out)[2:]] == ["distinct_share", "pixel_mean"]
    # No network was needed for them.
    assert not any("features" in stage for stage in evaluation["seconds"])


def test_other_metrics_of_the_same_checkpoint_stay_in_evaluation_json(call, copied_run):
    argv = (f"--run={copied_run}", "--features=digits", "--num_samples=20")
    assert call("evaluate", *argv, "--metrics=pixel_mean,fd_digits").code == 0
    first = evaluation_of(copied_run)["metrics"]
    assert call("evaluate", *argv, "--metrics=pixel_std,pixel_mean,nmi", "--seed=1").code == 0
    second = evaluation_of(copied_run)["metrics"]
    assert set(second) == {"pixel_std", "pixel_mean", "nmi", "fd_digits"}
    assert second["fd_digits"] == first["fd_digits"]
    assert second["pixel_mean"]["protocol"]["seed"] == 1

    saved = evaluation_of(copied_run)
    saved["metrics"]["fd_digits"]["protocol"]["checkpoint_step"] = 5
    (copied_run / "evaluation.json").write_text(json.dumps(saved))
    assert call("evaluate", *argv, "--metrics=pixel_std").code == 0
    assert "fd_digits" not in evaluation_of(copied_run)["metrics"]


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--metrics=fd_digit"], "--metrics=fd_digit: no such metric; did you mean fd_digits"),
        (["--metrics=pixel_mean,zzz"], "--metrics=zzz: no such metric; there are fd_digits, "),
        (["--metrics=fid"],
         "--metrics=fid: it is measured in the features inception, and these are digits; take "
         "--features=inception"),
        (["--metrics=fd_efficientnet_lite0"],
         "--metrics=fd_efficientnet_lite0: it is measured in the features efficientnet_lite0, "
         "and these are digits"),
        (["--metrics=knn1_accuracy"], "--metrics=knn1_accuracy: GAN does not encode images"),
        (["--metrics=nmi,ari"], "--metrics=nmi,ari: GAN has no categorical code"),
        (["--metrics=class_change"], "--metrics=class_change: GAN has no continuous codes"),
        (["--metrics=kd_digits"],
         "--metrics=kd_digits: needs at least 1,000 samples, there are 50"),
        (["--metrics=copied_share"],
         "--metrics=copied_share: needs at least 100 unseen images, there are 40"),
        (["--baselines", "--num_samples=201"],
         "--num_samples=201: --baselines has 200 training images to take"),
    ],
)  # fmt: skip
def test_what_cannot_be_measured_is_refused_in_one_line(evaluate, argv, message):
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
def test_a_missing_or_wrong_network_is_refused_in_one_line(evaluate, tmp_path, features, message):
    broken = tmp_path / "broken.keras"
    broken.write_bytes(b"not a network")
    features = features.format(broken=broken)
    done, evaluation = evaluate(f"--features={features}", "--num_samples=5")
    assert done.refusal().startswith(f"--features={features}: {message}")
    assert evaluation is None


def test_a_network_that_the_images_do_not_fit_is_refused(call, unlabelled):
    argv = ("--features=digits", "--num_samples=5", "--metrics=fd_digits")
    refusal = call("evaluate", f"--run={unlabelled}", *argv).refusal()
    assert refusal.startswith("digits requires images [28, 28, 1], got [8, 8, 3]")


def test_a_model_that_encodes_is_measured_by_its_codes(evaluate, monkeypatch):
    import tensorflow as tf
    from models.gan import GAN

    # The bars of the classes are 2.4 columns apart.
    def columns(model, x):
        return tf.reduce_mean(x, (1, 3))

    def classes(model, x):
        return tf.gather(columns(model, x), [3, 5, 8, 10, 13, 15, 17, 20, 22, 25], axis=1)

    monkeypatch.setattr(GAN, "encode", columns)
    monkeypatch.setattr(GAN, "code_logits", classes)
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


def test_how_well_a_model_minds_the_class_is_what_the_classifier_says(
    call, told_run, tmp_path, monkeypatch
):
    from evaluation.features import classifier
    from training import evaluation
    from training.setup import load_run

    run = pathlib.Path(shutil.copytree(told_run.path, tmp_path / "told"))
    argv = (f"--run={run}", "--metrics=conditional_accuracy", "--num_samples=40")
    refusal = call("evaluate", *argv, "--features=digits").refusal()
    assert "needs a classifier of digits; take --features=classifier" in refusal

    # The shipped classifier, as if it were of the run's own data set.
    extractor = dataclasses.replace(classifier.load_digits(), classes_of="digits")
    monkeypatch.setattr(evaluation.features, "load", lambda *_: extractor)
    assert call("evaluate", *argv, "--features=digits", "--seed=2").code == 0
    found = evaluation_of(run)["metrics"]["conditional_accuracy"]
    asked = np.arange(40) % 10
    images = plotting.to_uint8(load_run(run)[2].sample(40, seed=2, label=asked))
    assert found["value"] == (extractor(images)[1].argmax(1) == asked).mean()
    assert (found["protocol"]["n_fake"], found["protocol"]["seed"]) == (40, 2)
    assert found["protocol"]["features_sha256"] == DIGITS_SHA256


# A model with codes.


@pytest.fixture(scope="module")
def coded(call, coded_run, tmp_path_factory):
    """The evaluation of a model with codes, at two seeds: outcome, path, metrics."""
    path = pathlib.Path(shutil.copytree(coded_run.path, tmp_path_factory.mktemp("run") / "coded"))
    argv = ("--features=digits", "--num_samples=60", "--seed=3", "--repeats=2")
    done = call("evaluate", f"--run={path}", *argv)
    assert (done.code, done.err) == (0, ""), done
    return types.SimpleNamespace(outcome=done, path=path, metrics=evaluation_of(path)["metrics"])


def test_a_model_with_codes_is_measured_by_what_they_mean(coded):
    measured = ["slant_correlation", "mutual_information_gap", *CODES, *CLUSTERS]
    for name in measured:
        assert 0 <= abs(coded.metrics[name]["value"]) <= 1, name
    protocol = coded.metrics["slant_correlation"]["protocol"]
    assert (protocol["n_fake"], protocol["seeds"]) == (60, [3, 4])
    assert np.shape(protocol["correlations"]) == (2, 2)  # of each seed, of each code
    best = np.abs(protocol["correlations"]).max(1)
    np.testing.assert_allclose(protocol["values"], best)
    assert coded.metrics["slant_correlation"]["value"] == pytest.approx(best.mean())
    counts = {"n_train": 200, "n_test": 40, "code_dimension": 4 + 2}
    assert counts.items() <= coded.metrics["knn1_accuracy"]["protocol"].items()
    confusion = np.array(coded.metrics["cluster_accuracy"]["protocol"]["confusion"])
    assert (confusion.shape, confusion.sum()) == ((10, 4), 40)
    reason = coded.metrics["class_change"]["protocol"]["reason"]
    assert reason == "class_change needs a classifier of digits; take --features=classifier"


def test_what_is_measured_of_codes_is_that_of_the_models_own_images(coded):
    from metrics import factors
    from training.setup import load_run

    model = load_run(coded.path)[2]
    latents = model.latents.draw(60, 3)
    slants = factors.slant(plotting.to_uint8(model.generate(latents)))
    expected = factors.rank_correlations(latents["continuous"].numpy(), slants)
    found = coded.metrics["slant_correlation"]["protocol"]["correlations"][0]
    np.testing.assert_allclose(found, expected, atol=0.01)


def test_codes_and_their_confusion_with_the_classes_are_drawn(coded):
    for name in ("codes.png", "confusion.png"):
        picture = np.asarray(Image.open(coded.path / name).convert("L"))
        assert picture.shape[1] > 100
        assert len(np.unique(picture)) > 10
    assert "slant_correlation" in coded.outcome.out


def test_the_picture_of_codes_has_a_panel_for_each_metric_that_could_be_had(tmp_path, monkeypatch):
    """A code a row: lowest, median and highest of the seeds, or of one seed that value."""
    drawn = {}
    monkeypatch.setattr(
        plotting, "save_bars", lambda path, panels: drawn.update({path.name: panels})
    )
    several = {"correlations": [[0.1, -0.9], [0.3, -0.7], [0.2, -0.5]]}
    metrics = {
        "slant_correlation": Measurement(0.7, several),
        "thickness_correlation": Measurement(None, {"reason": "none"}),
        "class_change": Measurement(0.3, {"shares": [0.25, 0.5]}),
    }
    evaluate_script.draw_codes(metrics, tmp_path)
    slant, change = drawn["codes.png"]
    assert slant.title == "slant: rank correlation"
    assert slant.values == {"code 0": (0.1, 0.2, 0.3), "code 1": (-0.9, -0.7, -0.5)}
    assert change.title == "samples whose class changes from -1 to 1"
    assert change.values == {"code 0": (0.25, 0.25, 0.25), "code 1": (0.5, 0.5, 0.5)}
    drawn.clear()
    evaluate_script.draw_codes({"class_change": Measurement(None, {})}, tmp_path)
    assert drawn == {}


def test_a_metric_of_strokes_needs_no_feature_network(call, coded, tmp_path):
    path = shutil.copytree(coded.path, tmp_path / "coded")
    argv = ("--metrics=slant_correlation", "--num_samples=20", "--features=absent.keras")
    done = call("evaluate", f"--run={path}", *argv)
    assert (done.code, done.err) == (0, ""), done
    assert [row[0] for row in rows(done.out)[2:]] == ["slant_correlation"]


# Several runs, seeds and baselines.


@pytest.fixture(scope="module")
def compared(call, tiny_run, unlabelled, network, tmp_path_factory):
    """Two runs compared, each at three seeds: outcome, the evaluations and the folder."""
    folder = tmp_path_factory.mktemp("compared")
    runs = [shutil.copytree(tiny_run.path, folder / "digits"), unlabelled]
    argv = (f"--features={network}", "--num_samples=20", "--seed=4", "--repeats=3")
    listed = f"--run={runs[0]},{runs[1]}"
    done = call("evaluate", listed, *argv, f"--outdir={folder / 'comparison'}")
    assert (done.code, done.err) == (0, ""), done
    return types.SimpleNamespace(
        outcome=done,
        runs=runs,
        evaluations=[evaluation_of(path) for path in runs],
        folder=folder / "comparison",
    )


def test_several_seeds_give_the_median_the_values_and_the_seeds(compared, evaluate, network):
    for evaluation in compared.evaluations:
        for name in ("fd_my_net", "recall", "pixel_mean"):
            entry = evaluation["metrics"][name]
            assert entry["protocol"]["seeds"] == [4, 5, 6]
            assert len(entry["protocol"]["values"]) == 3
            assert entry["value"] == np.median(entry["protocol"]["values"])
            assert "seed" not in entry["protocol"]
    argv = (f"--features={network}", "--num_samples=20", "--metrics=fd_my_net", "--seed=5")
    alone = evaluate(*argv)[1]["metrics"]["fd_my_net"]["value"]
    found = compared.evaluations[0]["metrics"]["fd_my_net"]["protocol"]["values"]
    assert found[1] == pytest.approx(alone, rel=1e-5)
    assert len(set(found)) == 3


def test_each_data_set_has_its_table(compared):
    expected = []
    for run, name, evaluation in zip(
        compared.runs, ("digits", "noise"), compared.evaluations, strict=True
    ):
        entries = evaluation["metrics"].items()
        measured = [[n, report.cell(e)] for n, e in entries if e["value"] is not None]
        expected += [[name, str(run)], *measured]
    body = [row for row in rows(compared.outcome.out) if set(row[0]) != {"-"}]
    assert body == expected
    shown = {row[0]: row[1:] for row in body}
    assert " to " in shown["fd_my_net"][0]
    lines = compared.outcome.out.splitlines()
    notes = [next(x for x in lines if x.startswith(f"{run}: dataset")) for run in compared.runs]
    assert "checkpoint_step 6, " in notes[0]
    assert "checkpoint_step 2, " in notes[1]
    assert all("seeds [4, 5, 6]" in line for line in notes)


def test_the_files_of_a_comparison_have_the_same_numbers(compared):
    folder = compared.folder
    assert {path.name for path in folder.iterdir()} == {
        "curves.png",
        *(f"comparison.{kind}" for kind in ("md", "json", "csv", "png")),
    }
    evaluations = json.loads((folder / "comparison.json").read_text())
    alone = [{k: e[k] for k in e if k != "ways"} for e in compared.evaluations]
    assert evaluations == alone
    assert rows((folder / "comparison.md").read_text()) == rows(compared.outcome.out)
    with (folder / "comparison.csv").open(newline="") as file:
        header, *lines = csv.reader(file)
    assert header == ["run", "metric", "value", "lowest", "highest", "protocol"]
    expected = [
        (evaluation["name"], name, entry)
        for evaluation in evaluations
        for name, entry in evaluation["metrics"].items()
    ]
    assert [tuple(line[:2]) for line in lines] == [(run, name) for run, name, _ in expected]
    for line, (_, _, entry) in zip(lines, expected, strict=True):
        assert json.loads(line[5]) == entry["protocol"]
        if entry["value"] is None:
            assert line[2:5] == ["", "", ""]
        else:
            numbers = [float(text) for text in line[2:5]]
            assert tuple(numbers) == (entry["value"], *report.low_middle_high(entry)[::2])


def test_the_curves_of_several_runs_are_panels_of_what_more_than_one_has_logged():
    one = [{"step": 5, "d_loss": 1.0, "metric_fid": 9.0}, {"step": 9, "d_loss": 2.0, "k": 1.0}]
    two = [{"step": 5, "metric_fid": 8.0, "k": 0.0}]
    (panel,) = evaluate_script.shared_curves({"one": one, "two": two})
    assert (panel.title, panel.log_y) == ("fid", True)
    assert panel.series == {"one": ((5,), (9.0,)), "two": ((5,), (8.0,))}
    assert evaluate_script.shared_curves({"one": one}) == []


def test_the_figure_of_a_comparison_shows_something(compared):
    picture = np.asarray(Image.open(compared.folder / "comparison.png").convert("L"))
    assert len(np.unique(picture)) > 10


def test_distances_are_named_after_the_file_of_the_network(compared, network):
    digest = hashlib.sha256(network.read_bytes()).hexdigest()
    for evaluation in compared.evaluations:
        metrics = evaluation["metrics"]
        assert list(metrics) == [
            *metrics_in("my_net"),
            *PIXELS,
            "path_length_my_net",
            *CONDITIONS,
            *FACTORS,
            *RECONSTRUCTIONS,
            *ANYWHERE,
        ]
        protocol = metrics["fd_my_net"]["protocol"]
        assert (protocol["features"], protocol["features_sha256"]) == ("my_net", digest)
        assert metrics["is_my_net"]["value"] is None
        assert "without classes" in metrics["is_my_net"]["protocol"]["reason"]


def test_without_test_images_the_training_images_are_compared_with(compared):
    metrics = compared.evaluations[1]["metrics"]
    for name in ("fd_my_net", "pixel_mean"):
        protocol = metrics[name]["protocol"]
        assert (protocol["split"], protocol["n_real"], protocol["n_fake"]) == ("train", 30, 20)
    assert metrics["pixel_mean"]["protocol"]["checkpoint_step"] == 2
    assert metrics["copied_share"]["value"] is None
    assert "not learnt from" in metrics["copied_share"]["protocol"]["reason"]


def test_without_labels_codes_are_na_with_the_reason(compared):
    metrics = compared.evaluations[1]["metrics"]
    for name in CODES + CLUSTERS:
        assert metrics[name]["value"] is None
        assert metrics[name]["protocol"]["reason"] == "noise has no labelled test images"


def test_the_training_images_can_be_asked_for(evaluate, digits):
    _, evaluation = evaluate("--metrics=pixel_mean", "--split=train", "--num_samples=5")
    protocol = evaluation["metrics"]["pixel_mean"]["protocol"]
    assert (protocol["split"], protocol["n_real"]) == ("train", 200)
    assert protocol["real"] == pytest.approx(np.load(digits)["x_train"].mean())


@pytest.fixture(scope="module")
def baselines(call, tmp_path_factory):
    """name -> evaluation, of a run on moving bars and of the baselines of these."""
    folder = tmp_path_factory.mktemp("baselines")
    path = folder / "moving.npz"
    np.savez(path, x_train=moving_bars(300, seed=1), x_test=moving_bars(150, seed=2))
    small = ("--model=gan", "--width=4", "--depth=1", "--batch_size=16", "--steps=2")
    assert call("train", *small, f"--dataset={path}", f"--outdir={folder / 'run'}").code == 0
    argv = ("--features=digits", "--num_samples=200", "--baselines", f"--outdir={folder / 'out'}")
    done = call("evaluate", f"--run={folder / 'run'}", *argv)
    assert (done.code, done.err) == (0, ""), done
    return {e["name"]: e for e in json.loads((folder / "out" / "comparison.json").read_text())}


def test_runs_on_the_same_images_are_columns_of_one_table(call, tiny_run, tmp_path):
    runs = [shutil.copytree(tiny_run.path, tmp_path / name) for name in ("one", "two")]
    argv = ("--metrics=pixel_mean,pixel_std", "--num_samples=5", f"--outdir={tmp_path / 'out'}")
    done = call("evaluate", f"--run={runs[0]},{runs[1]}", *argv)
    header, _, *body = rows(done.out)
    assert header == ["digits", *map(str, runs)]
    assert [row[0] for row in body] == ["pixel_mean", "pixel_std"]
    assert all(first == second != "n/a" for _, first, second in body)


def test_what_any_of_the_runs_lacks_is_refused_before_one_is_measured(
    call, tiny_run, unlabelled, network, tmp_path
):
    path = pathlib.Path(shutil.copytree(tiny_run.path, tmp_path / "digits"))
    argv = (f"--run={path},{unlabelled}", "--num_samples=5", f"--features={network}")
    refusal = call("evaluate", *argv, "--baselines").refusal()
    assert refusal.startswith("--baselines: it holds training images against test images")
    assert not (path / "evaluation.json").exists()
    refusal = call("evaluate", f"--run={path},{path}/", *argv[1:]).refusal()
    assert refusal.endswith("it names a run twice")


def test_baselines_stand_beside_the_run(baselines):
    _, *names = baselines
    assert names == ["training images", "blurred", "uniform noise"]
    for name in names:
        assert list(baselines[name]["metrics"]) == [*metrics_in("digits"), *PIXELS]
        protocol = baselines[name]["metrics"]["fd_digits"]["protocol"]
        assert (protocol["n_fake"], protocol["n_real"], protocol["seed"]) == (200, 150, 0)
        assert "checkpoint_step" not in protocol


def test_baselines_are_the_farther_off_the_worse_they_are(baselines):
    images, blurred, noise = (
        values_of(baselines[name]) for name in ("training images", "blurred", "uniform noise")
    )
    for name in ("fd_digits", "fd_digits_infinity"):
        assert images[name] < blurred[name] < noise[name], name
    for name in ("precision", "coverage"):
        assert images[name] > 0.9 > noise[name], name
    assert images["pixel_distance"] < noise["pixel_distance"]
    assert images["copied_share"] == images["distinct_share"] == 1.0
    assert noise["copied_share"] == 0.0


# What is refused.


def test_other_images_than_the_run_was_trained_on_are_refused(call, copied_run, tmp_path):
    saved = json.loads((copied_run / "config.json").read_text())
    saved["options"]["dataset"] = str(tmp_path / "other.npz")
    (copied_run / "config.json").write_text(json.dumps(saved))
    x = np.random.default_rng(0).integers(0, 256, (30, 28, 28)).astype(np.uint8)
    np.savez(tmp_path / "other.npz", x_train=x)
    refusal = call("evaluate", f"--run={copied_run}", "--num_samples=5").refusal()
    assert "images" in refusal
    assert not (copied_run / "evaluation.json").exists()


def test_a_missing_run_and_one_without_a_checkpoint_are_refused(call, copied_run, tmp_path):
    missing = tmp_path / "missing"
    assert f"{missing}: no run there" in call("evaluate", f"--run={missing}").refusal()
    assert not missing.exists()
    shutil.rmtree(copied_run / "checkpoints")
    refusal = call("evaluate", f"--run={copied_run}", "--num_samples=5").refusal()
    assert f"--run={copied_run}: it has no checkpoint yet" in refusal


def test_flags_are_checked_and_helped_with_before_tensorflow_is_imported(
    without_tensorflow, tmp_path
):
    lines = [
        ["--help"], [], ["--run=,"], ["--run=x", "--num_sample=9"], ["--run=x", "--num_samples=1"],
        ["--run=x", "--publish=perhaps"], ["--run=x", "--nopublish=true"], ["--run=x"],
        ["--run=x", "--split=validation"], ["--run=x", "--repeats=0"],
    ]  # fmt: skip
    help_, *refused = without_tensorflow("evaluate", lines, tmp_path)
    assert (help_.code, help_.err) == (0, "")
    assert help_.out.startswith("usage: python evaluate.py --run DIR[,DIR ...]")
    assert "\n  --num_samples  [10000]\n" in help_.out
    assert "\n  --publish  [False]\n" in help_.out
    assert "\n  --features  [auto]\n" in help_.out
    messages = [outcome.refusal() for outcome in refused]
    assert messages[0].startswith("--run: say which run directories")
    assert messages[1].startswith("--run: say which run directories")
    assert messages[2] == (
        "--num_sample: no such flag; did you mean --num_samples or --likelihood_samples?"
    )
    assert messages[3] == "--num_samples: expected an integer >= 2, got 1"
    assert "--publish=perhaps" in messages[4]
    assert "--nopublish" in messages[5]
    assert messages[6].startswith("x: no run there")
    assert messages[7] == "--split: expected one of test, train, got validation"
    assert messages[8] == "--repeats: expected an integer >= 1, got 0"


# What is published.

README = "<!-- results: training -->\n<!-- end of results -->\n\n" + (
    "<!-- results: metrics -->\n<!-- end of results -->\n"
)


def test_only_what_is_measured_as_the_tables_say_is_published(call, copied_run):
    for argv, told in (
        (["--num_samples=5", "--repeats=3"], "num_samples=10000"),
        ([], "repeats=3"),
        (["--repeats=3", "--split=train"], "split=test"),
    ):
        refusal = call("evaluate", f"--run={copied_run}", "--publish", *argv).refusal()
        assert refusal == f"--publish: the tables are made with --{told}"


@pytest.fixture
def published(tmp_path, monkeypatch):
    """metrics.report, writing into a folder of its own."""
    monkeypatch.setattr(report, "RESULTS", tmp_path / "assets" / "results.json")
    monkeypatch.setattr(report, "README", tmp_path / "README.md")
    monkeypatch.setattr(evaluate_script, "PUBLISHED", {})
    report.README.write_text(README)
    return report


def assert_nothing_published(published):
    assert not published.RESULTS.exists()
    assert published.README.read_text() == README


@pytest.fixture(scope="module")
def flagfile(tiny, tmp_path_factory):
    path = tmp_path_factory.mktemp("configs") / "tiny.txt"
    path.write_text("# A tiny run.\n" + "\n".join([*tiny, "--steps=4"]) + "\n")
    return path


def test_a_finished_run_of_a_flagfile_is_recorded_and_shown(call, flagfile, tmp_path, published):
    run = tmp_path / "run"
    done = call("train", f"--flagfile={flagfile}", "--seed=3", f"--outdir={run}")
    assert done.code == 0, done
    argv = (f"--run={run}", "--num_samples=5", "--metrics=pixel_mean,distinct_share")
    assert call("evaluate", *argv, "--nopublish").code == 0
    assert_nothing_published(published)
    refusal = call("evaluate", f"--run={run}", "--metrics=nmi", "--publish").refusal()
    assert refusal == "--metrics=nmi: GAN has no categorical code"
    assert_nothing_published(published)

    for _ in range(2):
        done = call("evaluate", *argv, "--publish")
        assert (done.code, done.err) == (0, ""), done
        (record,) = json.loads(published.RESULTS.read_text())
    assert list(record) == [
        "model", "dataset", "flagfile", "seed", "steps", "kimg", "wall_minutes", "machine",
        "metrics",
    ]  # fmt: skip
    last = json.loads((run / "metrics.jsonl").read_text().splitlines()[-1])
    environment = json.loads((run / "config.json").read_text())["environment"]
    assert (record["model"], record["dataset"]) == ("gan", "digits")
    assert (record["flagfile"], record["seed"]) == (str(flagfile), 3)
    assert (record["steps"], record["kimg"]) == (4, 0.064)
    assert record["wall_minutes"] == round(last["seconds"] / 60, 1)
    assert record["machine"] == environment["machine"]
    assert record["metrics"] == evaluation_of(run)["metrics"]
    for name in ("samples.png", "curves.png", "progress.gif", "neighbours.png"):
        copy = published.RESULTS.parent / "tiny-seed3" / name
        assert copy.read_bytes() == (run / name).read_bytes(), name
    assert published.README.read_text() == published.fill(README, [record])
    assert "[tiny](" in published.README.read_text()

    outdir = f"--outdir={tmp_path / 'comparison'}"
    assert call("evaluate", *argv, "--publish", "--baselines", outdir).code == 0
    records = json.loads(published.RESULTS.read_text())
    assert [(r["model"], r["flagfile"], r["dataset"]) for r in records] == [
        ("gan", str(flagfile), "digits"),
        ("blurred", "", "digits"),
        ("training images", "", "digits"),
        ("uniform noise", "", "digits"),
    ]
    assert all(list(r["metrics"]) == ["pixel_mean", "distinct_share"] for r in records)
    header, _, *body = rows(published.metrics_table(records))
    assert header == ["digits"]
    assert [name for (name,) in body] == [
        "tiny, seed 3", "blurred", "training images", "uniform noise"
    ]  # fmt: skip
    assert published.README.read_text() == published.fill(README, records)
    assert not (published.RESULTS.parent / "comparison").exists()


def test_the_figures_of_several_published_runs_are_copied(call, flagfile, tmp_path, published):
    runs = [tmp_path / f"run{seed}" for seed in range(2)]
    for seed, run in enumerate(runs):
        argv = (f"--flagfile={flagfile}", f"--seed={seed}", f"--outdir={run}")
        assert call("train", *argv).code == 0
    argv = ("--num_samples=5", "--metrics=pixel_mean", f"--outdir={tmp_path / 'study'}")
    listed = "--run=" + ",".join(map(str, runs))
    assert call("evaluate", listed, *argv, "--publish").code == 0
    for name in ("comparison.png", "curves.png"):
        copy = published.RESULTS.parent / "study" / name
        assert copy.read_bytes() == (tmp_path / "study" / name).read_bytes()


def test_a_run_that_a_flagfile_did_not_make_is_not_published(call, copied_run, published):
    refusal = call("evaluate", f"--run={copied_run}", "--publish").refusal()
    assert refusal == f"{copied_run}: only what a flagfile and a seed made is published"
    assert_nothing_published(published)
    assert not (copied_run / "evaluation.json").exists()


def test_a_run_with_flags_beside_its_flagfile_is_not_published(call, flagfile, tmp_path, published):
    run = tmp_path / "run"
    argv = (f"--flagfile={flagfile}", "--width=9", f"--outdir={run}")
    assert call("train", *argv).code == 0
    refusal = call("evaluate", f"--run={run}", "--publish").refusal()
    assert refusal == f"{run}: only what a flagfile and a seed made is published"
    assert_nothing_published(published)


def test_a_run_that_is_not_finished_is_not_published(
    call, flagfile, tmp_path, monkeypatch, published
):
    from training import callbacks

    after_step = callbacks.Log.after_step

    def stopped(log, scalars):
        after_step(log, scalars)
        if log.step == 3:
            os.kill(os.getpid(), signal.SIGTERM)

    run = pathlib.Path(tmp_path / "run")
    with monkeypatch.context() as patch:
        patch.setattr(callbacks.Log, "after_step", stopped)
        assert call("train", f"--flagfile={flagfile}", f"--outdir={run}").code == 143
    refusal = call("evaluate", f"--run={run}", "--publish").refusal()
    assert refusal == f"{run}: it is not finished (step 3)"
    (run / "metrics.jsonl").write_text("")
    assert "not finished" in call("evaluate", f"--run={run}", "--publish").refusal()
    assert_nothing_published(published)
    assert not (run / "evaluation.json").exists()
