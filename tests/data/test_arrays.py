""".npz files in the Keras layout, valid and invalid."""

import numpy as np
import pytest

from data.catalogue import check, load
from errors import UserError


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
        ({"images": X}, r"expected the arrays x_train, .* optional\), got images"),
        ({}, r"expected the arrays x_train, .* optional\), got none"),
        ({"x_train": X / 255}, "x_train must be uint8 from 0 to 255, got float64"),
        ({"x_train": X.astype(np.int64)}, "x_train must be uint8 .* got int64"),
        ({"x_train": X[0, 0]}, r"x_train must be .* got the shape \(8, 3\)"),
        ({"x_train": X[:0]}, r"x_train must be .* not empty, got the shape \(0, 8, 8, 3\)"),
        ({"x_train": images(3, 8, 8, 4)}, r"c = 1 or 3"),
        ({"x_train": images(3, 8, 6, 3)}, "6 x 8 .* not square; set image_size=64"),
        ({"x_train": X.astype(object)}, "pickle"),
        ({"x_train": X, "y_train": np.array([0, 1])}, "one label for each of the 3 images"),
        ({"x_train": X, "y_train": np.eye(3)}, r"y_train must be .* got the shape \(3, 3\)"),
        ({"x_train": X, "y_train": np.array([0.0, 1, 2])}, "y_train must be integers .* float64"),
        (
            {"x_train": X, "y_train": np.array([0, -1, 2])},
            "y_train must be integers .* from -1 to 2",
        ),
        ({"x_train": X, "y_train": np.array(["a", "b", "c"])}, "y_train must be integers"),
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


@pytest.mark.parametrize(
    ("write", "line"),
    [
        (npy, "single array"),
        (cut, "cannot read it as an .npz archive|not an .npz archive"),
        (flipped, "cannot read it as an .npz archive"),
        (lambda path: path.write_text("hello"), "not an .npz archive; write it with np.savez"),
        (lambda path: path.write_bytes(b""), "cannot read it as an .npz archive"),
    ],
)
def test_load_of_an_invalid_npz_file_raises_one_line(tmp_path, write, line):
    path = tmp_path / "set.npz"
    write(path)
    with pytest.raises(UserError, match=line) as refusal:
        load(str(path))
    assert "\n" not in str(refusal.value)
