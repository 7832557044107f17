"""Reconstructions of the reference images."""

import numpy as np

from evaluation.features import Extractor, TrainedOn
from metrics.measurement import Measurement
from tests.evaluation.cases import (
    RECONSTRUCTIONS,
    Bare,
    data_of,
    measure,
    pictures,
    reference_of,
)


class Halving(Bare):
    """Reconstructs each image at half its brightness."""

    def reconstruct(self, x):
        return (x + 1) / 2 - 1


def brightness(class_names=("0", "1", "2")):
    """A classifier by the first pixel, 20 times the class in `pictures`; its features are two."""

    def network(images):
        first = np.asarray(images)[:, 0, 0, 0].astype(np.float32)
        features = np.stack([np.ones_like(first), first / 20], 1)
        return features, -np.abs(first[:, None] / 20 - np.arange(3))

    of = TrainedOn(len(class_names), class_names)
    return Extractor("bright", "00", "none", 2, network, of, batch_size=50)


def reconstructed(model, data, wanted=RECONSTRUCTIONS, extractor=None):
    return measure(model((4, 4, 1)), reference_of(data, extractor or brightness()), wanted)


def test_reconstruction_metrics_equal_values_by_hand(labelled):
    data = data_of(pictures(30, 1, 3), pictures(300, 2, 3), 3)
    found = reconstructed(Halving, data)
    x, labels = data.test.images / 127.5 - 1, data.test.labels
    error = np.mean((x - ((x + 1) / 2 - 1)) ** 2)
    np.testing.assert_allclose(found["reconstruction_error"].value, error, rtol=1e-5)
    # Class k becomes k / 2: 0 stays 0; 1/2 is tied and classified as 0; 2 becomes 1.
    assert found["reconstruction_accuracy"].value == np.mean(labels == 0)
    angles = np.arctan(labels) - np.arctan(labels / 2)
    distance = np.mean(2 - 2 * np.cos(angles))
    np.testing.assert_allclose(found["reconstruction_feature_distance"].value, distance, rtol=1e-5)
    assert found["reconstruction_error"].protocol == {"split": "test", "n_real": 300}
    assert found["reconstruction_accuracy"].protocol == {
        "split": "test", "n_real": 300,
        "features": "bright", "features_sha256": "00", "resizing": "none",
    }  # fmt: skip


def test_reconstruction_error_alone_needs_no_features(labelled):
    def network(images):
        raise AssertionError

    extractor = Extractor("unused", "00", "none", 2, network)
    found = reconstructed(Halving, labelled, ["reconstruction_error"], extractor)
    assert found["reconstruction_error"].value > 0


def test_reconstruction_metrics_without_reconstructions_are_na_with_reason(labelled):
    reason = {"reason": "Bare does not reconstruct images"}
    assert reconstructed(Bare, labelled) == dict.fromkeys(
        RECONSTRUCTIONS, Measurement(None, reason)
    )


def test_reconstruction_accuracy_without_labels_or_classifier_is_na_with_reason(
    unlabelled, labelled
):
    found = reconstructed(Halving, unlabelled)
    assert found["reconstruction_accuracy"].protocol["reason"] == "Set has no labelled test images"
    assert found["reconstruction_error"].value > 0
    found = reconstructed(Halving, labelled, extractor=brightness(("0", "2", "1")))
    assert found["reconstruction_accuracy"].protocol["reason"] == (
        "requires a classifier of the classes of Set; use --features=classifier"
    )
    assert found["reconstruction_feature_distance"].value is not None


def test_reconstruction_error_that_is_not_finite_is_na_with_reason(labelled):
    class Broken(Halving):
        def reconstruct(self, x):
            return x * np.nan

    found = reconstructed(Broken, labelled, ["reconstruction_error"])
    assert found["reconstruction_error"].value is None
    assert "finite" in found["reconstruction_error"].protocol["reason"]
