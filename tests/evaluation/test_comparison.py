"""Comparisons of several evaluations: CSV, directions, scales and shared curves."""

import json

import pytest

from evaluation.reports import comparison, comparison_figures, groups
from plotting.looks import in_order
from tests.evaluation.cases import cells, entry


def test_csv_rows_have_every_metric_with_its_range_and_protocol():
    metrics = {"fid": entry(2.5, values=[3.0, 2.0]), "nmi": entry(None, reason="none")}
    rows = list(comparison.csv_rows([{"name": "one", "metrics": metrics}]))
    assert [row[:-1] for row in rows] == [
        ["one", "fid", 2.5, 2.0, 3.0],
        ["one", "nmi", "", "", ""],
    ]
    assert [json.loads(row[-1]) for row in rows] == [m["protocol"] for m in metrics.values()]


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
def test_direction_of_a_metric_is_lower_higher_or_none(direction, names):
    assert {name: comparison_figures.direction(name) for name in names} == dict.fromkeys(
        names, direction
    )


@pytest.mark.parametrize("name", ["fid", "kid_", "precision", "path_length_digits", "is_digits"])
def test_is_logarithmic_is_true_of_fid_and_false_of_other_metrics(name):
    assert comparison_figures.is_logarithmic(name) is (name == "fid")


@pytest.mark.parametrize("name", ["fid_infinity", "fid_256", "kid", "fd_a_b", "kd_a", "fd_a_256"])
def test_is_logarithmic_is_true_of_distances(name):
    assert comparison_figures.is_logarithmic(name)


@pytest.mark.parametrize(
    ("names", "configurations", "rows"),
    [
        (["runs/a", "runs/b"], {}, {"a": ["runs/a"], "b": ["runs/b"]}),
        (["x/run", "y/run"], {}, {"x/run": ["x/run"], "y/run": ["y/run"]}),
        (["r/a-seed0", "r/b-seed0", "r/a-seed1", "training images"],
         {"r/a-seed0": "A", "r/b-seed0": "B", "r/a-seed1": "A"},
         {"a": ["r/a-seed0", "r/a-seed1"], "b-seed0": ["r/b-seed0"],
          "training images": ["training images"]}),
        (["r/dcgan-64", "r/dcgan-64-seed1", "r/dcgan-64-seed10"], dict.fromkeys(
            ["r/dcgan-64", "r/dcgan-64-seed1", "r/dcgan-64-seed10"], "A"),
         {"dcgan-64": ["r/dcgan-64", "r/dcgan-64-seed1", "r/dcgan-64-seed10"]}),
        (["r/one", "r/two"], {"r/one": "A", "r/two": "A"}, {"one, two": ["r/one", "r/two"]}),
        (["wide", "wild"], {"wide": "A", "wild": "A"}, {"wide, wild": ["wide", "wild"]}),
        (["gan-small", "gan-smooth"], dict.fromkeys(["gan-small", "gan-smooth"], "A"),
         {"gan": ["gan-small", "gan-smooth"]}),
        (["gan_s10", "gan_s11"], {"gan_s10": "A", "gan_s11": "A"}, {"gan": ["gan_s10", "gan_s11"]}),
        (["x0", "x1", "x2", "x3"], {"x0": "A", "x1": "A", "x2": "B", "x3": "B"},
         {"x0, x1": ["x0", "x1"], "x2, x3": ["x2", "x3"]}),
        (["a", "b", "blurred", "blurred"], {"a": "A", "b": "B"},
         {"a": ["a"], "b": ["b"], "blurred": ["blurred"]}),  # of two data sets
    ],
)  # fmt: skip
def test_rows_of_runs_are_their_configurations(names, configurations, rows):
    found = comparison_figures.rows_of(names, configurations)
    assert {label: list(runs) for label, runs in found.items()} == rows
    assert list(found) == list(rows)


def evaluation(name, dataset="MNIST", **metrics):
    return {"name": name, "dataset": dataset, "metrics": metrics}


def test_metric_panels_have_the_mean_the_seeds_and_the_range_of_a_configuration():
    evaluations = [
        evaluation("a0", fid=entry(2.0, values=[1.0, 2.0, 3.0]), nmi=entry(0.5)),
        evaluation("a1", fid=entry(4.0, values=[4.0, 5.0, 3.5]), nmi=entry(None, reason="none")),
        evaluation("b", fid=entry(7.0)),
    ]
    rows = {"a": ["a0", "a1"], "b": ["b"]}
    fid, nmi = comparison_figures.metric_panels(evaluations, rows)
    assert (fid.title, fid.log, fid.better) == ("fid", True, "lower")
    assert fid.values == {"a": (1.0, 3.0, 5.0), "b": (7.0, 7.0, 7.0)}
    assert fid.seeds == {"a": [2.0, 4.0]}
    assert nmi.values == {"a": None, "b": None}
    assert nmi.seeds == {}
    assert fid.looks == nmi.looks == in_order(rows)  # as in curves.png


def test_metric_panels_of_a_study_have_the_numbers_of_its_table():
    evaluations = [
        evaluation("a0", fid=entry(2.0, values=[1.0, 2.0, 3.0]), nmi=entry(0.5)),
        evaluation("a1", fid=entry(4.0, values=[4.0, 5.0, 3.5]), nmi=entry(None, reason="none")),
        evaluation("b0", fid=entry(2.0, values=[1.0, 2.0, 6.0]), nmi=entry(0.25)),
    ]
    rows = {"a": ["a0", "a1"], "b": ["b0"]}
    fid, nmi = comparison_figures.metric_panels(evaluations, rows)
    assert fid.values == {"a": (1.0, 3.0, 5.0), "b": (1.0, 2.0, 6.0)}
    assert nmi.values == {"a": None, "b": (0.25, 0.25, 0.25)}
    of_runs = {run: row for row, runs in rows.items() for run in runs}
    table = cells(groups.table_of_means(evaluations, of_runs).split("\n\n")[0])
    assert table == [
        ["MNIST", "a (2 seeds)", "b"], ["fid ↓", "3 ± 1.4", "2 (1 to 6)"], ["nmi ↑", "n/a", "0.25"],
    ]  # fmt: skip


def test_metric_panels_of_several_data_sets_have_the_runs_of_each():
    evaluations = [evaluation("a", fid=entry(2.0)), evaluation("b", "birds", fid=entry(3.0))]
    rows = {"a": ["a"], "b": ["b"]}
    panels = comparison_figures.metric_panels(evaluations, rows)
    assert [(panel.title, panel.values) for panel in panels] == [
        ("MNIST: fid", {"a": (2.0, 2.0, 2.0)}),
        ("birds: fid", {"b": (3.0, 3.0, 3.0)}),
    ]


def test_title_of_a_comparison_has_its_models_and_data_sets():
    evaluations = [
        evaluation("a", fid=entry(2.0, model="dcgan")),
        evaluation("b", fid=entry(2.0, model="lsgan"), nmi=entry(2.0, model="lsgan")),
        evaluation("training images", fid=entry(2.0)),
    ]
    assert comparison_figures.title_of(evaluations) == "dcgan, lsgan on MNIST"
    assert comparison_figures.title_of(evaluations[2:]) == "images on MNIST"


def test_curve_panels_has_one_per_metric_of_more_than_one_run():
    one = [{"step": 5, "d_loss": 1.0, "metric_fid": 9.0}, {"step": 9, "d_loss": 2.0, "k": 1.0}]
    two = [{"step": 5, "metric_fid": 8.0, "k": 0.0}]
    rows = {"1": ["one"], "2": ["two"]}
    (panel,) = comparison_figures.curve_panels({"one": one, "two": two}, rows)
    assert (panel.title, panel.log_y) == ("fid", True)
    assert panel.series == {"1": ((5,), (9.0,)), "2": ((5,), (8.0,))}
    assert comparison_figures.curve_panels({"one": one}, {"1": ["one"]}) == []


def test_curve_panels_have_the_mean_of_the_seeds_of_a_configuration():
    logs = {
        "a0": [{"step": 5, "metric_nmi": 0.2}, {"step": 9, "metric_nmi": 0.4}],
        "a1": [{"step": 5, "metric_nmi": 0.4}, {"step": 9, "metric_nmi": 0.8}],
        "a2": [{"step": 5, "metric_nmi": 0.6}],
        "b": [{"step": 5, "metric_nmi": 0.1}],
    }
    rows = {"a": ["a0", "a1", "a2"], "b": ["b"], "training images": ["training images"]}
    (panel,) = comparison_figures.curve_panels(logs, rows)
    assert panel.series == {
        "a, mean of 3 seeds": ((5,), (pytest.approx(0.4),)),  # the step that all have
        "b": ((5,), (0.1,)),
    }
    assert panel.seeds["a, mean of 3 seeds"] == [
        ((5, 9), (0.2, 0.4)),
        ((5, 9), (0.4, 0.8)),
        ((5,), (0.6,)),
    ]
    assert not panel.seeds["b"]
    looks = in_order(rows)
    assert panel.looks == {"a, mean of 3 seeds": looks["a"], "b": looks["b"]}


def test_shared_curves_without_common_steps_have_the_seeds_alone():
    logs = {"a0": [{"step": 5, "metric_nmi": 0.2}], "a1": [{"step": 9, "metric_nmi": 0.8}]}
    (panel,) = comparison_figures.curve_panels(logs, {"a": ["a0", "a1"]})
    assert panel.series == {"a": ((), ())}
    assert panel.seeds == {"a": [((5,), (0.2,)), ((9,), (0.8,))]}
