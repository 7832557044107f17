"""Kernel distance: by hand, compared with the reference program, and unbiased."""

import importlib.util
import json
import pathlib

import numpy as np
import pytest

from metrics.kernel import kernel_distance
from metrics.measurement import MetricError

HERE = pathlib.Path(__file__).parent
spec = importlib.util.spec_from_file_location("make_goldens", HERE / "make_goldens.py")
goldens = importlib.util.module_from_spec(spec)
spec.loader.exec_module(goldens)
REFERENCE = json.loads((HERE / "goldens.json").read_text())["kernel_distance"]


def one_subset(fake, real):
    """The estimate of all images, which must be as many in both sets."""
    return kernel_distance(fake, real, subsets=1, subset_size=len(fake)).value


def test_kernel_distance_equals_value_by_hand():
    # d = 1. Fake 0 and 1: k = 1 off the diagonal. Real 2 and 3: k = 7^3. Across: 1, 1, 3^3, 4^3.
    fake, real = np.array([[0.0], [1.0]]), np.array([[2.0], [3.0]])
    assert one_subset(fake, real) == pytest.approx(1 + 343 - 2 * (1 + 1 + 27 + 64) / 4)


def test_kernel_distance_divides_the_product_by_the_dimension():
    # d = 2. Fake k = (0 / 2 + 1)^3 = 1; real k = (8 / 2 + 1)^3; across (0 + 1)^3 = 1.
    fake, real = np.zeros((2, 2)), np.array([[2.0, 2.0], [2.0, 2.0]])
    assert one_subset(fake, real) == pytest.approx(1 + 125 - 2)


def test_kernel_distance_equals_that_of_the_reference_program():
    fake, real = goldens.features(*goldens.PAIR)
    n = min(goldens.PAIR[:2])
    assert one_subset(fake[:n], real[:n]) == pytest.approx(REFERENCE, rel=1e-10)


def test_kernel_distance_is_unbiased():
    random = np.random.default_rng(0)
    values = np.array([one_subset(*random.normal(size=(2, 40, 3))) for _ in range(1000)])
    standard_error = values.std() / len(values) ** 0.5
    assert abs(values.mean()) < 3 * standard_error
    assert 0.3 < (values < 0).mean() < 0.8


def test_kernel_distance_of_subsets_has_their_mean_and_spread():
    fake, real = goldens.features(*goldens.PAIR)
    metric = kernel_distance(fake, real, subsets=50, subset_size=100, seed=3)
    n = min(goldens.PAIR[:2])
    whole, spread = one_subset(fake[:n], real[:n]), metric.protocol["spread"]
    assert spread > 0
    assert abs(metric.value - whole) < spread
    assert metric.protocol == {
        "spread": spread,
        "subsets": 50,
        "subset_size": 100,
        "subset_seed": 3,
    }


def test_kernel_distance_draws_subsets_without_replacement():
    # All subsets are the whole set.
    fake, real = goldens.features(100, 100, 8)
    metric = kernel_distance(fake, real, subsets=5, subset_size=100)
    assert metric.value == pytest.approx(one_subset(fake, real), rel=1e-10)
    assert metric.protocol["spread"] < 1e-10 * abs(metric.value)


def test_kernel_distance_seed_selects_the_subsets():
    fake, real = goldens.features(100, 100, 8)
    values = [
        kernel_distance(fake, real, subsets=2, subset_size=50, seed=seed).value
        for seed in (0, 0, 1)
    ]
    assert values[0] == values[1] != values[2]


def test_kernel_distance_of_float32_features_is_computed_in_float64():
    fake, real = (x.astype(np.float32) for x in goldens.features(100, 100, 8))
    wide = one_subset(fake.astype(np.float64), real.astype(np.float64))
    assert one_subset(fake, real) == pytest.approx(wide, rel=1e-14)


def test_kernel_distance_grows_with_the_shift():
    fake, real = goldens.features(300, 300, 8)
    values = [one_subset(fake + shift, real) for shift in (0, 0.5, 1)]
    assert values == sorted(values)


def test_kernel_distance_of_sets_smaller_than_a_subset_raises():
    few, many = np.zeros((500, 2)), np.zeros((1000, 2))
    with pytest.raises(MetricError, match=r"^needs at least 1,000 samples, there are 500$"):
        kernel_distance(few, many)
    with pytest.raises(MetricError, match=r"^needs at least 1,000 real images, there are 500$"):
        kernel_distance(many, few)


def test_kernel_distance_of_features_that_are_not_finite_raises():
    with pytest.raises(MetricError, match="finite"):
        kernel_distance(np.full((10, 2), np.nan), np.zeros((10, 2)), subset_size=10)
