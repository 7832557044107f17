"""Resolution of the names of feature networks."""

import dataclasses

import numpy as np
import pytest

from data import ImageData, Split, known
from errors import UserError
from evaluation import features
from evaluation.features import classifier, efficientnet_lite0, inception, keras_file


def images_of(name, fingerprint, shape, class_names=tuple("0123456789")):
    split = Split(np.zeros((3, *shape), np.uint8), np.arange(3))
    return ImageData(name, split, None, class_names, fingerprint)


MNIST = images_of("MNIST", known("MNIST").fingerprint, (28, 28, 1))
OTHER = images_of("CIFAR10", "c3d4", (32, 32, 3), ("airplane", "automobile", "bird"))


@pytest.fixture(autouse=True)
def loaded(monkeypatch):
    """Replace each loader by one that returns its name and its arguments."""
    monkeypatch.setattr(classifier, "load_digits", lambda: "digits")
    monkeypatch.setattr(classifier, "load_cached", lambda *of: ("classifier", *of))
    monkeypatch.setattr(inception, "load", lambda: "inception")
    monkeypatch.setattr(inception, "available", lambda: False)
    monkeypatch.setattr(efficientnet_lite0, "load", lambda: "efficientnet_lite0")
    monkeypatch.setattr(keras_file, "load", lambda path: ("keras", path))


@pytest.mark.parametrize("available", [False, True])
def test_load_of_auto_for_mnist_is_the_shipped_classifier(monkeypatch, available):
    monkeypatch.setattr(inception, "available", lambda: available)
    assert features.load("auto", MNIST) == "digits"
    assert features.load("auto", dataclasses.replace(MNIST, name="numerals")) == "digits"


@pytest.mark.parametrize(
    "images",
    [
        OTHER,
        images_of("MNIST", "e5", (28, 28, 1), ("cat", "dog")),
        images_of("MNIST", "e5", (28, 28, 1), tuple("9876543210")),
        images_of("MNIST", "f6", (32, 32, 1)),
    ],
)
def test_load_of_auto_for_other_images_is_inception_if_available(monkeypatch, images):
    assert features.load("auto", images) == "efficientnet_lite0"
    monkeypatch.setattr(inception, "available", lambda: True)
    assert features.load("auto", images) == "inception"


@pytest.mark.parametrize("name", ["digits", "inception", "efficientnet_lite0"])
@pytest.mark.parametrize("images", [MNIST, OTHER])
def test_load_of_a_name_is_that_network(name, images):
    assert features.load(name, images) == name


def test_load_of_classifier_is_that_of_the_data_set():
    assert features.load("classifier", OTHER) == ("classifier", "CIFAR10", "c3d4")


def test_load_of_a_keras_path_is_that_file():
    assert features.load("nets/Mine.keras", OTHER) == ("keras", "nets/Mine.keras")


@pytest.mark.parametrize("name", ["", "Inception", "vgg", "mine.h5"])
def test_load_of_an_unknown_name_raises_with_the_known_names(name):
    with pytest.raises(UserError) as raised:
        features.load(name, MNIST)
    assert str(raised.value) == (
        "expected one of auto, inception, digits, efficientnet_lite0, classifier or the path of a "
        ".keras file, or of an .npz file of train_classifier.py"
    )


def test_import_of_features_imports_nothing_slow(python):
    code = "import sys, evaluation.features; print({'keras', 'tensorflow'} & {*sys.modules})"
    assert python("-c", code).out == "set()\n"


def test_fixed_names_are_those_of_networks_that_need_no_data_set():
    assert features.fixed_names() == ["inception", "digits", "efficientnet_lite0"]
