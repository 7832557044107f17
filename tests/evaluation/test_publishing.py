"""Publishing: records of results.json, pictures that a page shows, and generated tables."""

import json
import subprocess
import sys

import imageio.v3 as iio
import numpy as np
import pytest

import plotting
from evaluation.reports import pages, publishing, redrawing
from tests.evaluation.cases import PAGE, baseline, entry, record

SHOWN = """
![Samples](../assets/gan_mnist-seed4/samples.png)
![Code](../assets/gan_mnist-seed4/traversals/code-1-span-2.png)
![Film](../assets/gan_mnist-seed4/progress.gif)
![Comparison](../assets/study/comparison.png)
"""


@pytest.fixture
def published(tmp_path, monkeypatch):
    """Redirect results.json, the pages and assets/ to a folder of the test."""
    monkeypatch.setattr(publishing, "RESULTS", tmp_path / "docs" / "results.json")
    monkeypatch.setattr(publishing, "ASSETS", tmp_path / "assets")
    monkeypatch.setattr(pages, "ROOT", tmp_path)
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "page.md").write_text(PAGE + SHOWN)
    return publishing


def page():
    """Return the text of the page."""
    return (pages.ROOT / "docs" / "page.md").read_text()


def generated(records):
    """Return the page with its tables generated from records."""
    return pages.fill(PAGE + SHOWN, records, pages.ROOT / "docs")


@pytest.fixture
def run(tmp_path):
    """A folder with the pictures of a run."""
    folder = tmp_path / "run"
    folder.mkdir()
    for name in ("samples.png", "curves.png", "real.png"):
        (folder / name).write_text(f"first {name}")
    frames = [np.full((8, 8, 1), 6 * k, np.uint8) for k in range(40)]
    plotting.save_gif(folder / "progress.gif", frames)
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
    assert page() == generated(records)


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
    assert page() == generated(records)


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
    assert page() == PAGE + SHOWN


def test_publish_copies_the_pictures_that_a_page_shows(published, run):
    (run / "traversals").mkdir()
    for name in ("code-0-span-1.png", "code-1-span-2.png"):
        (run / "traversals" / name).write_text(name)
    for word in ("first", "second"):
        (run / "samples.png").write_text(f"{word} samples.png")
        published.publish(record(seed=4), run)
        folder = published.ASSETS / "gan_mnist-seed4"
        assert (folder / "samples.png").read_text() == f"{word} samples.png"
    copies = {str(path.relative_to(folder)) for path in folder.rglob("*.*")}
    assert copies == {"samples.png", "progress.gif", "traversals/code-1-span-2.png"}
    assert len(iio.imread(folder / "progress.gif")) == 24
    published.publish(record(seed=5), run)
    assert not (published.ASSETS / "gan_mnist-seed5").exists()


def test_copy_pictures_of_a_comparison_uses_its_name(published, tmp_path):
    folder = tmp_path / "runs" / "study"
    folder.mkdir(parents=True)
    for name in ("comparison.png", "curves.png", "comparison.csv"):
        (folder / name).write_text(name)
    published.copy_pictures(folder, folder.name)
    copies = (published.ASSETS / "study").iterdir()
    assert {path.name: path.read_text() for path in copies} == {"comparison.png": "comparison.png"}


def test_write_regenerates_the_tables_of_the_pages(published, run):
    published.publish(record(), run)
    whole = page()
    (pages.ROOT / "docs" / "page.md").write_text(whole.replace("28,110", "99,999"))
    pages.write(published.read_results())
    assert page() == whole


CLUSTERED = {
    "cluster_accuracy": entry(
        1.0, mapping=[1, 0], confusion=[[0, 3], [5, 0]], class_names=["a", "b"]
    )
}


def test_redraw_draws_the_pictures_of_records_that_a_page_shows(published):
    """The pictures of runs without a record and pictures that need the run are kept."""
    shown = "![x](../assets/{}/{})\n"
    folders = ("gan_mnist-seed4", "gan_mnist-seed5")
    names = ("confusion.png", "codes.png", "curves.png")
    text = "".join(shown.format(folder, name) for folder in folders for name in names)
    (pages.ROOT / "docs" / "page.md").write_text(text)
    for folder in folders:
        (published.ASSETS / folder).mkdir(parents=True)
        for name in names:
            (published.ASSETS / folder / name).write_text("old")
    redrawing.redraw([record(seed=4, metrics=CLUSTERED)])
    drawn = {
        str(path.relative_to(published.ASSETS))
        for path in published.ASSETS.rglob("*.png")
        if path.read_bytes() != b"old"
    }
    assert drawn == {"gan_mnist-seed4/confusion.png"}
    assert iio.imread(published.ASSETS / "gan_mnist-seed4" / "confusion.png").ndim == 3


def test_redraw_of_a_study_has_a_row_per_flagfile(published, monkeypatch):
    configs = pages.ROOT / "configs"
    (configs / "studies").mkdir(parents=True)
    files = [f"configs/{name}_mnist.txt" for name in ("gan", "dcgan")]
    (configs / "gan_mnist.txt").write_text("--model=gan\n--outdir=runs/gan-mnist\n")
    (configs / "dcgan_mnist.txt").write_text("--seed=3\n--outdir=runs/dcgan-mnist\n")
    study = f"# A study.\n--configs={','.join(files)}\n--seeds=3,4\n--outdir=runs/study\n"
    (configs / "studies" / "study.txt").write_text(study)
    records = [
        record(flagfile=file, seed=seed, metrics={"fid": entry(float(seed + k), model="gan")})
        for k, file in enumerate(files)
        for seed in (3, 4)
    ]
    drawn = []
    monkeypatch.setattr(redrawing.plotting, "save_dots", lambda *given: drawn.append(given))
    redrawing.redraw(records[1:])
    assert drawn == []  # one of the runs is not published
    redrawing.redraw(records)
    ((path, (fid,), title),) = drawn
    assert path == published.ASSETS / "study" / "comparison.png"
    assert title == "gan on MNIST"
    assert fid.values == {"gan_mnist": (3.0, 3.5, 4.0), "dcgan_mnist": (4.0, 4.5, 5.0)}
    assert fid.seeds == {"gan_mnist": [3.0, 4.0], "dcgan_mnist": [4.0, 5.0]}


def test_reports_module_with_arguments_ends_with_usage(root):
    done = subprocess.run(
        [sys.executable, "-m", "evaluation.reports", "extra"],
        cwd=root,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert done.stderr == "usage: python -m evaluation.reports (it takes no arguments)\n"
