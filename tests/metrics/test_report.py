"""Tables, cells and the README's blocks."""

import json
import subprocess
import sys

import pytest

from metrics import report
from metrics.measurement import Measurement
from training import evaluation


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


def entry(value, **protocol):
    """A measured metric, as it stands in a record."""
    return {"value": value, "protocol": protocol}


def cells(table):
    """The cells of a Markdown table's lines, but for the one below the header."""
    lines = [line.split("|")[1:-1] for line in table.splitlines()]
    return [[cell.strip() for cell in line] for line in [lines[0], *lines[2:]]]


def test_a_measured_metric_is_shown_with_its_range_if_there_were_several_seeds():
    assert report.cell(entry(7.25, seed=0)) == "7.25"
    assert report.cell(entry(7.25, seed=0, spread=0.1234)) == "7.25 ± 0.12"
    assert report.cell(entry(7.25, seed=0, spread=0.0)) == "7.25"
    assert report.cell(entry(None, reason="no classes")) == "n/a"
    assert report.cell(entry(2.5, values=[3.0, 1.0, 2.5], seeds=[0, 1, 2])) == "2.5 (1 to 3)"


def test_a_metric_of_a_code_names_it_unless_the_seeds_differ():
    assert report.cell(entry(0.9, code=1)) == "0.9, code 1"
    several = {"seeds": [0, 1], "values": [0.85, 0.95]}
    assert report.cell(entry(0.9, code=0, **several)) == "0.9 (0.85 to 0.95), code 0"
    assert report.cell(entry(0.9, code=[0, 1], **several)) == "0.9 (0.85 to 0.95)"


def test_measured_metrics_stand_to_the_right_like_numbers():
    lines = report.table(["a"], [[entry(1.0)], [entry(22.5)], [None]]).splitlines()
    assert lines[1:] == ["| ---: |", "|    1 |", "| 22.5 |", "|  n/a |"]


def test_over_seeds_one_value_stays_and_several_give_their_median():
    first = Measurement(5.0, {"n_fake": 10, "spread": 0.1})
    assert report.over_seeds([first], [7]) == Measurement(5.0, {**first.protocol, "seed": 7})
    others = [Measurement(value, {"n_fake": 10, "spread": 0.2}) for value in (1.0, 2.0)]
    metric = report.over_seeds([first, *others], [7, 8, 9])
    assert metric.value == 2.0
    assert metric.protocol["seeds"] == [7, 8, 9]
    assert metric.protocol["values"] == [5.0, 1.0, 2.0]
    assert "seed" not in metric.protocol
    assert report.over_seeds([first, others[0]], [0, 1]).value == 3.0


def test_over_seeds_what_not_all_protocols_say_is_listed():
    silent, telling = Measurement(1.0), Measurement(2.0, {"singular_covariance": "fake"})
    for metrics, listed in (
        ([silent, telling], [None, "fake"]),
        ([telling, silent], ["fake", None]),
    ):
        assert report.over_seeds(metrics, [0, 1]).protocol["singular_covariance"] == listed


def test_over_seeds_what_one_of_them_lacks_is_lacking_with_the_reason():
    lacking = Measurement(None, {"reason": "too few"})
    found = report.over_seeds([Measurement(1.0), lacking], [0, 1])
    assert found == Measurement(None, {"reason": "too few", "seeds": [0, 1]})
    assert report.over_seeds([lacking], [3]).protocol["reason"] == "too few"


def test_low_middle_high():
    assert report.low_middle_high(None) is None
    assert report.low_middle_high(entry(None, reason="no")) is None
    assert report.low_middle_high(entry(4.0, seed=0)) == (4.0, 4.0, 4.0)
    assert report.low_middle_high(entry(2.5, values=[3.0, 1.0, 2.5])) == (1.0, 2.5, 3.0)


@pytest.mark.parametrize(
    ("direction", "names"),
    [
        ("lower", ["fid", "fid_infinity", "fid_256", "kid", "fd_digits", "kd_digits",
                   "pixel_distance", "copied_share"]),
        ("higher", ["inception_score", "is_digits", "precision", "recall", "density", "coverage",
                    "distinct_share", "knn1_accuracy", "linear_probe_accuracy",
                    "cluster_accuracy", "nmi", "ari", "slant_correlation",
                    "thickness_correlation", "mutual_information_gap"]),
        ("", ["pixel_mean", "pixel_std", "class_change"]),
    ],
)  # fmt: skip
def test_which_way_is_better(direction, names):
    assert {name: report.better(name) for name in names} == dict.fromkeys(names, direction)


def test_a_table_has_a_row_for_each_metric_that_any_has_and_a_column_for_each():
    lacking = entry(None, reason="x")
    one = {"name": "one", "dataset": "A", "metrics": {"fid": lacking, "nmi": entry(0.5)}}
    two = {"name": "two", "dataset": "A", "metrics": {"fid": lacking, "ari": entry(0.25)}}
    assert report.metric_names([one, two]) == ["nmi", "ari"]
    assert cells(report.tables([one, two])) == [
        ["A", "one", "two"],
        ["nmi", "0.5", "n/a"],
        ["ari", "n/a", "0.25"],
    ]


def test_each_data_set_has_a_table_of_its_own():
    one, two, three = (
        {"name": name, "dataset": dataset, "metrics": {"fid": entry(value)}}
        for name, dataset, value in (("one", "B", 1.0), ("two", "A", 2.0), ("three", "B", 3.0))
    )
    assert report.by_dataset([one, two, three]) == {"B": [one, three], "A": [two]}
    first, second = report.tables([one, two, three]).split("\n\n")
    assert cells(first) == [["B", "one", "three"], ["fid", "1", "3"]]
    assert cells(second) == [["A", "two"], ["fid", "2"]]


def test_csv_rows_have_every_metric_with_its_range_and_protocol():
    metrics = {"fid": entry(2.5, values=[3.0, 2.0]), "nmi": entry(None, reason="none")}
    rows = list(report.csv_rows([{"name": "one", "metrics": metrics}]))
    assert [row[:-1] for row in rows] == [
        ["one", "fid", 2.5, 2.0, 3.0],
        ["one", "nmi", "", "", ""],
    ]
    assert [json.loads(row[-1]) for row in rows] == [m["protocol"] for m in metrics.values()]


def test_notes_say_the_protocol_the_reasons_and_the_seconds():
    metrics = {
        "fid": entry(
            2.0, n_fake=50, features="inception", features_sha256="0123456789" * 6, split="test"
        ),
        "fid_256": entry(1.0, n_fake=256, split="test"),
        "nmi": entry(None, reason="no labels"),
        "ari": entry(None, reason="no labels"),
    }
    assert report.notes({"name": "one", "metrics": metrics, "seconds": {"loading": 1.5}}) == (
        "one: split test\n"
        "  fid: n_fake 50, features inception, features_sha256 012345678901\n"
        "  fid_256: n_fake 256\n"
        "  n/a: nmi, ari: no labels\n"
        "  seconds: loading 1.5"
    )


def baseline(**changes):
    """A record of what a baseline measures."""
    return {
        "model": "uniform noise",
        "dataset": "MNIST",
        "flagfile": "",
        "seed": 0,
        "metrics": {"pixel_mean": entry(127.5, n_fake=10000)},
        **changes,
    }


def test_a_baseline_was_not_trained():
    table = report.training_table([baseline(), record(), baseline(dataset="CIFAR10")])
    assert table == report.training_table([record()])


def test_the_metrics_have_a_table_for_each_data_set_with_a_row_for_each_record():
    other = record(
        model="dcgan",
        flagfile="configs/dcgan_mnist.txt",
        seed=1,
        metrics={"fid": entry(7.5), "recall": entry(0.5)},
    )
    unable = record(seed=2, metrics={"fid": entry(None, reason="no")})
    elsewhere = record(dataset="CIFAR10", metrics={"fid": entry(30.0)})
    first, second = report.metrics_table([elsewhere, baseline(), record(), other, unable]).split(
        "\n\n"
    )
    assert cells(first) == [["CIFAR10", "fid"], ["gan_mnist, seed 0", "30"]]
    assert cells(second) == [
        ["MNIST", "fid", "recall"],
        ["uniform noise", "n/a", "n/a"],
        ["gan_mnist, seed 0", "n/a", "n/a"],
        ["dcgan_mnist, seed 1", "7.5", "0.5"],
        ["gan_mnist, seed 2", "n/a", "n/a"],
    ]


def test_the_metrics_of_the_readme_are_those_that_models_are_compared_by():
    kept = ("fid", "fd_digits", "is_digits", "precision", "copied_share", "conditional_accuracy")
    left = ("fid_infinity", "fd_digits_256", "pixel_mean", "distinct_share")
    metrics = {name: entry(1.0) for name in (*left, *kept)}
    header, _ = cells(report.metrics_table([record(metrics=metrics)]))
    assert header == ["MNIST", *kept]


def test_codes_have_a_table_of_their_own_with_the_median_of_the_training_seeds():
    def trained(seed, accuracy, slant=None, **changes):
        slant = {"slant_correlation": entry(slant, **({} if slant else {"reason": "no"}))}
        metrics = {"fid": entry(7.5), "cluster_accuracy": entry(accuracy), **slant}
        return record(seed=seed, metrics=metrics, **changes)

    records = [
        record(metrics={"fid": entry(1.0)}, flagfile="configs/dcgan_mnist.txt"),
        *(trained(0, 0.7, 0.9), trained(1, 0.9, 0.8), trained(2, 0.8)),
        trained(0, 0.5, 0.6, flagfile="configs/other.txt"),
        trained(0, 0.25, dataset="CIFAR10"),
        baseline(),
    ]
    first, second = report.codes_table(records).split("\n\n")
    assert cells(first) == [
        ["MNIST", "cluster_accuracy", "slant_correlation"],
        ["gan_mnist, seed 0", "0.7", "0.9"],
        ["gan_mnist, seed 1", "0.9", "0.8"],
        ["gan_mnist, seed 2", "0.8", "n/a"],
        ["gan_mnist, median of 3 seeds", "0.8 (0.7 to 0.9)", "n/a"],
        ["other, seed 0", "0.5", "0.6"],
    ]
    assert cells(second) == [["CIFAR10", "cluster_accuracy"], ["gan_mnist, seed 0", "0.25"]]
    assert "cluster" not in report.metrics_table(records)
    assert "correlation" not in report.metrics_table(records)


def test_each_metric_of_codes_is_in_their_table():
    names = [*evaluation.FACTORS, *evaluation.CODES, *evaluation.CLUSTERS]
    table = report.codes_table([record(metrics={name: entry(0.5) for name in names})])
    assert cells(table)[0] == ["MNIST", *names]


def test_a_batch_of_samples_is_held_beside_all_of_them():
    def trained(seed, all_of_them, batch):
        names = ("fd_digits", "fd_digits_256", "is_digits", "is_digits_256", "precision")
        values = (all_of_them, batch, 9.5, 9.0, 0.5)
        metrics = {name: entry(value) for name, value in zip(names, values, strict=True)}
        return record(seed=seed, metrics=metrics)

    table = report.protocols_table([trained(0, 1.0, 2.5), trained(1, 2.0, 3.5)])
    assert cells(table) == [
        ["MNIST", "fd_digits", "fd_digits_256", "is_digits", "is_digits_256"],
        ["gan_mnist, seed 0", "1", "2.5", "9.5", "9"],
        ["gan_mnist, seed 1", "2", "3.5", "9.5", "9"],
        ["gan_mnist, median of 2 seeds", "1.5 (1 to 2)", "3 (2.5 to 3.5)", "9.5", "9"],
    ]
    assert "_256" not in report.metrics_table([trained(0, 1.0, 2.5)])


def test_a_table_of_metrics_lines_up_under_a_long_or_a_short_name():
    for name in ("A", "A_VERY_LONG_NAME_OF_A_SET"):
        table = report.metrics_table([record(dataset=name)])
        assert len({len(line) for line in table.splitlines()}) == 1, table


def test_without_records_there_is_no_table_of_metrics():
    assert report.metrics_table([]) == ""


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


def test_a_block_may_be_of_some_models_alone():
    records = [record(model=name) for name in ("gan", "dcgan", "bigan")]
    text = "<!-- results: training{} -->\n<!-- end of results -->\n"
    filled = report.fill(text.format(" of gan, bigan"), records)
    assert report.training_table([records[0], records[2]]) in filled
    assert report.fill(filled, records) == filled
    assert report.training_table(records) in report.fill(text.format(""), records)


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


def test_the_baselines_of_a_set_stand_beside_its_runs_once_each(published, run):
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
    assert published.README.read_text() == published.fill(README, records)


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
    assert published.README.read_text() == README


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


def test_publish_copies_the_pictures_of_traversals_but_not_their_films(published, run):
    (run / "traversals").mkdir()
    for name in ("code-0-span-1.png", "code-1-span-2.png", "code-0-span-1.gif"):
        (run / "traversals" / name).write_text(name)
    published.publish(record(), run)
    copies = (published.RESULTS.parent / "gan_mnist-seed0" / "traversals").iterdir()
    assert {path.name for path in copies} == {"code-0-span-1.png", "code-1-span-2.png"}


def test_the_figures_of_a_comparison_are_copied_by_its_name(published, tmp_path):
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
