"""Subjects of an evaluation: baselines, and images of any program."""

import numpy as np
import pytest
import scipy.ndimage
from PIL import Image

from data import Split
from errors import UserError
from evaluation import subject
from tests.evaluation.cases import data_of, pictures

pytestmark = pytest.mark.usefixtures("cache")


def test_baselines_are_training_images_blurred_images_and_noise(unlabelled):
    train = unlabelled.train
    draws = {
        baseline.name: np.concatenate(list(baseline.draw(270, 3)))
        for baseline in subject.baselines(train)
    }
    assert list(draws) == ["training images", "blurred", "uniform noise"]
    for images in draws.values():
        assert images.shape == (270, 4, 4, 1)
        assert images.dtype == np.uint8
    real, blurred, noise = draws.values()
    assert len(set(map(bytes, real))) == 270
    assert set(map(bytes, real)) <= set(map(bytes, train.images))
    np.testing.assert_array_equal(blurred[0, ..., 0], scipy.ndimage.gaussian_filter(
        real[0, ..., 0], 1
    ))  # fmt: skip
    assert noise.mean() == pytest.approx(127.5, abs=6)
    assert not set(map(bytes, noise)) & set(map(bytes, train.images))


@pytest.mark.parametrize("number", range(3))
def test_baselines_are_a_function_of_the_seed(unlabelled, number):
    draw = subject.baselines(unlabelled.train)[number].draw
    one, same, other = (np.concatenate(list(draw(30, seed))) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()


# Images of any program.


def of_side(side):
    """A data set of gray images of a side."""
    return data_of(Split(np.zeros((3, side, side, 1), np.uint8), None), None)


def saved(folder, kind, images):
    """The path of the images as a folder of PNG files, or as an .npz file with an array `kind`."""
    if kind != "folder":
        np.savez(folder / "images.npz", **{kind: images})
        return folder / "images.npz"
    (folder / "images").mkdir()
    for k, image in enumerate(images):
        Image.fromarray(image[..., 0]).save(folder / "images" / f"{k:02}.png")
    return folder / "images"


@pytest.mark.parametrize("kind", ["folder", "images", "x", "x_train", "arr_0"])
def test_subject_of_images_reads_a_folder_or_an_array(kind, tmp_path):
    images = pictures(12, 5).images
    found = subject.of_images(str(saved(tmp_path, kind, images)), of_side(4))
    assert (found.model, found.count) == (None, 12)
    np.testing.assert_array_equal(
        sorted(map(bytes, np.concatenate(list(found.draw(12, 0))))), sorted(map(bytes, images))
    )
    first, same, other = (next(iter(found.draw(5, seed))) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, same)
    assert (first != other).any()
    assert len(found.protocol["images_sha256"]) == 64


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"y": np.zeros(3)}, "expected an array named images or x or"),
        ({"x": np.zeros((3, 4, 4, 1))}, "expected at least 2 uint8 images"),
        ({"x": np.zeros((3, 4, 4, 1, 1), np.uint8)}, "expected at least 2 uint8 images"),
        (
            {"x": np.zeros((3, 5, 4, 1), np.uint8)},
            r"data set, got \[5, 4, 1\]",
        ),
    ],
)
def test_subject_of_images_of_other_arrays_raises(arrays, message, tmp_path):
    np.savez(tmp_path / "images.npz", **arrays)
    with pytest.raises(UserError, match=message) as refusal:
        subject.of_images(str(tmp_path / "images.npz"), of_side(4))
    assert refusal.value.option == "images"


def test_subject_of_images_of_a_missing_file_raises(tmp_path):
    with pytest.raises(UserError, match=r"absent: expected a folder or an \.npz file"):
        subject.of_images(str(tmp_path / "absent"), of_side(4))


def empty(path):
    path.write_bytes(b"")


def truncated(path):
    np.savez(path, images=pictures(12, 5).images)
    path.write_bytes(path.read_bytes()[:200])


def single_array(path):
    with open(path, "wb") as file:
        np.save(file, pictures(12, 5).images)


def flipped_byte(path):
    np.savez_compressed(path, images=pictures(200, 5).images)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 255
    path.write_bytes(content)


@pytest.mark.parametrize("damage", [empty, truncated, single_array, flipped_byte])
def test_subject_of_images_of_a_damaged_file_raises_one_line(damage, tmp_path):
    path = tmp_path / "images.npz"
    damage(path)
    with pytest.raises(UserError, match=r"\.npz") as raised:
        subject.of_images(str(path), of_side(4))
    assert str(raised.value).startswith(f"images: {path}: ")
    assert "\n" not in str(raised.value)


def test_subject_of_images_of_a_folder_without_images_raises_under_images(tmp_path):
    with pytest.raises(UserError) as raised:
        subject.of_images(str(tmp_path), of_side(4))
    assert str(raised.value) == f"images: {tmp_path}: no PNG or JPEG files found"


def test_subject_of_images_of_a_folder_of_several_sizes_advises_no_resizing(tmp_path):
    for side in (4, 5):
        Image.fromarray(np.zeros((side, side), np.uint8)).save(tmp_path / f"{side}.png")
    with pytest.raises(UserError, match=r"images: .* not squares of one size") as raised:
        subject.of_images(str(tmp_path), of_side(4))
    assert "image_size" not in str(raised.value)


@pytest.mark.parametrize("kind", ["folder", "images"])
def test_subject_of_images_of_one_image_raises(kind, tmp_path):
    path = saved(tmp_path, kind, pictures(1, 5).images)
    with pytest.raises(UserError, match=r"images: .* expected at least 2 uint8 images"):
        subject.of_images(str(path), of_side(4))


def test_identity_of_images_is_of_their_content_and_of_the_data_set(tmp_path):
    images = pictures(12, 5).images
    paths = [tmp_path / "a.npz", tmp_path / "b.npz"]
    for path, content in zip(paths, (images, images[:11]), strict=True):
        np.savez(path, images=content)
    one, other = of_side(4), data_of(pictures(9, 1), None)
    identities = [subject.of_images(str(p), d).identity for p in paths for d in (one, other)]
    assert len(set(map(tuple, identities))) == 4
    assert identities[0] == subject.of_images(str(paths[0]), one).identity
