"""Comparison of the published figures of shipped weights with a new measurement."""

import pytest

from benchmarks import published
from errors import UserError
from storage import packages


def entry(value, *values):
    return {"value": value, "protocol": {"values": list(values)} if values else {}}


@pytest.mark.parametrize(
    ("stored", "again", "verdict"),
    [
        (entry(0.5), entry(0.500001), "same"),
        (entry(0.5), entry(0.5024), "in range"),  # 0.48 %
        (entry(0.5), entry(0.5026), "DIFFERENT"),  # 0.52 %
        (entry(5.0, 4.0, 5.0, 5.1), entry(4.0, 4.0, 4.0, 4.1), "in range"),
        (entry(5.0, 4.0, 5.0, 5.1), entry(5.2, 5.2, 5.2, 5.3), "DIFFERENT"),
        (entry(5.0), entry(None), "DIFFERENT"),
    ],
)
def test_figure_differs_outside_the_range_and_beyond_the_tolerance(stored, again, verdict):
    (row,) = published.compare({"a": stored, "b": entry(None)}, {"a": again})
    assert (row[0], row[-1]) == ("a", verdict)


def test_metric_that_is_not_measured_again_differs():
    assert [row[-1] for row in published.compare({"a": entry(1.0)}, {})] == ["DIFFERENT"]


def test_main_without_shipped_weights_raises(tmp_path, monkeypatch):
    monkeypatch.setattr(packages, "SHIPPED", tmp_path)
    with pytest.raises(UserError, match="there are no shipped weights"):
        published.main([])
