"""Classifiers: the shipped one of digits, their files, and invalid files and images."""

import dataclasses
import hashlib
import io
import json
import pickle

import keras
import numpy as np
import pytest

from errors import UserError
from evaluation import features
from evaluation.features import TrainedOn, classifier
from tests.evaluation.cases import data_of


def refusal(load, *args) -> str:
    """Return the one-line message of the UserError that a call raises."""
    with pytest.raises(UserError) as raised:
        load(*args)
    assert "\n" not in str(raised.value)
    return str(raised.value)


# The shipped one.


@pytest.mark.slow
def test_load_digits_classifies_mnist_with_an_accuracy_of_at_least_0_994(shipped, mnist_test):
    images, labels = mnist_test
    _, logits = shipped(images)
    assert np.mean(logits.argmax(1) == labels) >= 0.994


def test_load_digits_has_a_small_file_with_its_hash_and_description(shipped):
    assert classifier.DIGITS_FILE.stat().st_size < 2e6
    assert shipped.sha256 == hashlib.sha256(classifier.DIGITS_FILE.read_bytes()).hexdigest()
    assert shipped.sha256 == classifier.DIGITS_SHA256
    assert (shipped.name, shipped.dimension, shipped.resizing) == ("digits", 128, "none")
    with np.load(classifier.DIGITS_FILE) as arrays:
        assert '"dataset": "MNIST"' in str(arrays["description"])


def test_load_digits_of_a_changed_file_raises(monkeypatch, saved):
    monkeypatch.setattr(classifier, "DIGITS_FILE", saved)
    assert refusal(classifier.load_digits) == (
        f"{saved}: missing or damaged; restore it with git checkout assets/digits.npz"
    )


def test_extractor_under_mixed_precision_returns_float32_features(shipped, mnist_test):
    images = mnist_test[0][:20]
    keras.config.set_dtype_policy("mixed_bfloat16")
    mixed = dataclasses.replace(classifier.load_digits(), batch_size=20)
    for x, y in zip(mixed(images), shipped(images), strict=True):
        assert x.dtype == y.dtype == np.float32
        np.testing.assert_allclose(x, y, atol=1e-5 * y.std())  # bfloat16 is off by 1e-2


@pytest.mark.parametrize("size", [1, 7, 16, 50])
def test_extractor_output_of_an_image_is_independent_of_its_batch(shipped, mnist_test, size):
    """Of 50 images, batches of 16 pad the last one; a batch of 50 needs no padding."""
    images = mnist_test[0][:50]
    for x, y in zip(
        dataclasses.replace(shipped, batch_size=size)(images), shipped(images), strict=True
    ):
        assert x.shape == (50, y.shape[1])
        np.testing.assert_allclose(x, y, atol=1e-5 * y.std())


def test_extractor_of_floats_does_not_round_them(shipped, mnist_test):
    images = mnist_test[0][:5]
    features, _ = shipped(images)
    np.testing.assert_array_equal(shipped(images.astype(np.float32))[0], features)
    assert (shipped(images + np.float32(0.25))[0] != features).any()


def test_extractor_calls_the_network_with_batches_of_one_size(shipped):
    shapes = []

    def network(images):
        shapes.append(images.shape)
        return images.reshape(len(images), -1).astype(np.float32), None

    stand_in = dataclasses.replace(shipped, network=network, batch_size=8)
    images = np.random.default_rng(0).integers(0, 256, (19, 2, 2, 1), np.uint8)
    features, logits = stand_in(images)
    assert shapes == [(8, 2, 2, 1)] * 3
    assert logits is None
    np.testing.assert_array_equal(features, images.reshape(19, 4))


# Files.

SMALL = classifier.Description(
    "Stripes", (8, 8, 3), num_classes=3, width=2, test_accuracy=0.5, class_names=("a", "b", "c"),
    fingerprint="e5",
)  # fmt: skip


@pytest.fixture(scope="module")
def small():
    """A small network whose weights are all random, those of batch norm too."""
    network = classifier.build(SMALL.image_shape, SMALL.num_classes, SMALL.width)
    random = np.random.default_rng(0)
    network.set_weights([random.uniform(0.1, 1, w.shape) for w in network.weights])
    return network


@pytest.fixture
def saved(tmp_path, small):
    """The file of `small`."""
    path = tmp_path / "classifier.npz"
    classifier.save(path, small, SMALL)
    return path


def test_load_of_a_saved_classifier_returns_the_same_outputs(saved, small):
    images = np.random.default_rng(1).integers(0, 256, (5, 8, 8, 3), np.uint8)
    extractor = classifier.load(saved, "stripes")
    for x, y in zip(extractor(images), small(images, training=False), strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-5)
    assert (extractor.name, extractor.dimension) == ("stripes", 8)
    assert extractor.sha256 == hashlib.sha256(saved.read_bytes()).hexdigest()
    assert [path.name for path in saved.parent.iterdir()] == [saved.name]


class Trap:
    """Object that creates a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def with_arrays(content: bytes, **changes) -> bytes:
    """An archive with some of its arrays changed, or left out where the change is None."""
    with np.load(io.BytesIO(content)) as archive:
        arrays = {**archive, **changes}
    buffer = io.BytesIO()
    np.savez(buffer, **{name: array for name, array in arrays.items() if array is not None})
    return buffer.getvalue()


def described(content: bytes, **changes) -> bytes:
    """An archive with entries of its description changed, or left out where the change is None."""
    with np.load(io.BytesIO(content)) as archive:
        entries = json.loads(str(archive["description"])) | changes
    entries = {name: entry for name, entry in entries.items() if entry is not None}
    return with_arrays(content, description=json.dumps(entries))


def single_array(_: bytes) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.zeros(3))
    return buffer.getvalue()


def utf32(text: str) -> bytes:
    """Text in the encoding of NumPy's files."""
    return text.encode("utf-32-le")


def flagged(content: bytes) -> bytes:
    """Set the encryption flag of the archive's first file, in its central directory."""
    changed = bytearray(content)
    changed[content.index(b"PK\x01\x02") + 8] |= 1
    return bytes(changed)


DAMAGES = {
    "empty": lambda content: b"",
    "garbage": lambda content: bytes(range(256)) * 9,
    "a single array": single_array,
    "cut": lambda content: content[: len(content) // 2],
    "a letter changed": lambda content: content.replace(*map(utf32, ("Stripes", "Strides"))),
    "a flag of the archive": lambda content: flagged(content),
    "no description": lambda content: with_arrays(content, description=None),
    "no json": lambda content: with_arrays(content, description="{"),
    "a description of what else": lambda content: with_arrays(content, description='{"a": 1}'),
    "a description in a list": lambda content: with_arrays(content, description="[1]"),
    "an accuracy that is no number": lambda content: described(content, test_accuracy="x"),
    "class names that are no list": lambda content: described(content, class_names=3),
    "a weight short": lambda content: with_arrays(content, weight_00=None),
    "a weight more": lambda content: with_arrays(content, weight_99=np.zeros(3)),
    "a weight of another shape": lambda content: with_arrays(content, weight_00=np.zeros(3)),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_load_of_a_damaged_file_raises(saved, damage):
    content = DAMAGES[damage](saved.read_bytes())
    assert content != saved.read_bytes()
    saved.write_bytes(content)
    assert refusal(classifier.load, saved, "x").startswith(
        f"{saved}: not the weights of a classifier ("
    )


def test_load_of_a_missing_file_raises(tmp_path):
    message = refusal(classifier.load, tmp_path / "none.npz", "x")
    assert "No such file" in message


@pytest.mark.parametrize("kind", ["pickle", "array of objects"])
def test_load_of_a_pickle_raises_and_does_not_execute_it(saved, tmp_path, kind):
    trap = Trap(tmp_path / "sprung")
    content = pickle.dumps(trap)
    if kind == "array of objects":
        weight = np.array([trap], object)
        content = with_arrays(saved.read_bytes(), weight_00=weight)
    saved.write_bytes(content)
    assert ": not the weights of a classifier (" in refusal(classifier.load, saved, "x")
    assert not trap.path.exists()


@pytest.mark.parametrize("shape", [(8, 8, 1), (9, 8, 3), (28, 28, 3)])
def test_extractor_of_images_of_another_shape_raises(saved, shape):
    extractor = classifier.load(saved, "stripes")
    message = refusal(extractor, np.zeros((4, *shape), np.uint8))
    assert message == (
        f"stripes requires images [8, 8, 3], got {list(shape)}; choose another feature network"
    )


def test_file_of_an_earlier_version_has_no_class_names(saved):
    saved.write_bytes(described(saved.read_bytes(), class_names=None, fingerprint=None))
    assert classifier.load(saved, "x").trained_on == TrainedOn(3, (), "", 0.5)


# A path.


@pytest.mark.parametrize(
    ("dataset", "gray", "name"),
    [("CIFAR10", False, "cifar10"), ("digits", False, "digits_classifier"), ("A", True, "a_gray")],
)
def test_load_file_names_the_network_after_the_data_set(tmp_path, small, dataset, gray, name):
    description = dataclasses.replace(SMALL, dataset=dataset, gray=gray)
    classifier.save(tmp_path / "any.npz", small, description)
    extractor = features.load(str(tmp_path / "any.npz"), data_of(None, None))
    assert extractor.name == name
    assert extractor.trained_on == TrainedOn(3, ("a", "b", "c"), "e5", 0.5)
    assert extractor.resizing == ("gray" if gray else "none")


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_classifier_of_gray_images_takes_colour_images(tmp_path, small, dtype):
    images = np.random.default_rng(0).integers(0, 256, (20, 8, 8, 3)).astype(dtype)
    loaded = []
    for gray in (True, False):
        classifier.save(tmp_path / "a.npz", small, dataclasses.replace(SMALL, gray=gray))
        loaded.append(classifier.load_file(str(tmp_path / "a.npz")))
    of_gray, of_colour = loaded
    gray = classifier.to_gray(images)
    if dtype == np.float32:  # not rounded
        gray = np.repeat(images.mean(-1, keepdims=True), 3, -1)
    for found, expected in zip(of_gray(images), of_colour(gray), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(of_gray(gray)[0], of_gray(images)[0])


def test_load_file_of_another_file_raises_with_the_reason(tmp_path, saved):
    np.savez(tmp_path / "data.npz", x_train=np.zeros(3))
    (tmp_path / "cut.npz").write_bytes(saved.read_bytes()[:500])
    other = "not a file that train_classifier.py wrote"
    for name, reason in (
        ("data.npz", f"{other} (it has no array description)"),
        ("cut.npz", f"{other} (cannot read it as an .npz archive (File is not a zip file))"),
        ("none.npz", "no such file"),
    ):
        assert refusal(classifier.load_file, str(tmp_path / name)) == reason


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"width": 2**20}, "width is no integer from 1 to 65,536"),
        ({"width": 60_000}, "its arrays are not the weights of the network that it describes"),
        ({"num_classes": "3"}, "num_classes is no integer from 1 to 65,536"),
        ({"image_shape": [8, 10**30, 3]}, "image_shape[1] is no integer from 1 to 65,536"),
        ({"image_shape": 8}, "image_shape is no list of three numbers"),
        ({"dataset": 5}, "dataset is no text"),
    ],
)
def test_description_of_another_network_raises_before_the_network_is_made(
    saved, monkeypatch, change, reason
):
    monkeypatch.setattr(classifier, "build", lambda *_: pytest.fail("a network is made"))
    with np.load(saved) as arrays:
        description = json.loads(str(arrays["description"])) | change
    content = with_arrays(saved.read_bytes(), description=np.array(json.dumps(description)))
    saved.write_bytes(content)
    assert refusal(classifier.load_file, str(saved)).endswith(f"wrote ({reason})")


def test_description_that_is_no_characters_raises(saved):
    description = np.frombuffer(b"\xff" * 4, "<U1").reshape(())
    saved.write_bytes(with_arrays(saved.read_bytes(), description=description))
    message = refusal(classifier.load_file, str(saved))
    assert message.endswith("(description has numbers that are no characters)")


# The cache.


def test_load_cached_finds_a_classifier_by_the_fingerprint_of_the_data_set(
    tmp_path, monkeypatch, small
):
    monkeypatch.setenv("GAN_ZOO_CACHE", str(tmp_path))
    message = refusal(classifier.load_cached, "Stripes", "a1b2")
    assert message == (
        "no classifier of Stripes found; train it with train_classifier.py and the dataset, "
        "data_dir and image_size of the run"
    )
    classifier.save(classifier.cached_file("a1b2"), small, SMALL)
    found = classifier.load_cached("Stripes", "a1b2")
    assert (found.name, found.trained_on.fingerprint) == ("stripes", "a1b2")
    refusal(classifier.load_cached, "Stripes", "c3d4")
    assert classifier.cached_file("a1b2").is_relative_to(tmp_path)


@pytest.mark.parametrize(
    ("dataset", "name"),
    [
        ("CIFAR10", "cifar10"),
        ("my set, 2", "my_set_2"),
        ("Inception", "inception_classifier"),
        ("digits", "digits_classifier"),
    ],
)
def test_load_cached_names_the_classifier_after_its_data_set(
    tmp_path, monkeypatch, small, dataset, name
):
    """A distance in its features must not be called the FID."""
    monkeypatch.setenv("GAN_ZOO_CACHE", str(tmp_path))
    classifier.save(classifier.cached_file("a1b2"), small, SMALL)
    assert classifier.load_cached(dataset, "a1b2").name == name
