"""Nearest images compared with all distances, and copied_share of copies and of new images."""

import numpy as np
import pytest

from metrics import neighbours
from metrics.measurement import MetricError
from metrics.neighbours import copied_share, nearest


def images(n, seed, side=6, channels=3):
    """Smooth colour images uint8: noise around a gray level of its own."""
    random = np.random.default_rng(seed)
    level = random.uniform(60, 190, (n, 1, 1, 1))
    return np.clip(level + random.normal(0, 20, (n, side, side, channels)), 0, 255).astype(np.uint8)


def all_distances(queries, references):
    a, b = (x.reshape(len(x), -1).astype(np.int64) for x in (queries, references))
    return np.sqrt(((a[:, None] - b[None]) ** 2).sum(axis=2))


def test_nearest_equals_distances_by_hand():
    query = np.array([0, 255], np.uint8).reshape(1, 1, 2, 1)
    references = np.array([[255, 255], [3, 251], [0, 10]], np.uint8).reshape(3, 1, 2, 1)
    indices, distances = nearest(query, references, 3)
    assert indices.tolist() == [[1, 2, 0]]
    assert distances.tolist() == [[5, 245, 255]]


@pytest.mark.parametrize("block_bytes", [pytest.param(3000, marks=pytest.mark.slow), 20_000, 2**27])
def test_nearest_in_any_blocks_equals_the_sorted_distances(monkeypatch, block_bytes):
    monkeypatch.setattr(neighbours, "BLOCK_BYTES", block_bytes)
    queries, references = images(23, 1), images(61, 2)
    expected = all_distances(queries, references)
    indices, distances = nearest(queries, references, 4)
    assert indices.dtype == np.int64
    np.testing.assert_array_equal(np.take_along_axis(expected, indices, 1), distances)
    np.testing.assert_array_equal(np.sort(expected, axis=1)[:, :4], distances)


def test_nearest_of_a_copy_has_distance_0():
    references = images(50, 1, side=32)
    indices, distances = nearest(references, references, 1)
    assert indices[:, 0].tolist() == list(range(50))
    assert not distances.any()


def test_nearest_of_more_neighbours_than_references_raises():
    with pytest.raises(MetricError, match=r"^needs at least 6 images to search, there are 5$"):
        nearest(images(2, 1), images(5, 2), 6)


def test_copied_share_of_training_images_is_1():
    train = images(1000, 1)
    assert copied_share(train[::2], train, images(1000, 2)).value == 1


def test_copied_share_of_new_images_is_that_of_unseen_ones():
    assert copied_share(images(2000, 3), images(1000, 1), images(2000, 2)).value == pytest.approx(
        0.01, abs=0.008
    )


def test_copied_share_of_copies_among_new_images_is_their_share():
    train = images(1000, 1)
    fake = np.concatenate([train[:300], images(700, 3)])
    assert copied_share(fake, train, images(1000, 2)).value == pytest.approx(0.3, abs=0.02)


def test_copied_share_of_slightly_changed_copies_is_1():
    train = images(500, 1)
    changed = train[:200] ^ np.uint8(1)
    assert copied_share(changed, train, images(500, 2)).value == 1


def test_copied_share_with_copies_among_unseen_images_has_threshold_0():
    # A twentieth of the unseen images is in the training set: the threshold is 0.
    train = images(400, 1)
    unseen = np.concatenate([train[:20], images(380, 2)])
    metric = copied_share(train, train, unseen)
    assert metric.value == 1
    assert metric.protocol["threshold"] == 0
    assert metric.protocol["unseen_share"] == 0.05
    assert copied_share(images(400, 3), train, unseen).value == 0


def test_copied_share_threshold_is_met_by_a_hundredth_of_unseen_images():
    # Distances 1, 2, ..., 200 from the only training image: the second is the threshold.
    def levels(*gray):
        return np.array(gray, np.uint8).reshape(-1, 1, 1, 1)

    metric = copied_share(levels(0, 2, 3, 9), levels(0), levels(*range(1, 201)))
    assert metric.value == 0.5
    assert metric.protocol == {
        "space": "pixels",
        "quantile": 0.01,
        "threshold": 2,
        "unseen_share": 0.01,
        "n_fake": 4,
        "n_train": 1,
        "n_unseen": 200,
    }


def test_copied_share_of_too_few_images_raises():
    many = images(100, 1)
    with pytest.raises(MetricError, match=r"^needs at least 100 unseen images, there are 99$"):
        copied_share(many, many, many[:99])
    with pytest.raises(MetricError, match=r"^needs samples, there are none$"):
        copied_share(many[:0], many, many)
    with pytest.raises(MetricError, match=r"^needs at least 1 images to search, there are 0$"):
        copied_share(many, many[:0], many)
