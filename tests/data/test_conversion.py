"""Antialiasing, cropping, rounding and the range of 16-bit images."""

import numpy as np
import pytest

from data import conversion


def converted(*args, **options):
    """The pixels of an array and the kinds of conversion."""
    done = conversion.convert_array(*args, **options)
    return done.pixels, done.kinds


def test_convert_array_downsamples_a_checkerboard_to_uniform_gray():
    board = np.uint8(np.indices((32, 32)).sum(0) % 2 * 255)[..., None]
    small, kinds = converted(board, 1, 16)
    assert kinds == ["{images} resized to 16 x 16 (Lanczos)"]
    # Only the corners deviate: the filter is cut at the border.
    assert np.abs(small[1:-1].astype(int) - 127.5).max() <= 1
    assert np.abs(small.astype(int) - 127.5).max() <= 8


def test_convert_array_crops_to_the_centre_square():
    wide = np.arange(7, dtype=np.uint8)[None, :, None].repeat(4, 0)
    square, kinds = converted(wide, 1, 4)
    np.testing.assert_array_equal(square[..., 0], [[1, 2, 3, 4]] * 4)
    assert kinds == ["{images} cropped to the centre square"]
    tall, _ = converted(wide.transpose(1, 0, 2), 1, 4)
    np.testing.assert_array_equal(tall, square.transpose(1, 0, 2))


@pytest.mark.parametrize("channels", [1, 3])
def test_convert_array_of_a_fitting_image_changes_nothing(channels):
    image = np.random.default_rng(0).integers(0, 256, (8, 8, channels), dtype=np.uint8)
    same, kinds = converted(image, channels, 8)
    np.testing.assert_array_equal(same, image)
    assert kinds == []


def test_convert_array_of_16_bits_divides_by_257_and_rounds():
    values = np.arange(65536, dtype=np.uint16).reshape(256, 256, 1)
    eight, kinds = converted(values, 1, 256)
    np.testing.assert_array_equal(eight, np.rint(values / 257))
    assert kinds == ["16-bit {images} scaled to 8 bits"]


def test_convert_array_with_alpha_composites_over_white():
    rgba = np.array([[[10, 20, 30, 255], [10, 20, 30, 0]]] * 2, np.uint8)
    rgb, kinds = converted(rgba, 3, 2)
    np.testing.assert_array_equal(rgb, [[[10, 20, 30], [255, 255, 255]]] * 2)
    assert kinds == ["RGBA {images} composited over white"]
    gray, kinds = converted(rgba[..., [0, 3]], 1, 2)
    np.testing.assert_array_equal(gray[..., 0], [[10, 255]] * 2)
    assert kinds == ["LA {images} composited over white"]


def test_convert_array_composites_images_of_many_rows_over_white():
    rgba = np.random.default_rng(0).integers(0, 256, (600, 600, 4), dtype=np.uint8)
    rgb, _ = converted(rgba, 3, 600)
    alpha = rgba[..., 3:] / 255
    np.testing.assert_allclose(rgb, rgba[..., :3] * alpha + 255 * (1 - alpha), atol=1)


def counted(*conversions, bits=None):
    all_of_them = conversion.Conversions(bits)
    for one in conversions:
        all_of_them.add(one)
    return all_of_them


def test_notes_counts_images_by_kind():
    rgba = conversion.Converted(np.zeros(0), ["RGBA {images} composited"])
    la = conversion.Converted(np.zeros(0), ["LA {images} composited"])
    found = counted(*[rgba] * 1200, la)
    assert found.notes() == ("1,200 RGBA images composited", "1 LA image composited")


@pytest.mark.parametrize(
    ("peak", "bits", "range_notes"),
    [
        (65535, None, ()),
        (32768, None, ()),
        (
            1023,
            None,
            ("the 16-bit images have values below 1,024 (10 bits); if they are of 10 bits, set "
             "bits=10",),
        ),
        (4095, 12, ()),
        (
            4096,
            12,
            ("the 16-bit images have values below 8,192 (13 bits); those above 4,095 are white "
             "(bits=12)",),
        ),
    ],
)  # fmt: skip
def test_notes_name_the_range_of_16_bit_images_that_is_not_that_of_their_bits(
    peak, bits, range_notes
):
    images = [np.full((2, 2, 1), value, np.uint16) for value in (peak, 0)]
    found = counted(*(conversion.convert_array(image, 1, 2, bits) for image in images), bits=bits)
    assert found.notes() == ("2 16-bit images scaled to 8 bits", *range_notes)


@pytest.mark.parametrize("bits", [8, 10, 12, 16])
def test_convert_array_with_bits_stretches_their_range(bits):
    top = 2**bits - 1
    values = np.array([[0, 1, top // 3, top - 1, top, 65535]], np.uint16)[..., None]
    eight, _ = converted(values.repeat(6, 0), 1, 6, bits=bits)
    expected = np.rint(np.minimum(values, top) / top * 255)[0, :, 0]
    assert eight[0, :, 0].tolist() == expected.tolist()
