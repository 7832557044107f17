"""Comparisons of several evaluations: CSV, directions, scales and shared curves."""

import json

import pytest

from evaluation.reports import comparison
from tests.evaluation.cases import entry


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
    assert {name: comparison.direction(name) for name in names} == dict.fromkeys(names, direction)


@pytest.mark.parametrize("name", ["fid", "kid_", "precision", "path_length_digits", "is_digits"])
def test_is_logarithmic_is_true_of_fid_and_false_of_other_metrics(name):
    assert comparison.is_logarithmic(name) is (name == "fid")


@pytest.mark.parametrize("name", ["fid_infinity", "fid_256", "kid", "fd_a_b", "kd_a", "fd_a_256"])
def test_is_logarithmic_is_true_of_distances(name):
    assert comparison.is_logarithmic(name)


def test_shared_curves_has_a_panel_per_metric_of_more_than_one_run():
    one = [{"step": 5, "d_loss": 1.0, "metric_fid": 9.0}, {"step": 9, "d_loss": 2.0, "k": 1.0}]
    two = [{"step": 5, "metric_fid": 8.0, "k": 0.0}]
    (panel,) = comparison.shared_curves({"one": one, "two": two})
    assert (panel.title, panel.log_y) == ("fid", True)
    assert panel.series == {"one": ((5,), (9.0,)), "two": ((5,), (8.0,))}
    assert comparison.shared_curves({"one": one}) == []
