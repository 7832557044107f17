"""Resolution of names, the table of known sets, and the embedded MNIST."""

import os
import subprocess
import sys
import time

import numpy as np
import pytest

from data import arrays, catalogue, tfds_sets
from data.catalogue import check, known, load
from errors import UserError
from tests.data.cases import SIZE, random, save
from training import options


def test_import_of_catalogue_imports_nothing_slow():
    code = (
        "import sys, data.catalogue; "
        "print([m for m in ('tensorflow', 'tensorflow_datasets', 'PIL', 'scipy') "
        "if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_known_finds_a_set_in_any_spelling_and_no_other():
    assert catalogue.known("fashion-mnist") is catalogue.KNOWN["FASHION_MNIST"]
    assert catalogue.known("emnist/letters") is None


@pytest.mark.parametrize("entry", catalogue.KNOWN.values(), ids=lambda entry: entry.name)
def test_known_facts_of_a_set_are_those_of_its_images(entry):
    if entry.tfds_name:
        tfds = pytest.importorskip("tensorflow_datasets")
        if not os.environ.get("TFDS_DATA_DIR"):
            pytest.skip(f"{entry.name}: TFDS_DATA_DIR is not set")
        if not tfds.builder(entry.tfds_name, data_dir=os.environ["TFDS_DATA_DIR"]).is_prepared():
            pytest.skip(f"{entry.name} is not prepared in TFDS_DATA_DIR")
    data = load(entry.name)
    assert (data.name, data.image_shape, data.num_classes) == (
        entry.name,
        entry.image_shape,
        entry.num_classes,
    )
    assert catalogue.KNOWN[entry.name] == entry


def test_load_of_mnist_returns_the_published_set():
    mnist = load("mnist")
    assert mnist.name == "MNIST"
    assert mnist.train.images.shape == (60000, 28, 28, 1)
    assert mnist.test.images.shape == (10000, 28, 28, 1)
    assert mnist.train.images.dtype == np.uint8
    assert mnist.train.labels.dtype == np.int64
    assert mnist.class_names == tuple("0123456789")
    assert np.bincount(mnist.train.labels).tolist() == [
        *(5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949)
    ]
    assert np.bincount(mnist.test.labels).tolist() == [
        *(980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009)
    ]
    assert mnist.train.labels[:5].tolist() == [5, 0, 4, 1, 9]
    assert mnist.notes == ()


def test_fingerprint_of_a_file_with_the_content_of_mnist_is_that_of_mnist():
    assert load(str(arrays.MNIST)).fingerprint == load("MNIST").fingerprint


@pytest.mark.parametrize("damage", ["flipped", "short", "missing"])
def test_load_of_a_damaged_mnist_file_raises(tmp_path, monkeypatch, damage):
    content = bytearray(arrays.MNIST.read_bytes())
    content[len(content) // 2] ^= 1
    copy = tmp_path / "mnist.npz"
    if damage != "missing":
        copy.write_bytes(content if damage == "flipped" else content[:-1])
    monkeypatch.setattr(arrays, "MNIST", copy)
    for call in (load, check):
        with pytest.raises(UserError, match=r"mnist\.npz: (damaged|cannot read).*restore it"):
            call("MNIST")


@pytest.mark.parametrize(
    ("name", "tfds_name", "canonical"),
    [
        ("cifar10", "cifar10", "CIFAR10"),
        ("Cifar-10", "cifar10", "CIFAR10"),
        ("CIFAR_10", "cifar10", "CIFAR10"),
        ("fashion-mnist", "fashion_mnist", "FASHION_MNIST"),
        ("Fashion_MNIST", "fashion_mnist", "FASHION_MNIST"),
        ("emnist/letters", "emnist/letters", "MNIST"),
    ],
)
def test_load_of_a_name_in_any_spelling_loads_the_tfds_set(monkeypatch, name, tfds_name, canonical):
    asked = []

    def tfds_load(name, data_dir, reading, known):
        asked.append((name, data_dir, reading.image_size))
        return load("mnist")  # named MNIST

    monkeypatch.setattr(tfds_sets, "load", tfds_load)
    data = load(name, data_dir="somewhere", image_size=16)
    assert asked == [(tfds_name, "somewhere", 16)]
    assert data.name == canonical


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("", "expected a name such as MNIST, or a path"),
        ("/no/such/folder", "no such folder or file"),
        ("./missing", "no such folder or file"),
        ("empty/missing", "no such folder or file"),
        ("missing/a/b", "no such folder or file"),
        ("missing.npz", "no such file"),
        ("missing/missing.NPZ", "no such file"),
        ("./text.txt", "expected a folder of images or an .npz file"),
        ("./empty", "no PNG or JPEG files"),
        ("empty", "no PNG or JPEG files"),
    ],
)
def test_load_and_check_of_invalid_paths_raise_one_line(tmp_path, monkeypatch, name, line):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.txt").write_text("text")
    (tmp_path / "empty").mkdir()
    for call in (load, check):
        with pytest.raises(UserError, match=line) as refusal:
            call(name)
        assert refusal.value.option == "dataset"
        assert "\n" not in str(refusal.value)


def test_name_of_a_known_set_is_that_set_beside_a_folder_of_the_name(tmp_path, monkeypatch):
    """The data sets of torchvision make a folder MNIST."""
    monkeypatch.chdir(tmp_path)
    save(tmp_path / "MNIST" / "a.png", random(SIZE, SIZE))
    for name in ("MNIST", "mnist"):
        check(name)
        loaded = load(name)
        assert (loaded.image_shape, loaded.name, loaded.known_set) == ((28, 28, 1), *["MNIST"] * 2)
        assert loaded.fingerprint == known("MNIST").fingerprint
    folder = load("./MNIST")
    assert folder.image_shape == (SIZE, SIZE, 1)
    assert (folder.name, folder.known_set) == ("MNIST", "")
    assert options.parse(["--model=gan", "--dataset=mnist"]).options.dataset == "MNIST"
    parsed = options.parse(["--model=gan", "--dataset=./MNIST", "--outdir=x"])
    assert parsed.options.dataset == str(tmp_path / "MNIST")


def test_check_of_names_passes():
    for name in ("MNIST", "cifar10", "imagenet_resized/32x32", "nonsense"):
        check(name)


def test_check_of_a_data_dir_that_is_a_file_raises(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(
        UserError, match=r"^data_dir: .*file: expected a folder of TFDS sets, got a file$"
    ):
        check("cifar10", data_dir=str(tmp_path / "file"))


def test_load_with_image_size_below_1_raises():
    with pytest.raises(UserError, match=r"^image_size: expected an integer >= 1, got 0$"):
        load("MNIST", image_size=0)


def test_gray_skip_without_a_folder_raises(tmp_path):
    np.savez(tmp_path / "set.npz", x_train=np.zeros((2, 4, 4), np.uint8))
    for name in ("MNIST", "cifar10", str(tmp_path / "set.npz")):
        for call in (load, check):
            with pytest.raises(
                UserError, match=r"^gray: skip requires a folder of images"
            ) as refusal:
                call(name, gray="skip")
            assert name in str(refusal.value)
            assert "\n" not in str(refusal.value)
    check("MNIST", gray="convert")


@pytest.mark.parametrize(
    ("name", "suggestion"),
    [("minst", "MNIST"), ("CIFAR", "CIFAR10"), ("fashion", "FASHION_MNIST"), ("kmnst", "kmnist")],
)
def test_load_of_an_unknown_name_raises_with_the_nearest_names(name, suggestion):
    pytest.importorskip("tensorflow_datasets")  # the import alone can be slow on a busy machine
    start = time.monotonic()
    with pytest.raises(UserError, match=rf"did you mean .*\b{suggestion}\b") as refusal:
        load(name)
    assert "\n" not in str(refusal.value)
    assert time.monotonic() - start < 10


def test_load_of_a_name_without_near_names_raises_with_the_known_names():
    with pytest.raises(UserError, match="known are MNIST, FASHION_MNIST, CIFAR10"):
        load("qqqqqqqq")
