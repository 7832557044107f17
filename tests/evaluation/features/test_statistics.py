"""Feature statistics: independent of the batch size, saved and loaded, in bounded memory."""

import tracemalloc

import numpy as np
import pytest

from evaluation.features import Extractor, statistics
from evaluation.features.statistics import KEPT, SMALL_BATCH, FeatureStatistics
from metrics.inception_score import ClassProbabilities
from metrics.moments import Moments

PROJECTION = np.random.default_rng(0).normal(size=(16, 6)).astype(np.float32)


def projected(images):
    """Four features and two logits of images of 16 pixels."""
    found = images.reshape(len(images), -1).astype(np.float32) @ PROJECTION / 255
    return found[:, :4], found[:, 4:]


WITH_CLASSES = Extractor("stand_in", "00", "none", 4, projected, batch_size=32)
WITHOUT = Extractor("stand_in", "00", "none", 4, lambda x: (projected(x)[0], None), batch_size=32)


def pictures(n, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (n, 4, 4, 1), np.uint8)


def gathered(images, size, extractor=WITH_CLASSES):
    found = FeatureStatistics(extractor, len(images))
    for start in range(0, len(images), size):
        found.update(images[start : start + size])
    return found


@pytest.mark.parametrize("size", [1, 7, 100, 300, 1000])
def test_feature_statistics_are_independent_of_the_batch_size(size):
    images = pictures(300)
    features, logits = projected(images)
    found = gathered(images, size)
    np.testing.assert_allclose(found.features, features, atol=1e-5)
    np.testing.assert_allclose(found.logits, logits[:SMALL_BATCH], atol=1e-5)
    assert found.features.dtype == found.logits.dtype == np.float32

    moments = Moments.of(features)
    assert found.moments.count == found.n == 300
    np.testing.assert_allclose(found.moments.mean, moments.mean, atol=1e-6)
    np.testing.assert_allclose(found.moments.covariance, moments.covariance, atol=1e-6)
    probabilities = ClassProbabilities(300, splits=10)
    probabilities.update(logits)
    assert found.probabilities.score().value == pytest.approx(probabilities.score().value, rel=1e-6)


@pytest.mark.parametrize("size", [9, 25, 30, 100])
def test_feature_statistics_of_a_large_set_keep_the_first_features_and_count_all(monkeypatch, size):
    assert (KEPT, SMALL_BATCH) == (10_000, 256)
    monkeypatch.setattr(statistics, "KEPT", 25)
    monkeypatch.setattr(statistics, "SMALL_BATCH", 10)
    images = pictures(100)
    features, logits = projected(images)
    found = gathered(images, size)
    np.testing.assert_allclose(found.features, features[:25], atol=1e-5)
    np.testing.assert_allclose(found.logits, logits[:10], atol=1e-5)
    np.testing.assert_allclose(found.moments.mean, features.mean(0), atol=1e-5)


def test_feature_statistics_without_classes_have_features_alone():
    found = gathered(pictures(40), 16, WITHOUT)
    assert found.features.shape == (40, 4)
    assert found.logits is None
    assert found.probabilities is None


@pytest.mark.parametrize(("n", "some"), [(9, False), (10, True)])
def test_feature_statistics_of_fewer_images_than_splits_have_no_probabilities(n, some):
    found = gathered(pictures(n), 4)
    assert (found.probabilities is not None) is some
    assert len(found.logits) == n


def test_feature_statistics_saved_and_loaded_have_the_same_bits(tmp_path):
    found = gathered(pictures(70), 32)
    found.save(tmp_path / "a" / "statistics.npz")
    again = FeatureStatistics.load(WITH_CLASSES, tmp_path / "a" / "statistics.npz")
    assert again.n == again.moments.count == 70
    assert again.extractor is WITH_CLASSES
    assert again.features.dtype == np.float32
    np.testing.assert_array_equal(again.features, found.features)
    np.testing.assert_array_equal(again.moments.mean, found.moments.mean)
    np.testing.assert_allclose(again.moments.covariance, found.moments.covariance, rtol=1e-15)
    assert again.logits is None


def test_feature_statistics_of_many_images_use_bounded_memory():
    """50,000 images have 25 MB of features, of which the first 10,000 are kept, 5 MB."""
    wide = np.random.default_rng(0).normal(size=(16, 128)).astype(np.float32)
    extractor = Extractor(
        "stand_in", "00", "none", 128,
        lambda images: (images.reshape(len(images), -1).astype(np.float32) @ wide, None),
    )  # fmt: skip

    def peak(n):
        tracemalloc.start()
        found = FeatureStatistics(extractor, n)
        for seed in range(n // 250):
            found.update(pictures(250, seed))
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert found.moments.count == n
        assert len(found.features) == min(n, KEPT)
        return most

    kept = KEPT * 128 * 4
    few, many = peak(KEPT), peak(50_000)
    assert kept < few < kept + 3e6
    assert many < few + 1e6
