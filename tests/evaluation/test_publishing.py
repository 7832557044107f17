"""Publishing: records of results.json, the pictures beside it, and the README."""

import json
import subprocess
import sys

import pytest

from evaluation.reports import publishing, readme
from tests.evaluation.cases import README, baseline, entry, record


@pytest.fixture
def published(tmp_path, monkeypatch):
    """Redirect the published results.json and README.md to a folder of the test."""
    monkeypatch.setattr(publishing, "RESULTS", tmp_path / "assets" / "results.json")
    monkeypatch.setattr(readme, "README", tmp_path / "README.md")
    readme.README.write_text(README)
    return publishing


@pytest.fixture
def run(tmp_path):
    """A folder with the pictures of a run."""
    folder = tmp_path / "run"
    folder.mkdir()
    for name in ("samples.png", "curves.png", "progress.gif", "real.png"):
        (folder / name).write_text(f"first {name}")
    return folder


def test_publish_keeps_one_record_per_flagfile_and_seed_in_order(published, run):
    assert published.read_results() == []
    published.publish(record(seed=1), run)
    published.publish(record(seed=0), run)
    published.publish(record(flagfile="configs/dcgan_mnist.txt", model="dcgan"), run)
    published.publish(record(dataset="CIFAR10", flagfile="configs/gan_cifar10.txt"), run)
    published.publish(record(seed=1, steps=99), run)
    records = json.loads(published.RESULTS.read_text())
    assert [(r["flagfile"], r["seed"], r["steps"]) for r in records] == [
        ("configs/gan_cifar10.txt", 0, 28110),
        ("configs/dcgan_mnist.txt", 0, 28110),
        ("configs/gan_mnist.txt", 0, 28110),
        ("configs/gan_mnist.txt", 1, 99),
    ]
    assert readme.README.read_text() == readme.fill(README, records)


def test_publish_baselines_replaces_those_of_the_data_set(published, run):
    published.publish(record(), run)
    for value in (1.0, 2.0):
        measured = [
            {"name": name, "dataset": dataset, "metrics": {"pixel_mean": entry(value)}}
            for dataset, name in (
                ("MNIST", "training images"), ("MNIST", "blurred"), ("CIFAR10", "training images")
            )
        ]  # fmt: skip
        published.publish_baselines(measured)
    records = json.loads(published.RESULTS.read_text())
    assert [(r["dataset"], r["flagfile"], r["model"], r["seed"]) for r in records] == [
        ("CIFAR10", "", "training images", 0),
        ("MNIST", "configs/gan_mnist.txt", "gan", 0),
        ("MNIST", "", "blurred", 0),
        ("MNIST", "", "training images", 0),
    ]
    assert records[1] == record()
    assert records[2] == baseline(model="blurred", metrics={"pixel_mean": entry(2.0)})
    assert readme.README.read_text() == readme.fill(README, records)


def test_add_replaces_a_record_of_the_same_set_flagfile_model_and_seed_alone(published):
    for changes in ({}, {"seed": 1}, {"model": "dcgan"}, {"dataset": "CIFAR10"}, {"steps": 7}):
        published.add(record(**changes))
    records = published.read_results()
    assert [(r["dataset"], r["model"], r["seed"], r["steps"]) for r in records] == [
        ("CIFAR10", "gan", 0, 28110),
        ("MNIST", "dcgan", 0, 28110),
        ("MNIST", "gan", 0, 7),
        ("MNIST", "gan", 1, 28110),
    ]
    assert readme.README.read_text() == README


def test_publish_of_a_new_run_replaces_the_pictures(published, run):
    folder = published.RESULTS.parent / "gan_mnist-seed4"
    for word in ("first", "second"):
        (run / "samples.png").write_text(f"{word} samples.png")
        published.publish(record(seed=4), run)
        assert {path.name: path.read_text() for path in folder.iterdir()} == {
            "samples.png": f"{word} samples.png",
            "curves.png": "first curves.png",
            "progress.gif": "first progress.gif",
        }


def test_publish_copies_the_pictures_of_traversals_without_gifs(published, run):
    (run / "traversals").mkdir()
    for name in ("code-0-span-1.png", "code-1-span-2.png", "code-0-span-1.gif"):
        (run / "traversals" / name).write_text(name)
    published.publish(record(), run)
    copies = (published.RESULTS.parent / "gan_mnist-seed0" / "traversals").iterdir()
    assert {path.name for path in copies} == {"code-0-span-1.png", "code-1-span-2.png"}


def test_publish_comparison_copies_its_figures_under_its_name(published, tmp_path):
    folder = tmp_path / "runs" / "study"
    folder.mkdir(parents=True)
    for name in ("comparison.png", "curves.png", "comparison.csv"):
        (folder / name).write_text(name)
    published.publish_comparison(folder)
    copies = (published.RESULTS.parent / "study").iterdir()
    assert {path.name: path.read_text() for path in copies} == {
        "comparison.png": "comparison.png",
        "curves.png": "curves.png",
    }


def test_write_regenerates_the_tables_of_the_readme(published, run):
    published.publish(record(), run)
    whole = readme.README.read_text()
    readme.README.write_text(whole.replace("28,110", "99,999"))
    readme.write(published.read_results())
    assert readme.README.read_text() == whole


def test_reports_module_with_arguments_ends_with_usage(root):
    done = subprocess.run(
        [sys.executable, "-m", "evaluation.reports", "extra"],
        cwd=root,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert done.stderr == "usage: python -m evaluation.reports (it takes no arguments)\n"
