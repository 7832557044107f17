"""evaluate.py of several runs, seeds and baselines."""

import csv
import hashlib
import json
import pathlib
import shutil
import types

import numpy as np
import pytest
from PIL import Image

from evaluation.reports import tables
from storage.run_directory import RunDirectory
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
    moving_bars,
    rows,
    values_of,
)

pytestmark = pytest.mark.usefixtures("cache")


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


@pytest.mark.slow
def test_repeats_records_the_median_the_values_and_the_seeds(compared, evaluate, network):
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


@pytest.mark.slow
def test_table_of_several_runs_is_one_per_data_set(compared):
    expected = []
    for run, name, evaluation in zip(
        compared.runs, ("digits", "noise"), compared.evaluations, strict=True
    ):
        entries = evaluation["metrics"].items()
        found = [(n, e) for n, e in entries if e["value"] is not None]
        measured = [[tables.with_arrow(n), tables.cell(e)] for n, e in found]
        expected += [[name, str(run)], *measured]
    body = [row for row in rows(compared.outcome.out) if set(row[0]) != {"-"}]
    assert body == expected
    shown = {row[0]: row[1:] for row in body}
    assert " to " in shown["fd_my_net ↓"][0]
    *lines, last = compared.outcome.out.splitlines()
    assert last.endswith(f"are in {compared.folder}")
    written = (compared.folder / "comparison.md").read_text().splitlines()
    assert not [line for line in lines if "checkpoint_step" in line]
    (lacking,) = (line for line in lines if line.startswith("n/a: "))
    assert lacking.endswith(" more; --verbose lists them with the reasons")
    notes = [next(x for x in written if x.startswith(f"{run}: dataset")) for run in compared.runs]
    assert "checkpoint_step 6, " in notes[0]
    assert "checkpoint_step 2, " in notes[1]
    assert all("seeds [4, 5, 6]" in line for line in notes)


@pytest.mark.slow
def test_comparison_files_have_the_same_numbers(compared):
    folder = compared.folder
    assert {path.name for path in folder.iterdir()} == {
        "curves.png",
        *(f"comparison.{kind}" for kind in ("md", "json", "csv", "png")),
    }
    evaluations = json.loads((folder / "comparison.json").read_text())
    alone = [{k: e[k] for k in e if k != "protocol_hashes"} for e in compared.evaluations]
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
            assert tuple(numbers) == (entry["value"], *tables.low_middle_high(entry)[::2])


def test_comparison_png_is_not_blank(compared):
    picture = np.asarray(Image.open(compared.folder / "comparison.png").convert("L"))
    assert len(np.unique(picture)) > 10


def test_distances_of_a_keras_file_are_named_after_it(compared, network):
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
        assert "no class logits" in metrics["is_my_net"]["protocol"]["reason"]


def test_split_without_test_images_is_train(compared):
    metrics = compared.evaluations[1]["metrics"]
    for name in ("fd_my_net", "pixel_mean"):
        protocol = metrics[name]["protocol"]
        assert (protocol["split"], protocol["n_real"], protocol["n_fake"]) == ("train", 30, 20)
    assert metrics["pixel_mean"]["protocol"]["checkpoint_step"] == 2
    assert metrics["copied_share"]["value"] is None
    assert "not trained on" in metrics["copied_share"]["protocol"]["reason"]


def test_codes_of_a_model_without_codes_are_na_with_reason(compared):
    metrics = compared.evaluations[1]["metrics"]
    reasons = {"GAN does not encode images", "GAN has no categorical code"}
    assert {metrics[name]["protocol"]["reason"] for name in CODES + CLUSTERS} == reasons
    assert all(metrics[name]["value"] is None for name in CODES + CLUSTERS)


def test_split_of_train_uses_the_training_images(evaluate, digits):
    _, evaluation = evaluate("--metrics=pixel_mean", "--split=train", "--num_samples=5")
    protocol = evaluation["metrics"]["pixel_mean"]["protocol"]
    assert (protocol["split"], protocol["n_real"]) == ("train", 200)
    assert protocol["real"] == pytest.approx(np.load(digits)["x_train"].mean())


@pytest.fixture(scope="module")
def baselines(call, tmp_path_factory):
    """Name -> evaluation, of a run on moving bars and of its baselines."""
    folder = tmp_path_factory.mktemp("baselines")
    path = folder / "moving.npz"
    np.savez(path, x_train=moving_bars(300, seed=1), x_test=moving_bars(150, seed=2))
    small = ("--model=gan", "--width=4", "--depth=1", "--batch_size=16", "--steps=2")
    assert call("train", *small, f"--dataset={path}", f"--outdir={folder / 'run'}").code == 0
    argv = ("--features=digits", "--num_samples=200", "--baselines", f"--outdir={folder / 'out'}")
    done = call("evaluate", f"--run={folder / 'run'}", *argv)
    assert (done.code, done.err) == (0, ""), done
    return {e["name"]: e for e in json.loads((folder / "out" / "comparison.json").read_text())}


@pytest.mark.slow
def test_table_of_runs_on_the_same_images_has_a_column_per_run(call, tiny_run, tmp_path):
    runs = [shutil.copytree(tiny_run.path, tmp_path / name) for name in ("one", "two")]
    argv = ("--metrics=pixel_mean,pixel_std", "--num_samples=5", f"--outdir={tmp_path / 'out'}")
    done = call("evaluate", f"--run={runs[0]},{runs[1]}", *argv)
    header, _, *body = rows(done.out)
    assert header == ["digits", *map(str, runs)]
    assert [row[0] for row in body] == ["pixel_mean", "pixel_std"]
    assert all(first == second != "n/a" for _, first, second in body)


def test_configuration_of_runs_is_equal_if_they_differ_in_the_seed_alone(tiny_run, tmp_path):
    from training.evaluating import configuration_of

    found = {}
    for name, part, key, value in (
        ("same", "options", "outdir", "elsewhere"),
        ("seed", "options", "seed", 77),
        ("rate", "hyperparameters", "g_learning_rate", 0.5),
        ("data", "data", "fingerprint", "0" * 64),
    ):
        config = json.loads((tiny_run.path / "config.json").read_text())
        config[part][key] = value
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text(json.dumps(config))
        found[name] = configuration_of(RunDirectory(tmp_path / name))
    assert found["same"] == found["seed"]
    assert len({*found.values()}) == 3


def test_evaluate_of_several_runs_with_an_invalid_one_measures_none(
    call, tiny_run, unlabelled, network, tmp_path
):
    path = pathlib.Path(shutil.copytree(tiny_run.path, tmp_path / "digits"))
    argv = (f"--run={path},{unlabelled}", "--num_samples=5", f"--features={network}")
    refusal = call("evaluate", *argv, "--baselines").refusal()
    assert (
        refusal
        == "--baselines: requires test images; set --split=test and a data set with test images"
    )
    assert not (path / "evaluation.json").exists()
    refusal = call("evaluate", f"--run={path},{path}/", *argv[1:]).refusal()
    assert refusal.endswith("a run is given twice")


@pytest.mark.slow
def test_baselines_are_measured_beside_the_run(baselines):
    _, *names = baselines
    assert names == ["training images", "blurred", "uniform noise"]
    for name in names:
        assert list(baselines[name]["metrics"]) == [*metrics_in("digits"), *PIXELS]
        protocol = baselines[name]["metrics"]["fd_digits"]["protocol"]
        assert (protocol["n_fake"], protocol["n_real"], protocol["seed"]) == (200, 150, 0)
        assert "checkpoint_step" not in protocol


@pytest.mark.slow
def test_baselines_of_worse_images_have_worse_values(baselines):
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
