"""Classifiers that fit a data set: by its fingerprint, the names of its classes and its images."""

import dataclasses

import numpy as np
import pytest
from PIL import Image

from data import ImageData, Split, known, load
from data.image_data import fingerprint
from evaluation import features
from evaluation.features import Extractor, TrainedOn, classifier
from evaluation.runner import load_extractor
from tests.evaluation.cases import reference_of

DIGITS = tuple("0123456789")


def by_first_pixel(**of):
    """A classifier of the first pixel of an image, of three classes."""

    def network(images):
        first = np.asarray(images)[:, 0, 0, 0].astype(int)
        return np.zeros((len(images), 2), np.float32), np.eye(3, dtype=np.float32)[first % 3]

    trained_on = TrainedOn(3, **of)
    return Extractor("first", "00", "none", 2, network, trained_on, batch_size=50)


def set_of(class_names, wrong=0, n=100):
    """A data set whose first pixel is the label but in the first images, where it is wrong."""
    labels = np.arange(n) % 3
    images = np.zeros((n, 4, 4, 1), np.uint8)
    images[:, 0, 0, 0] = labels
    images[:wrong, 0, 0, 0] += 1
    split = Split(images, labels if class_names else None)
    return ImageData("Set", split, None, class_names, fingerprint(split, None))


@pytest.mark.parametrize(
    ("of", "images", "classifies"),
    [
        ({"class_names": ("a", "b", "c")}, set_of(("a", "b", "c"), wrong=100), True),
        ({"class_names": ("a", "b", "c")}, set_of(("b", "a", "c")), False),
        ({"class_names": ("a", "b", "c")}, set_of(("a", "b", "d")), False),
        ({"class_names": ("a", "b", "c")}, set_of(()), False),
        # Numbers are no names.
        ({"class_names": ("0", "1", "2")}, set_of(("0", "1", "2"), wrong=10), True),
        ({"class_names": ("0", "1", "2")}, set_of(("0", "1", "2"), wrong=11), False),
        ({"class_names": ("0", "1", "2")}, set_of(("1", "2", "3")), False),
        ({"class_names": ("0", "1", "2"), "test_accuracy": 0.5},
         set_of(("0", "1", "2"), wrong=55), True),
        ({"class_names": ("0", "1", "2"), "test_accuracy": 0.5},
         set_of(("0", "1", "2"), wrong=56), False),
        # A file of an earlier version has no names.
        ({}, set_of(("a", "b", "c")), True),
        ({}, set_of(("a", "b", "c"), wrong=11), False),
        ({}, set_of(("a", "b")), False),
        ({"fingerprint": set_of(("a", "b"), wrong=90).fingerprint}, set_of(("a", "b"), 90), True),
    ],
)  # fmt: skip
def test_classifier_fits_a_set_by_its_fingerprint_or_its_classes(of, images, classifies):
    extractor = by_first_pixel(**of)
    assert extractor.classifies(images) == classifies
    assert reference_of(images, extractor).has_classifier == classifies


def test_network_without_a_known_data_set_classifies_none():
    extractor = dataclasses.replace(by_first_pixel(), trained_on=None)
    assert not extractor.classifies(set_of(("a", "b", "c")))


def test_accuracy_is_that_of_images_of_all_classes_of_a_sorted_set():
    """500 of 1,200 images, of which the last class is not recognised."""
    labels = np.repeat(np.arange(3), 400)
    images = np.zeros((1200, 4, 4, 1), np.uint8)
    images[:800, 0, 0, 0] = labels[:800]
    split = Split(images, labels)
    data = ImageData("Set", split, None, ("0", "1", "2"), "f1")
    extractor = by_first_pixel(class_names=("0", "1", "2"))
    assert extractor._accuracy(data) == pytest.approx(2 / 3, abs=2e-3)
    assert not extractor.classifies(data)


@pytest.fixture
def folder_of(tmp_path, mnist_test, monkeypatch):
    """folder_of(names of the digits) -> a loaded folder MNIST of 30 PNG files per digit."""
    monkeypatch.setenv("GAN_ZOO_CACHE", str(tmp_path / "cache"))

    def folder_of(names):
        images, labels = mnist_test
        for digit, name in enumerate(names):
            (tmp_path / "MNIST" / name).mkdir(parents=True)
            for k, image in enumerate(images[labels == digit][:30]):
                Image.fromarray(image[..., 0]).save(tmp_path / "MNIST" / name / f"{k}.png")
        return load(str(tmp_path / "MNIST"))

    return folder_of


def test_folder_of_digits_is_measured_by_the_classifier_of_digits(folder_of):
    images = folder_of(DIGITS)
    assert features.network_of(images) == "digits"
    extractor = load_extractor(images, "auto", "features")
    assert extractor.name == "digits"
    assert extractor.classifies(images)


@pytest.mark.parametrize(
    "names",
    [
        ("cat", "dog"),
        tuple("1234567890"),  # images of 9 in the folder 0
        tuple("0123456798"),
    ],
)
def test_folder_called_mnist_with_other_classes_is_not(folder_of, names):
    images = folder_of(names)
    assert (images.name, images.image_shape) == ("MNIST", (28, 28, 1))
    assert features.network_of(images) == features.general_network()
    assert not classifier.load_digits().classifies(images)


def test_mnist_has_the_classifier_of_digits_without_a_trial():
    digits = classifier.load_digits()
    assert digits.trained_on.class_names == DIGITS
    assert digits.trained_on.fingerprint == known("MNIST").fingerprint
    of_mnist = dataclasses.replace(set_of(("a", "b")), fingerprint=known("MNIST").fingerprint)
    assert digits.classifies(of_mnist)
    assert features.network_of(of_mnist) == "digits"
