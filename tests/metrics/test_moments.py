"""Streaming moments against numpy's, in any batches and far from the origin."""

import tracemalloc

import numpy as np
import pytest

from metrics.measurement import MetricError
from metrics.moments import Moments


def streamed(features, batch):
    """The moments of features that come in batches."""
    moments = Moments(features.shape[1])
    for start in range(0, len(features), batch):
        moments.update(features[start : start + batch])
    return moments


@pytest.fixture
def features():
    """Correlated features [503, 6] with means of 0 to 1000."""
    random = np.random.default_rng(0)
    return random.normal(size=(503, 6)) @ random.normal(size=(6, 6)) + np.geomspace(1, 1000, 6)


@pytest.mark.parametrize("batch", [1, 2, 64, 502, 503, 1000])
def test_moments_in_any_batches_equal_numpy(features, batch):
    moments = streamed(features, batch)
    assert moments.count == 503
    np.testing.assert_allclose(moments.mean, features.mean(axis=0), rtol=1e-13)
    np.testing.assert_allclose(moments.covariance, np.cov(features, rowvar=False), rtol=1e-10)


def test_moments_equal_values_by_hand():
    moments = Moments.of(np.array([[0.0, 1.0], [2.0, 5.0]]))
    assert moments.mean.tolist() == [1, 3]
    assert moments.covariance.tolist() == [[2, 4], [4, 8]]


def test_moments_with_a_large_mean_have_the_exact_variance():
    levels = 1e8 + np.array([[0.0], [1.0], [2.0], [3.0]] * 50)
    assert streamed(levels, 7).covariance[0, 0] == pytest.approx(250 / 199, rel=1e-9)


def test_moments_of_float32_features_are_summed_in_float64(features):
    single = features.astype(np.float32)
    expected = np.cov(single.astype(np.float64), rowvar=False)
    np.testing.assert_allclose(streamed(single, 50).covariance, expected, rtol=1e-10)


def test_moments_updated_with_an_empty_batch_are_unchanged(features):
    moments = Moments.of(features)
    before = moments.covariance
    moments.update(features[:0])
    assert moments.count == 503
    np.testing.assert_array_equal(moments.covariance, before)


def test_moments_restored_continue_the_sums(features):
    first = Moments.of(features[:200])
    moments = Moments.restored(first.count, first.mean, first.covariance)
    moments.update(features[200:])
    assert moments.count == 503
    np.testing.assert_allclose(moments.mean, features.mean(axis=0), rtol=1e-13)
    np.testing.assert_allclose(moments.covariance, np.cov(features, rowvar=False), rtol=1e-10)


def test_covariance_of_one_image_raises(features):
    with pytest.raises(MetricError, match=r"^needs at least 2 images, there are 1$"):
        _ = Moments.of(features[:1]).covariance


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_moments_of_features_that_are_not_finite_raise_and_are_unchanged(features, value):
    moments = Moments.of(features)
    with pytest.raises(MetricError, match=r"^needs finite numbers, some are NaN or infinite$"):
        moments.update(np.array([[value] * 6]))
    assert moments.count == 503
    assert np.isfinite(moments.covariance).all()


def test_moments_of_many_images_use_bounded_memory():
    def peak(images):
        random = np.random.default_rng(0)
        moments = Moments(32)
        tracemalloc.start()
        for _ in range(images // 250):
            moments.update(random.normal(size=(250, 32)))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    assert peak(50_000) < 1.1 * peak(10_000)
