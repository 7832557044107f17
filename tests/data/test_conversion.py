"""Antialiasing, cropping and rounding."""

import collections

import numpy as np
import pytest

from data import conversion


def test_convert_array_downsamples_a_checkerboard_to_uniform_gray():
    board = np.uint8(np.indices((32, 32)).sum(0) % 2 * 255)[..., None]
    small, kinds = conversion.convert_array(board, 1, 16)
    assert kinds == ["{images} resized to 16 x 16 (Lanczos)"]
    # Only the corners deviate: the filter is cut at the border.
    assert np.abs(small[1:-1].astype(int) - 127.5).max() <= 1
    assert np.abs(small.astype(int) - 127.5).max() <= 8


def test_convert_array_crops_to_the_centre_square():
    wide = np.arange(7, dtype=np.uint8)[None, :, None].repeat(4, 0)
    square, kinds = conversion.convert_array(wide, 1, 4)
    np.testing.assert_array_equal(square[..., 0], [[1, 2, 3, 4]] * 4)
    assert kinds == ["{images} cropped to the centre square"]
    tall, _ = conversion.convert_array(wide.transpose(1, 0, 2), 1, 4)
    np.testing.assert_array_equal(tall, square.transpose(1, 0, 2))


@pytest.mark.parametrize("channels", [1, 3])
def test_convert_array_of_a_fitting_image_changes_nothing(channels):
    image = np.random.default_rng(0).integers(0, 256, (8, 8, channels), dtype=np.uint8)
    same, kinds = conversion.convert_array(image, channels, 8)
    np.testing.assert_array_equal(same, image)
    assert kinds == []


def test_convert_array_of_16_bits_divides_by_257_and_rounds():
    values = np.arange(65536, dtype=np.uint16).reshape(256, 256, 1)
    eight, kinds = conversion.convert_array(values, 1, 256)
    np.testing.assert_array_equal(eight, np.rint(values / 257))
    assert kinds == ["16-bit {images} scaled to 8 bits"]


def test_convert_array_with_alpha_composites_over_white():
    rgba = np.array([[[10, 20, 30, 255], [10, 20, 30, 0]]] * 2, np.uint8)
    rgb, kinds = conversion.convert_array(rgba, 3, 2)
    np.testing.assert_array_equal(rgb, [[[10, 20, 30], [255, 255, 255]]] * 2)
    assert kinds == ["RGBA {images} composited over white"]
    gray, kinds = conversion.convert_array(rgba[..., [0, 3]], 1, 2)
    np.testing.assert_array_equal(gray[..., 0], [[10, 255]] * 2)
    assert kinds == ["LA {images} composited over white"]


def test_notes_counts_images_by_kind():
    kinds = collections.Counter({"LA {images} composited": 1, "RGBA {images} composited": 1200})
    assert conversion.notes(kinds) == ("1,200 RGBA images composited", "1 LA image composited")
