"""Subjects of an evaluation: baselines, and images of any program."""

import numpy as np
import pytest
import scipy.ndimage
from PIL import Image

from errors import UserError
from evaluation import subject
from tests.evaluation.cases import pictures

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
    found = subject.of_images(str(saved(tmp_path, kind, images)), (4, 4, 1))
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
        subject.of_images(str(tmp_path / "images.npz"), (4, 4, 1))
    assert refusal.value.option == "images"


def test_subject_of_images_of_a_missing_file_raises(tmp_path):
    with pytest.raises(UserError, match=r"absent: expected a folder or an \.npz file"):
        subject.of_images(str(tmp_path / "absent"), (4, 4, 1))
