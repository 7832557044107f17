"""Reference images: their split, their batches, and the cache of their statistics."""

import dataclasses

import numpy as np
import pytest

from evaluation.reference import Reference, in_batches
from metrics.measurement import MetricError
from tests.evaluation.cases import data_of, not_finite, pictures

pytestmark = pytest.mark.usefixtures("cache")


def assert_same(one, other):
    assert one.n == other.n
    np.testing.assert_array_equal(one.features, other.features)
    np.testing.assert_allclose(one.moments.mean, other.moments.mean, rtol=1e-12)
    np.testing.assert_allclose(one.moments.covariance, other.moments.covariance, rtol=1e-12)


@pytest.mark.parametrize("split", ["test", "train"])
def test_reference_images_are_those_of_the_split_in_random_order(unlabelled, extractor, split):
    real = Reference(unlabelled, split, extractor)
    images = getattr(unlabelled, split).images
    assert real.split == split
    assert real.images.images is images
    assert real.pixels.count == real.statistics.n == len(images)
    assert real.pixels.mean == pytest.approx(images.mean())
    rows, features = images.reshape(len(images), -1), real.statistics.features
    assert sorted(map(tuple, features)) == sorted(map(tuple, rows))
    assert (features[:20] != rows[:20]).any()


def test_reference_without_a_test_split_is_train(unlabelled, extractor):
    real = Reference(dataclasses.replace(unlabelled, test=None), "test", extractor)
    assert real.split == "train"
    assert real.images is unlabelled.train


def test_statistics_are_cached_and_read_the_second_time(unlabelled, extractor, cache):
    first = Reference(unlabelled, "test", extractor).statistics
    assert extractor.calls == [50] * 3  # of 120 images
    (file,) = cache.iterdir()
    again = Reference(unlabelled, "test", extractor).statistics
    assert len(extractor.calls) == 3
    assert_same(first, again)
    assert list(cache.iterdir()) == [file]


def test_statistics_are_cached_by_content(unlabelled, extractor, cache):
    """The same images elsewhere share them; other images or another network do not."""

    def entries(data, split, extractor):
        assert len(Reference(data, split, extractor).statistics.features) == len(
            getattr(data, split).images
        )
        return len(list(cache.iterdir()))

    assert entries(unlabelled, "test", extractor) == 1
    renamed = dataclasses.replace(unlabelled, name="Elsewhere")
    assert entries(renamed, "test", extractor) == 1
    faster = dataclasses.replace(extractor, batch_size=10)
    assert entries(unlabelled, "test", faster) == 1
    assert entries(unlabelled, "train", extractor) == 2
    other = data_of(unlabelled.train, pictures(120, 3))
    assert entries(other, "test", extractor) == 3
    for count, change in enumerate(
        ({"sha256": "01"}, {"resizing": "to 8 x 8"}, {"name": "others"}), start=4
    ):
        assert entries(unlabelled, "test", dataclasses.replace(extractor, **change)) == count


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: b"garbage",
        lambda content: content[: len(content) // 2],
        lambda content: content[:200] + bytes(64) + content[264:],
        lambda content: content.replace(b"mean", b"maen"),
        lambda content: content[: content.index(b"PK\x01\x02") + 8] + bytes([1]) * 50,
        lambda content: (
            b"\x93NUMPY\x01\x00v\x00{'descr': '<f8', 'fortran_order': False, "
            b"'shape': (1,), }".ljust(128)
            + bytes(8)
        ),
    ],
)
def test_statistics_of_a_damaged_file_are_computed_again(unlabelled, extractor, cache, damage):
    first = Reference(unlabelled, "test", extractor).statistics
    (file,) = cache.iterdir()
    content = file.read_bytes()
    file.write_bytes(damage(content))
    assert_same(Reference(unlabelled, "test", extractor).statistics, first)
    assert file.read_bytes() == content
    assert len(extractor.calls) == 6


def test_statistics_with_a_cache_that_cannot_be_written_are_computed(unlabelled, extractor, cache):
    cache.parent.write_text("in the way")
    assert Reference(unlabelled, "test", extractor).statistics.n == 120


def test_in_batches_yields_all_images_in_order():
    split = pictures(520, 0)
    batches = list(in_batches(split))
    assert [len(batch) for batch in batches] == [250, 250, 20]
    np.testing.assert_array_equal(np.concatenate(batches), split.images)


@pytest.mark.parametrize("most", [1, 250, 300, 520, 900])
def test_in_batches_with_most_yields_the_first_images(most):
    split = pictures(520, 0)
    some = np.concatenate(list(in_batches(split, most=most)))
    np.testing.assert_array_equal(some, split.images[:most])
    shuffled = np.concatenate(list(in_batches(split, seed=4)))
    some = np.concatenate(list(in_batches(split, seed=4, most=most)))
    np.testing.assert_array_equal(some, shuffled[:most])


def test_in_batches_order_is_a_function_of_the_seed():
    split = pictures(60, 0)
    one, same, other = (np.concatenate(list(in_batches(split, seed=seed))) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()
    assert sorted(map(bytes, one)) == sorted(map(bytes, split.images))


def test_features_that_are_not_finite_are_computed_once_and_raise_each_time(unlabelled, cache):
    extractor = not_finite()
    real = Reference(unlabelled, "test", extractor)
    for _ in range(2):
        with pytest.raises(MetricError, match="needs finite numbers"):
            _ = real.statistics
    assert extractor.calls == [50] * 3
    assert not cache.exists()
