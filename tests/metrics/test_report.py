"""Tables, cells and the README's blocks."""

import json
import subprocess
import sys

import pytest

from metrics import report


def record(**changes):
    """A record of results.json."""
    return {
        "model": "gan",
        "dataset": "MNIST",
        "flagfile": "configs/gan_mnist.txt",
        "seed": 0,
        "steps": 28110,
        "kimg": 1799.04,
        "wall_minutes": 12.3,
        "machine": "2 cores, no GPU",
        "metrics": {"pixel_mean": {"value": 33.25, "protocol": {"n_fake": 10000}}},
        **changes,
    }


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "n/a"),
        (0.0, "0"),
        (0.5, "0.5"),
        (1 / 3, "0.3333"),
        (0.00001234, "1.234e-05"),
        (123.456, "123.5"),
        (-2.0, "-2"),
        (999.94, "999.9"),
        (999.96, "1,000"),
        (1234.5678, "1,235"),
        (12345678.0, "12,345,678"),
        (float("nan"), "nan"),
        (7, "7"),
        (28110, "28,110"),
        ("text", "text"),
    ],
)
def test_a_cell_shows_four_digits_and_na_for_what_a_model_lacks(value, text):
    assert report.cell(value) == text


def test_a_table_lines_up_with_its_numbers_to_the_right():
    assert report.table(
        ["run", "fid", "note"],
        [["a", 1234.5678, "long note"], ["longer", None, ""], ["b", 0.25, "x"]],
    ).splitlines() == [
        "| run    |   fid | note      |",
        "| ------ | ----: | --------- |",
        "| a      | 1,235 | long note |",
        "| longer |   n/a |           |",
        "| b      |  0.25 | x         |",
    ]


def test_a_header_wider_than_its_column_sets_the_width():
    assert report.table(["distinct_share"], [[1.0]]).splitlines() == [
        "| distinct_share |",
        "| -------------: |",
        "|              1 |",
    ]


def test_a_row_of_another_length_is_refused():
    with pytest.raises(ValueError, match="argument"):
        report.table(["a", "b"], [[1.0]])


def test_without_records_a_table_has_its_header_alone():
    assert len(report.training_table([]).splitlines()) == 2


def test_the_training_table_links_the_flagfile():
    header, _, row = report.training_table([record()]).splitlines()
    assert [cell.strip() for cell in header.split("|")[1:-1]] == [
        "model", "dataset", "flagfile", "seed", "steps", "kimg", "minutes", "machine",
    ]  # fmt: skip
    assert [cell.strip() for cell in row.split("|")[1:-1]] == [
        "gan", "MNIST", "[gan_mnist](configs/gan_mnist.txt)", "0", "28,110", "1,799", "12.3",
        "2 cores, no GPU",
    ]  # fmt: skip


def test_a_metric_that_a_record_lacks_is_na_in_the_metrics_table():
    other = record(model="dcgan", seed=1, metrics={"fid": {"value": 7.5, "protocol": {}}})
    unable = record(metrics={"fid": {"value": None, "protocol": {}}})
    rows = [
        [cell.strip() for cell in line.split("|")[1:-1]]
        for line in report.metrics_table([record(), other, unable]).splitlines()
    ]
    assert rows[0] == ["model", "dataset", "seed", "pixel_mean", "fid"]
    assert rows[2:] == [
        ["gan", "MNIST", "0", "33.25", "n/a"],
        ["dcgan", "MNIST", "1", "n/a", "7.5"],
        ["gan", "MNIST", "0", "n/a", "n/a"],
    ]


README = """# Title

<!-- results: training -->
stale
<!-- end of results -->

Between.

<!-- results: metrics --><!-- not on a line of its own: no block -->

<!-- results: metrics -->
<!-- end of results -->

After.
"""


def test_fill_replaces_what_is_between_the_marks_and_nothing_else():
    filled = report.fill(README, [record()])
    assert filled.startswith(
        f"# Title\n\n<!-- results: training -->\n\n{report.training_table([record()])}"
    )
    assert "stale" not in filled
    assert filled.count("<!-- end of results -->") == 2
    assert report.metrics_table([record()]) in filled
    assert "\n\nBetween.\n\n" in filled
    assert filled.endswith("<!-- end of results -->\n\nAfter.\n")


def test_fill_a_second_time_changes_nothing_and_other_records_do():
    once = report.fill(README, [record()])
    assert report.fill(once, [record()]) == once
    assert report.fill(once, [record(steps=5)]) != once
    assert report.fill(report.fill(once, [record(steps=5)]), [record()]) == once


def test_fill_leaves_a_text_without_marks_alone():
    assert report.fill("no marks\n", [record()]) == "no marks\n"


@pytest.fixture
def published(tmp_path, monkeypatch):
    """Where publish writes in a test: results.json and README.md in a folder of its own."""
    monkeypatch.setattr(report, "RESULTS", tmp_path / "assets" / "results.json")
    monkeypatch.setattr(report, "README", tmp_path / "README.md")
    report.README.write_text(README)
    return report


@pytest.fixture
def run(tmp_path):
    """A folder with the pictures of a run."""
    folder = tmp_path / "run"
    folder.mkdir()
    for name in ("samples.png", "curves.png", "progress.gif", "real.png"):
        (folder / name).write_text(f"first {name}")
    return folder


def test_publish_keeps_one_record_a_flagfile_and_seed_in_order(published, run):
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
    assert published.README.read_text() == published.fill(README, records)


def test_publish_copies_the_pictures_of_the_run_and_those_of_a_new_one_over_them(published, run):
    folder = published.RESULTS.parent / "gan_mnist-seed4"
    for word in ("first", "second"):
        (run / "samples.png").write_text(f"{word} samples.png")
        published.publish(record(seed=4), run)
        assert {path.name: path.read_text() for path in folder.iterdir()} == {
            "samples.png": f"{word} samples.png",
            "curves.png": "first curves.png",
            "progress.gif": "first progress.gif",
        }


def test_write_readme_makes_the_tables_of_the_records_anew(published, run):
    published.publish(record(), run)
    whole = published.README.read_text()
    published.README.write_text(whole.replace("28,110", "99,999"))
    published.write_readme()
    assert published.README.read_text() == whole


def test_the_module_takes_no_arguments(root):
    done = subprocess.run(
        [sys.executable, "-m", "metrics.report", "extra"], cwd=root, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert done.stderr == "usage: python -m metrics.report (it takes no arguments)\n"
