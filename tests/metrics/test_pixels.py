"""Pixel statistics against values worked out by hand."""

import tracemalloc

import numpy as np
import pytest

from metrics import pixels
from metrics.measurement import MetricError
from metrics.pixels import PixelStatistics


def images(*rows):
    """Images uint8 [n, 1, w, 1], a row of levels each."""
    return np.array(rows, np.uint8)[:, None, :, None]


def streamed(images, batch=3):
    """The statistics of images that come in batches."""
    statistics = PixelStatistics()
    for start in range(0, len(images), batch):
        statistics.update(images[start : start + batch])
    return statistics


def pixel_statistics(fake, real):
    return pixels.pixel_statistics(streamed(fake), streamed(real))


def test_pixel_statistics_equal_values_by_hand():
    # Fake levels 0, 10, 20, 30, real 100 four times: means 15 and 100, squared deviations
    # 225, 25, 25, 225 with the mean 125; each level moves to 100, on average by 85.
    metrics = pixel_statistics(images([0, 10], [20, 30]), images([100, 100], [100, 100]))
    assert list(metrics) == ["pixel_mean", "pixel_std", "pixel_distance", "distinct_share"]
    assert metrics["pixel_mean"].value == 15
    assert metrics["pixel_mean"].protocol == {"real": 100}
    assert metrics["pixel_std"].value == pytest.approx(125**0.5)
    assert metrics["pixel_std"].protocol == {"real": 0}
    assert metrics["pixel_distance"].value == pytest.approx(85)
    assert metrics["distinct_share"].value == 1


def test_pixel_distance_of_unequal_numbers_of_images_equals_value_by_hand():
    # A quarter of the fake mass is at 40 instead of 0; the other way round it is as far.
    fake, real = images([0, 0], [0, 40]), images([0, 0])
    assert pixel_statistics(fake, real)["pixel_distance"].value == pytest.approx(10)
    assert pixel_statistics(real, fake)["pixel_distance"].value == pytest.approx(10)


def test_pixel_distance_is_0_to_the_same_set_and_grows_with_darkness():
    random = np.random.default_rng(0)
    real = random.integers(0, 256, (20, 4, 4, 3)).astype(np.uint8)
    half, none = real // 2, real * 0
    distances = [
        pixel_statistics(fake, real)["pixel_distance"].value for fake in (real, half, none)
    ]
    assert distances[0] == 0
    assert distances[0] < distances[1] < distances[2]
    assert distances[2] == pytest.approx(real.mean())


def test_pixel_statistics_in_any_batches_equal_numpy():
    random = np.random.default_rng(0)
    fake = random.integers(0, 256, (50, 5, 4, 3)).astype(np.uint8)
    for batch in (1, 7, 50):
        statistics = streamed(fake, batch)
        assert statistics.count == len(statistics.digests) == 50
        assert statistics.mean == pytest.approx(fake.mean(), rel=1e-12)
        assert statistics.std == pytest.approx(fake.std(), rel=1e-12)


def test_distinct_share_is_lowered_by_exact_copies():
    fake = images([1, 2], [1, 2], [2, 1], [1, 2])
    assert pixel_statistics(fake, fake)["distinct_share"].value == 0.5
    collapsed = images(*[[7, 7]] * 8)
    assert pixel_statistics(collapsed, fake)["distinct_share"].value == 1 / 8


def test_pixel_statistics_count_all_channels_and_extreme_levels():
    fake = np.zeros((1, 1, 1, 3), np.uint8)
    fake[..., 2] = 255
    metrics = pixel_statistics(fake, np.zeros((5, 1, 1, 3), np.uint8))
    assert metrics["pixel_mean"].value == 85
    assert metrics["pixel_distance"].value == pytest.approx(85)


def test_pixel_statistics_are_floats():
    metrics = pixel_statistics(images([0, 1]), images([2, 3]))
    assert {type(metric.value) for metric in metrics.values()} == {float}


def test_pixel_statistics_of_no_images_raise():
    with pytest.raises(MetricError, match=r"^needs samples, there are none$"):
        pixel_statistics(images([0])[:0], images([0]))
    with pytest.raises(MetricError, match=r"^needs real images, there are none$"):
        pixel_statistics(images([0]), images([0])[:0])


def test_pixel_statistics_of_many_images_use_a_digest_per_image():
    def peak(n):
        random = np.random.default_rng(0)
        statistics = PixelStatistics()
        tracemalloc.start()
        for _ in range(n // 250):
            statistics.update(random.integers(0, 256, (250, 16, 16, 1), np.uint8))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    # A digest takes 49 bytes as an object and up to 120 in a set that has just grown.
    assert peak(12_500) - peak(2_500) < 170 * 10_000
