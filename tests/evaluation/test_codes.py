"""Encodings and categorical codes against the labels of images."""

import numpy as np
import pytest
import tensorflow as tf

from metrics.measurement import Measurement
from tests.evaluation.cases import CLUSTERS, CODES, Bare, data_of, measure, pictures, reference_of

CLUSTER_OF = np.array([2, 0, 3, 1])  # the cluster of each class


class Perfect(Bare):
    """Encodes the label of the first pixel; its clusters are the permuted classes."""

    def labels(self, x):
        return tf.cast(tf.round((x[:, 0, 0, 0] + 1) * 127.5 / 20), tf.int32)

    def encode(self, x):
        return tf.one_hot(self.labels(x), 4)

    def code_logits(self, x):
        return tf.one_hot(tf.gather(CLUSTER_OF, self.labels(x)), 4) * 3


def measured(model, data, wanted=(*CODES, *CLUSTERS)):
    return measure(model((4, 4, 1)), reference_of(data), wanted)


def test_measure_of_a_perfect_code_is_1_for_all_accuracies(labelled):
    found = measured(Perfect, labelled)
    assert list(found) == [*CODES, *CLUSTERS]
    assert {name: metric.value for name, metric in found.items()} == dict.fromkeys(
        (*CODES, *CLUSTERS), pytest.approx(1)
    )
    for name in CODES:
        sizes = {"n_train": 280, "n_test": 120, "code_dimension": 4}
        assert found[name].protocol.items() >= sizes.items()
    assert [found[name].protocol.get("k") for name in CODES] == [1, 3, None]

    protocol = found["cluster_accuracy"].protocol
    assert protocol["n_test"] == 120
    assert [protocol["mapping"][cluster] for cluster in CLUSTER_OF] == [0, 1, 2, 3]
    np.testing.assert_array_equal(protocol["confusion"], 30 * np.eye(4)[CLUSTER_OF])
    assert protocol["class_names"] == [str(name) for name in protocol["class_names"]]
    assert len(protocol["class_names"]) == 4


def test_measure_of_an_uninformative_code_is_near_chance(labelled):
    class Blind(Perfect):
        def labels(self, x):
            return tf.cast(x[:, 3, 3, 0] > 0, tf.int32) + 2 * tf.cast(x[:, 2, 2, 0] > 0, tf.int32)

    found = measured(Blind, labelled)
    for name in (*CODES, "cluster_accuracy"):
        assert found[name].value < 0.5
    assert abs(found["ari"].value) < 0.1


def test_measure_of_ari_alone_does_not_encode(labelled, monkeypatch):
    monkeypatch.setattr(Perfect, "encode", None)
    assert measured(Perfect, labelled, ["ari"])["ari"].value == pytest.approx(1)


def test_measure_of_a_model_without_codes_is_na_with_reason(labelled):
    found = measured(Bare, labelled)
    encodes, clusters = "Bare does not encode images", "Bare has no categorical code"
    assert found == {
        **dict.fromkeys(CODES, Measurement(None, {"reason": encodes})),
        **dict.fromkeys(CLUSTERS, Measurement(None, {"reason": clusters})),
    }


@pytest.mark.parametrize("test", [None, pictures(9, 2)])
def test_measure_of_images_without_labels_is_na_with_reason(test):
    found = measured(Perfect, data_of(pictures(9, 1), test))
    assert list(found) == [*CODES, *CLUSTERS]
    for metric in found.values():
        assert metric == Measurement(None, {"reason": "Set has no labelled test images"})
