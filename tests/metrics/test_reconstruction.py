"""Distances of reconstructions, worked out by hand."""

import numpy as np
import pytest

from metrics.measurement import MetricError
from metrics.reconstruction import feature_distances, squared_errors


def test_squared_errors_are_means_over_pixels_and_channels():
    x = np.zeros((3, 2, 2, 1), np.float32)
    y = x.copy()
    y[1, 0, 0, 0] = 0.5
    y[2] = -1.0
    np.testing.assert_allclose(squared_errors(x, y), [0.0, 0.25 / 4, 1.0])
    np.testing.assert_allclose(squared_errors(y, x), squared_errors(x, y))


def test_squared_errors_of_opposite_images_are_4():
    one = np.ones((1, 3, 3, 3), np.float32)
    np.testing.assert_allclose(squared_errors(one, -one), [4.0])


def test_feature_distances_are_those_of_unit_vectors():
    """|f - g|^2 = 2 - 2 cos of unit vectors: 0, at a right angle 2, opposed 4."""
    f = np.array([[3.0, 4.0], [1.0, 0.0], [1.0, 0.0], [2.0, 2.0]])
    g = np.array([[6.0, 8.0], [0.0, 5.0], [-2.0, 0.0], [1.0, 0.0]])
    expected = [0.0, 2.0, 4.0, 2.0 - np.sqrt(2.0)]
    np.testing.assert_allclose(feature_distances(f, g), expected, atol=1e-12)


def test_feature_distances_of_zero_features_are_1_to_others_and_0_to_each_other():
    f, g = np.array([[0.0, 0.0], [0.0, 0.0]]), np.array([[1.0, 2.0], [0.0, 0.0]])
    np.testing.assert_allclose(feature_distances(f, g), [1.0, 0.0])


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_distances_of_values_that_are_not_finite_raise(bad):
    with pytest.raises(MetricError, match="finite"):
        squared_errors(np.zeros((1, 2, 2, 1)), np.full((1, 2, 2, 1), bad))
    with pytest.raises(MetricError, match="finite"):
        feature_distances(np.full((1, 2), bad), np.ones((1, 2)))
