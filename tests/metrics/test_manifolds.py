"""Precision, recall, density and coverage: by hand, by the reference, and their directions."""

import importlib.util
import json
import pathlib

import numpy as np
import pytest

from metrics import manifolds
from metrics.manifolds import manifold_metrics
from metrics.measurement import MetricError

HERE = pathlib.Path(__file__).parent
spec = importlib.util.spec_from_file_location("make_goldens", HERE / "make_goldens.py")
goldens = importlib.util.module_from_spec(spec)
spec.loader.exec_module(goldens)
REFERENCE = json.loads((HERE / "goldens.json").read_text())["manifolds"]


def values(fake, real, **options):
    return {name: metric.value for name, metric in manifold_metrics(fake, real, **options).items()}


@pytest.fixture
def modes():
    """modes(n, seed, num=10) -> features [n, 8] of `num` of ten far modes."""
    centres = 20 * np.random.default_rng(0).normal(size=(10, 8))

    def modes(n, seed, num=10):
        return np.random.default_rng(seed).normal(size=(n, 8)) + centres[np.arange(n) % num]

    return modes


def test_manifold_metrics_equal_values_by_hand():
    # On a line with k = 1: real 0, 1, 3 have radii 1, 1, 2; fake 0.5, 2, 10 have 1.5, 1.5, 8.
    # 0.5 is in the balls of 0 and 1; 2 is on the edge of 1's and in 3's; 10 is in none.
    # 0 and 1 are in the ball of 0.5, 1 and 3 in that of 2. Each real ball holds a sample.
    fake, real = np.array([[0.5], [2.0], [10.0]]), np.array([[0.0], [1.0], [3.0]])
    assert values(fake, real, k=1) == {
        "precision": pytest.approx(2 / 3),
        "recall": 1,
        "density": 1,
        "coverage": 1,
    }
    assert values(fake, real, k=2) == {
        "precision": pytest.approx(2 / 3),
        "recall": 1,  # the ball of 10, of radius 9.5, holds 1 and 3
        "density": pytest.approx(6 / 3 / 2),  # real radii 3, 2, 3
        "coverage": 1,
    }


@pytest.mark.parametrize("rows", [7, 37, 10_000])
def test_manifold_metrics_in_any_blocks_equal_the_reference(rows, monkeypatch):
    fake, real = goldens.features(*goldens.PAIR)
    monkeypatch.setattr(manifolds, "BLOCK_MIB", rows * 8 * len(real) / 2**20)
    assert values(fake, real, k=5) == pytest.approx(REFERENCE, rel=1e-12)


def test_manifold_metrics_of_the_same_distribution_are_high(modes):
    good = values(modes(600, 1), modes(600, 2))
    assert min(good["precision"], good["recall"], good["coverage"]) > 0.85
    assert good["density"] == pytest.approx(1, abs=0.15)


def test_mode_collapse_keeps_precision_and_lowers_recall_and_coverage(modes):
    collapsed = values(modes(600, 1, num=2), modes(600, 2))
    assert collapsed["precision"] > 0.85
    assert collapsed["density"] > 0.85
    assert collapsed["recall"] < 0.3
    assert collapsed["coverage"] < 0.3


def test_manifold_metrics_of_wide_noise_are_low_except_recall(modes):
    noise = values(60 * np.random.default_rng(3).normal(size=(600, 8)), modes(600, 2))
    assert noise["precision"] < 0.05
    assert noise["density"] < 0.05
    assert noise["coverage"] < 0.05


def test_manifold_metrics_of_distant_noise_are_0(modes):
    noise = values(np.random.default_rng(3).normal(size=(600, 8)) + 200, modes(600, 2))
    assert set(noise.values()) == {0}


def test_precision_recall_and_coverage_of_copies_are_1(modes):
    real = modes(300, 2)
    copies = values(real, real)
    assert copies["precision"] == copies["recall"] == copies["coverage"] == 1


def test_precision_with_a_real_outlier_changes_more_than_density(modes):
    real, noise = modes(600, 2), np.random.default_rng(3).normal(size=(600, 8)) + 150
    before = values(noise, real)
    after = values(noise, np.concatenate([real, np.full((1, 8), 300.0)]))
    assert after["precision"] - before["precision"] > 0.5
    assert after["density"] - before["density"] < 0.25


def test_manifold_metrics_protocol_has_k():
    metrics = manifold_metrics(*goldens.features(20, 20, 4), k=3)
    assert {metric.protocol["k"] for metric in metrics.values()} == {3}


def test_manifold_metrics_of_at_most_k_images_raise():
    few, many = np.zeros((5, 2)), np.zeros((9, 2))
    with pytest.raises(MetricError, match=r"^needs more than 5 samples, there are 5$"):
        manifold_metrics(few, many)
    with pytest.raises(MetricError, match=r"^needs more than 5 real images, there are 5$"):
        manifold_metrics(many, few)


def test_manifold_metrics_of_features_that_are_not_finite_raise():
    with pytest.raises(MetricError, match="finite"):
        manifold_metrics(np.full((9, 2), np.inf), np.zeros((9, 2)))
