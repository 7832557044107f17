"""Classifiers of codes, and clusters matched with classes."""

import numpy as np
import pytest

from metrics.measurement import MetricError
from metrics.representation import (
    class_information,
    clustering,
    knn_accuracy,
    linear_probe_accuracy,
)


def codes(n, seed, classes=4, noise=0.1):
    """Codes [n, 5] around a corner of their class, and labels [n]."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, classes, n)
    return np.eye(classes, 5)[labels] + noise * random.normal(size=(n, 5)), labels


@pytest.mark.parametrize("accuracy", [knn_accuracy, linear_probe_accuracy])
def test_accuracies_of_separated_codes_are_1(accuracy):
    assert accuracy(*codes(200, 1), *codes(100, 2)).value == 1


@pytest.mark.parametrize("accuracy", [knn_accuracy, linear_probe_accuracy])
def test_accuracies_of_shuffled_labels_are_at_chance(accuracy):
    train, labels = codes(2000, 1)
    shuffled = np.random.default_rng(0).permutation(labels)
    assert accuracy(train, shuffled, *codes(2000, 2)).value == pytest.approx(0.25, abs=0.05)


def test_knn_accuracy_is_the_vote_of_the_k_nearest_codes():
    train, labels = codes(100, 1, noise=0.8)
    test, test_labels = codes(50, 2, noise=0.8)
    distances = np.linalg.norm(test[:, None] - train[None], axis=2)
    votes = np.eye(4)[labels[np.argsort(distances, axis=1)[:, :7]]].sum(axis=1)
    metric = knn_accuracy(train, labels, test, test_labels, k=7)
    assert metric.value == (votes.argmax(axis=1) == test_labels).mean() < 1
    assert metric.protocol == {"classifier": "7 nearest neighbours", "k": 7}


def test_knn_accuracy_of_training_codes_with_k_1_is_1():
    train, labels = codes(100, 1, noise=2)
    assert knn_accuracy(train, labels, train, labels, k=1).value == 1


def test_linear_probe_accuracy_is_independent_of_the_scale_of_codes():
    train, labels = codes(300, 1, noise=0.8)
    test, test_labels = codes(300, 2, noise=0.8)
    scale = np.array([1e-4, 1, 1e4, 10, 0.1])
    values = [
        linear_probe_accuracy(x, labels, y, test_labels).value
        for x, y in ((train, test), (train * scale + 5, test * scale + 5))
    ]
    assert values[0] == values[1] < 1


def test_linear_probe_accuracy_of_an_exclusive_or_is_at_most_three_quarters():
    # Two classes as an exclusive or: no line is right more than three times in four.
    corners = np.random.default_rng(0).integers(0, 2, (400, 2))
    labels = corners[:, 0] ^ corners[:, 1]
    assert linear_probe_accuracy(corners, labels, corners, labels).value <= 0.76
    assert knn_accuracy(corners, labels, corners, labels).value == 1


def test_linear_probe_accuracy_protocol_has_convergence(recwarn):
    data = (*codes(100, 1), *codes(50, 2))
    protocol = linear_probe_accuracy(*data).protocol
    assert protocol["classifier"] == "logistic regression on standardised codes, C = 1"
    assert protocol["converged"] is True
    assert linear_probe_accuracy(*data, max_iterations=1).protocol["converged"] is False
    assert not recwarn.list


def test_accuracies_of_codes_that_cannot_be_classified_raise():
    x, y = codes(20, 1)
    with pytest.raises(MetricError, match=r"^needs at least 5 training codes, there are 3$"):
        knn_accuracy(x[:3], y[:3], x, y)
    with pytest.raises(MetricError, match=r"^needs training codes of at least 2 classes$"):
        linear_probe_accuracy(x, 0 * y, x, y)
    for accuracy in (knn_accuracy, linear_probe_accuracy):
        with pytest.raises(MetricError, match=r"^needs test codes, there are none$"):
            accuracy(x, y, x[:0], y[:0])
        with pytest.raises(MetricError, match=r"^needs finite numbers"):
            accuracy(x * np.nan, y, x, y)


def matched(clusters, labels, num_clusters, num_classes):
    metrics = clustering(np.array(clusters), np.array(labels), num_clusters, num_classes)
    protocol = metrics["cluster_accuracy"].protocol
    values = {name: metric.value for name, metric in metrics.items()}
    return values, protocol["mapping"], protocol["confusion"]


def test_clustering_of_a_permuted_perfect_code_is_1():
    labels = np.arange(300) % 5
    permutation = np.array([3, 0, 4, 1, 2])
    values, mapping, confusion = matched(permutation[labels], labels, 5, 5)
    assert values == pytest.approx({"cluster_accuracy": 1, "nmi": 1, "ari": 1})
    assert [permutation[label] for label in mapping] == [0, 1, 2, 3, 4]
    assert mapping == [1, 3, 4, 0, 2]
    assert np.array(confusion)[:, permutation].tolist() == (60 * np.eye(5, dtype=int)).tolist()


def test_clustering_of_one_cluster_is_the_share_of_the_largest_class():
    values, mapping, confusion = matched([1] * 10, [0] * 3 + [2] * 7, 3, 3)
    assert values["cluster_accuracy"] == 0.7
    assert values["nmi"] == pytest.approx(0, abs=1e-12)
    assert values["ari"] == pytest.approx(0, abs=1e-12)
    assert mapping == [None, 2, None]
    assert confusion == [[0, 3, 0], [0, 0, 0], [0, 7, 0]]


def test_clustering_mapping_is_optimal_and_not_greedy():
    # Greedily 0 -> 0 by its 5 images leaves 1 -> 1 with none; the other way round it is 4 + 4.
    values, mapping, _ = matched([0] * 9 + [1] * 4, [0] * 5 + [1] * 4 + [0] * 4, 2, 2)
    assert mapping == [1, 0]
    assert values["cluster_accuracy"] == pytest.approx(8 / 13)


def test_clustering_of_merged_classes_maps_to_the_larger_one():
    # Classes 1 and 2 share cluster 1; cluster 2 is empty.
    values, mapping, _ = matched([0] * 4 + [1] * 6, [0] * 4 + [1] * 2 + [2] * 4, 3, 3)
    assert values["cluster_accuracy"] == 0.8
    assert mapping == [0, 2, None]
    # H(cluster) = I, as the cluster follows from the label.
    entropies = [-sum(p * np.log(p) for p in ps) for ps in ((0.4, 0.6), (0.4, 0.2, 0.4))]
    assert values["nmi"] == pytest.approx(entropies[0] / np.mean(entropies))
    # Pairs of images together: 21 of 45 in clusters, 13 in classes, 13 in both.
    assert values["ari"] == pytest.approx((13 - 21 * 13 / 45) / ((21 + 13) / 2 - 21 * 13 / 45))


def test_clustering_of_more_clusters_than_classes_maps_some_to_none():
    values, mapping, confusion = matched([0, 0, 0, 1, 2, 2, 2, 3], [0] * 4 + [1] * 4, 4, 2)
    assert values["cluster_accuracy"] == 0.75
    assert mapping == [0, None, 1, None]
    assert confusion == [[3, 1, 0, 0], [0, 0, 3, 1]]


def test_clustering_of_fewer_clusters_than_classes_maps_each_to_a_class():
    values, mapping, _ = matched([0, 0, 1, 1, 0, 1], [0, 0, 2, 2, 1, 1], 2, 3)
    assert values["cluster_accuracy"] == pytest.approx(4 / 6)
    assert mapping == [0, 2]


def test_clustering_of_random_clusters_is_near_chance():
    random = np.random.default_rng(0)
    values, _, _ = matched(random.integers(0, 10, 20_000), random.integers(0, 10, 20_000), 10, 10)
    assert values["cluster_accuracy"] == pytest.approx(0.1, abs=0.02)
    assert values["nmi"] == pytest.approx(0, abs=0.01)
    assert values["ari"] == pytest.approx(0, abs=0.01)


def test_clustering_of_no_images_raises():
    with pytest.raises(MetricError, match=r"^needs labelled images, there are none$"):
        clustering(np.zeros(0, int), np.zeros(0, int), 3, 3)


def test_class_information_is_that_of_the_joint_distribution_in_nats():
    """The value is ln 2 of equal halves; I of a table by hand; the permuted codes have little."""
    codes = np.repeat([0, 1], 500)
    value, permuted = class_information(codes, 1 - codes)
    assert value == pytest.approx(np.log(2))
    assert 0 <= permuted < 0.01
    classes = np.concatenate([np.repeat([0, 1], [400, 100]), np.repeat([0, 1], [100, 400])])
    joint = np.array([[0.4, 0.1], [0.1, 0.4]])
    expected = (joint * np.log(joint / 0.25)).sum()
    assert class_information(codes, classes)[0] == pytest.approx(expected)
    assert class_information(codes, classes, 1) == class_information(codes, classes, 1)


def test_class_information_of_no_images_raises():
    with pytest.raises(MetricError, match="requires images, got none"):
        class_information(np.zeros(0, int), np.zeros(0, int))
