"""Resizing of clean-fid: bit for bit that of the package."""

import importlib.util
import pathlib

import numpy as np
import pytest

from evaluation.features import clean_resizing

HERE = pathlib.Path(__file__).parent
spec = importlib.util.spec_from_file_location("golden", HERE / "make_clean_golden.py")
golden = importlib.util.module_from_spec(spec)
spec.loader.exec_module(golden)
IMAGES = golden.images()


@pytest.mark.parametrize("name", IMAGES)
def test_resize_equals_that_of_clean_fid_to_the_bit(name):
    (resized,) = clean_resizing.resize(IMAGES[name][None])
    assert resized.dtype == np.float32
    colour = golden.in_colour(resized)
    with np.load(golden.GOLDEN) as archive:
        np.testing.assert_array_equal(colour[golden.SEEN], archive[name])
        assert golden.digest(colour) == archive["digests"][list(IMAGES).index(name)]


def test_resize_of_several_images_is_that_of_each():
    images = np.random.default_rng(0).integers(0, 256, (3, 9, 7, 3), np.uint8)
    each = np.concatenate([clean_resizing.resize(image[None]) for image in images])
    np.testing.assert_array_equal(clean_resizing.resize(images), each)


def test_resize_of_floats_does_not_round_them():
    half = np.full((1, 16, 16, 1), 7.5, np.float32)
    np.testing.assert_allclose(clean_resizing.resize(half), 7.5, rtol=1e-6)
