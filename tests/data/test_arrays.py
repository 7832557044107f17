""".npz files in the Keras layout, valid and invalid."""

import pathlib
import zipfile

import numpy as np
import pytest

from data.catalogue import check, load
from errors import UserError
from evaluation.subject import read_images
from storage import memory


def images(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def saved(folder, **arrays):
    path = folder / "set.npz"
    np.savez(path, **arrays)
    return str(path)


def test_load_of_an_npz_with_all_arrays_returns_both_splits_with_labels(tmp_path):
    x, y = images(6, 8, 8, 3), np.array([0, 1, 2, 0, 1, 2])
    path = saved(tmp_path, x_train=x, y_train=y[:, None], x_test=x[:2], y_test=y[:2])
    check(path)
    data = load(path)
    assert data.name == "set"
    np.testing.assert_array_equal(data.train.images, x)
    np.testing.assert_array_equal(data.train.labels, y)
    np.testing.assert_array_equal(data.test.images, x[:2])
    np.testing.assert_array_equal(data.test.labels, y[:2])
    assert data.train.labels.dtype == np.int64
    assert data.class_names == ("0", "1", "2")
    assert data.image_shape == (8, 8, 3)


def test_load_of_an_npz_of_gray_images_alone_adds_the_channel_axis(tmp_path):
    x = images(5, 8, 8)
    data = load(saved(tmp_path, x_train=x))
    np.testing.assert_array_equal(data.train.images, x[..., None])
    assert (data.test, data.train.labels, data.num_classes) == (None, None, 0)


def test_fingerprint_is_a_function_of_the_content(tmp_path):
    x = images(5, 8, 8)
    paths = [tmp_path / name for name in "abc"]
    for path in paths:
        path.mkdir()
    first = load(saved(paths[0], x_train=x))
    assert load(saved(paths[1], x_train=x[..., None])).fingerprint == first.fingerprint
    x[4, 7, 7] ^= 1
    assert load(saved(paths[2], x_train=x)).fingerprint != first.fingerprint
    assert load(saved(paths[2], x_train=x[:4])).fingerprint != first.fingerprint


def test_load_of_an_npz_with_other_arrays_names_them_in_the_notes(tmp_path):
    data = load(saved(tmp_path, x_train=images(2, 8, 8), names=np.array(["a"], object)))
    assert data.notes == ("arrays ignored: names",)


def test_image_size_crops_and_resizes(tmp_path):
    x = np.zeros((2, 8, 16, 1), np.uint8)
    x[:, :, 4:12] = 200
    path = saved(tmp_path, x_train=x, x_test=np.full((1, 4, 4, 1), 200, np.uint8))
    data = load(path, image_size=4)
    np.testing.assert_array_equal(data.train.images, np.full((2, 4, 4, 1), 200))
    assert data.notes == (
        "2 images cropped to the centre square",
        "2 images resized to 4 x 4 (Lanczos)",
    )


X = images(3, 8, 8, 3)


@pytest.mark.parametrize(
    ("arrays", "line"),
    [
        ({"pictures": X}, r"expected the arrays x_train, .* images and labels, got pictures"),
        ({}, r"expected the arrays x_train, .* images and labels, got none"),
        ({"x_train": X / 255}, "x_train must be uint8 from 0 to 255, got float64"),
        ({"x_train": X.astype(np.int64)}, "x_train must be uint8 .* got int64"),
        ({"x_train": X[0, 0]}, r"x_train must be .* got the shape \(8, 3\)"),
        ({"x_train": X[:0]}, r"x_train must be .* not empty, got the shape \(0, 8, 8, 3\)"),
        ({"x_train": images(3, 8, 8, 4)}, r"c = 1 or 3"),
        ({"x_train": images(3, 8, 6, 3)}, "6 x 8 .* not square; set image_size=64"),
        ({"x_train": X.astype(object)}, "pickle"),
        ({"x_train": X, "y_train": np.array([0, 1])}, "one label for each of the 3 images"),
        ({"x_train": X, "y_train": np.eye(3)}, r"y_train must be .* got the shape \(3, 3\)"),
        ({"x_train": X, "y_train": np.array([0.0, 1, 2])}, "y_train must be integers, got float64"),
        (
            {"x_train": X, "y_train": np.array([0, -1, 2])},
            "y_train must be integers .* from -1 to 2",
        ),
        ({"x_train": X, "y_train": np.array(["a", "b", "c"])}, "y_train must be integers"),
        (
            {"x_train": X, "y_train": np.arange(3), "class_names": np.array(["a", "b"])},
            "class_names has 2 names, but there is a label 2",
        ),
        (
            {"x_train": X, "y_train": np.arange(3), "class_names": np.array(["a", "b", "a"])},
            r"class_names must be \[k\] different names, k <= 65,536, got <U1 of the shape \(3,\)",
        ),
        (
            {"x_train": X, "class_names": np.arange(2**16 + 1).astype(str)},
            r"class_names must be .* got <U21 of the shape \(65537,\)",
        ),
        (
            {"x_train": X, "y_train": np.arange(3), "class_names": np.arange(3)},
            "class_names must be .* got int64",
        ),
        ({"x_train": X, "y_test": np.arange(3)}, "y_test is present but x_test is missing"),
        (
            {"x_train": X, "x_test": X, "y_test": np.arange(3)},
            "y_test is present but y_train is missing; add y_train",
        ),
        ({"x_train": X, "x_test": X[..., :1]}, "x_train and x_test must have images of one shape"),
        ({"x_train": X, "x_test": X.astype(np.float32)}, "x_test must be uint8 .* got float32"),
    ],
)
def test_load_of_invalid_arrays_raises_one_line(tmp_path, arrays, line):
    path = saved(tmp_path, **arrays)
    with pytest.raises(UserError, match=line) as refusal:
        load(path)
    assert refusal.value.option == "dataset"
    assert str(refusal.value).startswith(f"dataset: {path}: ")
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("train", "test", "names", "numbers"),
    [
        ([1, 10, 2], [10], ("1", "2", "10"), ([0, 2, 1], [2])),
        ([3, 60000, 3], [3], ("3", "60000"), ([0, 1, 0], [0])),
        ([2**64 - 1, 0, 7], [7], ("0", "7", str(2**64 - 1)), ([2, 0, 1], [1])),
    ],
)
def test_labels_are_numbered_by_ascending_value(tmp_path, train, test, names, numbers):
    train = np.array(train, np.uint64 if max(train) > 2**63 else np.int32)
    path = saved(tmp_path, x_train=X, y_train=train, x_test=X[:1], y_test=np.array(test, np.int64))
    data = load(path)
    assert data.class_names == names
    assert (data.train.labels.tolist(), data.test.labels.tolist()) == numbers
    assert data.notes == ()


def test_load_notes_classes_of_test_images_alone(tmp_path):
    path = saved(tmp_path, x_train=X, y_train=np.array([5, 5, 9]), x_test=X[:1], y_test=[7])
    data = load(path)
    assert data.class_counts() == {"5": 2, "7": 0, "9": 1}
    assert data.notes == ("1 class without training images: 7",)


def test_labels_by_the_first_rules_are_numbers_of_classes(tmp_path):
    path = saved(tmp_path, x_train=X, y_train=np.array([1, 3, 1]))
    data = load(path, rules=1)
    assert data.class_names == ("0", "1", "2", "3")
    assert data.train.labels.tolist() == [1, 3, 1]
    assert data.notes == ("2 classes without training images: 0, 2",)


def test_labels_with_too_many_values_raise(tmp_path):
    x = np.zeros((2**16 + 1, 2, 2), np.uint8)
    path = saved(tmp_path, x_train=x, y_train=np.arange(len(x)) * 3)
    with pytest.raises(UserError, match="65,537 different values, and there may be at most 65,536"):
        load(path)


def test_load_of_an_npz_of_generate_has_its_classes(tmp_path):
    names = np.array(["cat", "dog", "newt"])
    arrays = {"images": X, "labels": np.array([2, 0, 2]), "class_names": names}
    data = load(saved(tmp_path, **arrays))
    np.testing.assert_array_equal(data.train.images, X)
    assert data.train.labels.tolist() == [2, 0, 2]
    assert data.class_names == ("cat", "dog", "newt")
    assert data.notes == ("1 class without training images: dog",)
    # Beside x_train they are other arrays.
    other = load(saved(tmp_path, **arrays, x_train=X))
    assert (other.class_names, other.notes) == ((), ("arrays ignored: images, labels",))


def npy(path):
    with open(path, "wb") as file:
        np.save(file, X)


def cut(path):
    np.savez(path, x_train=X)
    path.write_bytes(path.read_bytes()[:200])


def flipped(path):
    np.savez_compressed(path, x_train=images(64, 8, 8))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 255
    path.write_bytes(content)


def encrypted(path):
    np.savez(path, x_train=X)
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\1\2") + 8] |= 1  # flag of the entry in the directory
    path.write_bytes(content)


def of_damaged_lzma(path):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as file:
        file.writestr("x_train.npy", bytes(10_000))
    content = bytearray(path.read_bytes())
    place = content.index(b"x_train.npy") + len("x_train.npy")
    content[place + 4] = 255  # properties of the compression
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("write", "line"),
    [
        (npy, "single array"),
        (cut, "cannot read it as an .npz archive|not an .npz archive"),
        (flipped, "cannot read it as an .npz archive"),
        (lambda path: path.write_text("hello"), "not an .npz archive; write it with np.savez"),
        (lambda path: path.write_bytes(b""), "cannot read it as an .npz archive"),
        (lambda path: path.write_bytes(b"PK, a text"), "not an .npz archive; write it"),
        (encrypted, r"cannot read it as an .npz archive \(File 'x_train.npy' is encrypted"),
        (of_damaged_lzma, "cannot read it as an .npz archive"),
    ],
)
def test_load_of_an_invalid_npz_file_raises_one_line(tmp_path, write, line):
    path = tmp_path / "set.npz"
    write(path)
    with pytest.raises(UserError, match=line) as refusal:
        load(str(path))
    assert "\n" not in str(refusal.value)


def archive(path, header, content=b"", name="x_train.npy"):
    """Write an .npz file with one member: the header of an array and some content."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file, file.open(name, "w") as member:
        if header:  # an empty shape: none
            np.lib.format.write_array_header_1_0(
                member, {"descr": "|u1", "fortran_order": False, "shape": header}
            )
        member.write(content)


@pytest.mark.parametrize("call", [load, lambda path: read_images(pathlib.Path(path))])
@pytest.mark.parametrize(
    ("shape", "content", "line"),
    [
        (
            (10**12, 28, 28),
            bytes(1000),
            r"x_train is uint8 \(1000000000000, 28, 28\), 713.0 TiB, of which the file has 1.1 KiB",
        ),
        ((4, 8, 8), bytes(4 * 64 - 1), r"x_train is uint8 \(4, 8, 8\), 256 bytes, of which the"),
        ((), b"hello", r"x_train is no array"),
        (
            (),
            b"\x93NUMPY\1\0\x10\0" + b"{'descr': '|u1',".ljust(16),
            r"x_train has a damaged header",
        ),
        ((0, 10**30), b"", r"x_train has a damaged header"),
        ((), b"\x93NUMPY\3\0" + bytes(20), r"x_train is no array of numbers or texts"),
    ],
)
def test_array_that_is_not_whole_is_one_line(tmp_path, call, shape, content, line):
    path = tmp_path / "set.npz"
    archive(path, shape, content)
    with pytest.raises(UserError, match=line) as refusal:
        call(str(path))
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("call", [load, lambda path: read_images(pathlib.Path(path))])
def test_array_that_exceeds_the_free_memory_is_one_line(tmp_path, monkeypatch, call):
    archive(tmp_path / "set.npz", (12, 2**10, 2**10), bytes(12 * 2**20))
    monkeypatch.setattr(memory, "MEMINFO", tmp_path / "meminfo")
    memory.MEMINFO.write_text("MemTotal: 9 kB\nMemAvailable: 10240 kB\n")
    with pytest.raises(UserError) as refusal:
        call(str(tmp_path / "set.npz"))
    assert (
        "x_train is uint8 (12, 1024, 1024), 12.0 MiB, more than the 10.0 MiB of memory that are "
        "free"
    ) in str(refusal.value)


def test_header_is_checked_before_an_array_is_read(tmp_path, monkeypatch):
    """An archive of some KB can have GB of zeros, also in arrays that do not fit."""
    arrays = {"x_train": np.zeros((4, 16, 16), np.uint8)}
    monkeypatch.setattr(memory, "MEMINFO", tmp_path / "meminfo")
    memory.MEMINFO.write_text("MemAvailable: 64 kB\n")
    for wrong, line in (
        ({"x_train": np.zeros((4, 256, 256))}, "x_train must be uint8 .* got float64"),
        ({"y_train": np.zeros(2**17, np.int64)}, r"y_train must be .* got the shape \(131072,\)"),
        ({"class_names": np.zeros(2**17, "<U4")}, "class_names must be .* got <U4 of the shape"),
    ):
        assert next(iter(wrong.values())).nbytes > 2**16
        with pytest.raises(UserError, match=line):
            load(saved(tmp_path, **{**arrays, **wrong}))


def test_class_names_that_are_no_characters_raise(tmp_path):
    names = np.frombuffer(b"\0\0\x11\0a\0\0\0b\0\0\0", "<U1")  # U+110000 does not exist
    with pytest.raises(UserError, match=r"class_names has numbers that are no characters$"):
        load(saved(tmp_path, x_train=X, y_train=np.arange(3), class_names=names))


def test_available_memory_is_that_of_the_container(tmp_path, monkeypatch):
    for name, content in (
        ("memory.max", "5000"),
        ("memory.current", "3000"),
        ("memory.stat", "anon 7\ninactive_file 500\n"),
    ):
        (tmp_path / name).write_text(content)
    monkeypatch.setattr(memory, "CGROUP", tmp_path)
    assert memory.available_memory() == 2500
    (tmp_path / "memory.max").write_text("max")
    assert memory.available_memory() > 10**6


@pytest.mark.parametrize(
    ("size", "text"),
    [(12, "12 bytes"), (1024, "1.0 KiB"), (12 * 2**30, "12.0 GiB"), (2**50, "1,024.0 TiB")],
)
def test_described_is_a_number_of_bytes(size, text):
    assert memory.described(size) == text
