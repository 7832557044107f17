"""Pixels of grids, worked out by hand, and the PNG files."""

import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from plotting import cells, grid, save_image, to_uint8


def test_import_of_plotting_imports_nothing_slow():
    slow = {"matplotlib", "PIL", "imageio", "tensorflow"}
    code = f"import sys, plotting; print(sorted({slow} & set(sys.modules)))"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert answer.stdout.strip() == "[]", answer.stderr


def flat(*levels, size=1, channels=1):
    """Images [n, size, size, channels], each of one level."""
    levels = np.array(levels, np.uint8)[:, None, None, None]
    return np.tile(levels, (1, size, size, channels))


def test_to_uint8_clips_and_rounds_half_up():
    # Level k is at x = k / 127.5 - 1. The one tie that a float can hold is x = 0, level 127.5.
    near = [-1 + 0.49 / 127.5, -1 + 0.51 / 127.5, 0, 1 - 0.51 / 127.5, 1 - 0.49 / 127.5]
    x = [-np.inf, -3, -1, *near, 1, 3, np.inf]
    pixels = to_uint8(np.reshape(x, (1, 1, -1, 1)))
    assert pixels.dtype == np.uint8
    assert pixels.ravel().tolist() == [0, 0, 0, 0, 1, 128, 254, 255, 255, 255, 255]


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_to_uint8_undoes_the_scaling_of_every_level(dtype):
    levels = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)
    np.testing.assert_array_equal(to_uint8((levels / 127.5 - 1).astype(dtype)), levels)


def test_to_uint8_of_uint8_returns_it_unchanged():
    pixels = flat(0, 1, 254)
    assert to_uint8(pixels) is pixels


@pytest.mark.parametrize(
    ("images", "message"),
    [
        ([], r"\[n, h, w, 1 or 3\]"),
        (np.zeros((0, 2, 2, 1)), "not empty"),
        (np.zeros((2, 2, 1)), r"got \(2, 2, 1\)"),
        (np.zeros((1, 2, 2, 4)), r"\[n, h, w, 1 or 3\]"),
        (np.zeros((1, 2, 2, 1), np.int64), "got int64"),
        (np.full((1, 2, 2, 1), np.nan), "NaN"),
    ],
)
def test_to_uint8_of_invalid_images_raises_one_line(images, message):
    with pytest.raises(ValueError, match=message) as error:
        to_uint8(images)
    assert "\n" not in str(error.value)


def test_grid_with_padding_fills_blank_cells_with_white():
    sheet = grid(flat(10, 20, 30), columns=2, padding=1, scale=1)
    w = 255
    expected = [
        [w, w, w, w, w],
        [w, 10, w, 20, w],
        [w, w, w, w, w],
        [w, 30, w, w, w],
        [w, w, w, w, w],
    ]
    assert sheet.dtype == np.uint8
    np.testing.assert_array_equal(sheet[:, :, 0], expected)


def test_grid_keeps_colours_and_orientation():
    images = np.arange(2 * 2 * 3 * 3, dtype=np.uint8).reshape(2, 2, 3, 3)
    np.testing.assert_array_equal(
        grid(images, columns=2, padding=0, scale=1), np.concatenate(images, axis=1)
    )


def test_grid_with_scale_upsamples_pixels_to_squares():
    image = np.array([[1, 2], [3, 4]], np.uint8)[None, :, :, None]
    sheet = grid(image, padding=0, scale=2)[:, :, 0]
    np.testing.assert_array_equal(sheet, [[1, 1, 2, 2], [1, 1, 2, 2], [3, 3, 4, 4], [3, 3, 4, 4]])


@pytest.mark.parametrize(("size", "cell"), [(28, 56), (32, 64), (33, 33), (64, 64), (65, 65)])
def test_grid_default_scale_stays_within_64_pixels(size, cell):
    assert grid(flat(0, size=size), padding=0).shape == (cell, cell, 1)


@pytest.mark.parametrize(("n", "columns"), [(1, 1), (2, 2), (4, 2), (5, 3), (9, 3), (10, 4)])
def test_grid_default_columns_make_a_square(n, columns):
    assert grid(flat(*range(n)), padding=0, scale=1).shape[1] == columns


@pytest.mark.parametrize("channels", [1, 3])
def test_grid_with_labels_adds_margins_alone(channels):
    images = flat(10, 20, 30, 40, size=20, channels=channels)
    plain = grid(images, columns=2, padding=2)
    labelled = grid(
        images, columns=2, padding=2, row_labels=["real", "reconstruction"], column_labels=[0, 1]
    )
    height, width = plain.shape[:2]
    np.testing.assert_array_equal(labelled[-height:, -width:], plain)
    # There is ink beside both rows and above both columns, and none in the corner.
    top, left = labelled.shape[0] - height, labelled.shape[1] - width
    middle = (2 * top + height) // 2, (2 * left + width) // 2
    assert (labelled[top : middle[0], :left] < 128).any()
    assert (labelled[middle[0] :, :left] < 128).any()
    assert (labelled[:top, left : middle[1]] < 128).any()
    assert (labelled[:top, middle[1] :] < 128).any()
    assert (labelled[:top, :left] == 255).all()


def test_grid_with_a_corner_writes_it_above_the_row_labels():
    images = flat(10, 20, size=28)
    plain = grid(images, columns=1, row_labels=["a", "b"])
    sheet = grid(images, columns=1, row_labels=["a", "b"], corner="category (class)")
    top = sheet.shape[0] - plain.shape[0]
    np.testing.assert_array_equal(sheet[top:, -plain.shape[1] :], plain)
    assert (sheet[:top, : -plain.shape[1]] < 128).any()


def test_grid_labels_have_letters_of_many_languages():
    """A letter that the font lacks would be drawn as a box, like that of an unused code point."""
    images = flat(10, size=28)
    sheets = [grid(images, 1, row_labels=[letter]) for letter in ("é", "Ж", "ß", "\uffff")]
    for sheet in sheets[:-1]:
        assert sheet.shape != sheets[-1].shape or (sheet != sheets[-1]).any()


@pytest.mark.parametrize("shape", [(28, 28, 1), (32, 32, 3), (65, 40, 3)])
@pytest.mark.parametrize(
    "labels", [{}, {"row_labels": "ab", "column_labels": "cde", "corner": "x"}]
)
def test_cells_undoes_grid(shape, labels):
    images = np.random.default_rng(0).integers(0, 256, (6, *shape), np.uint8)
    found = cells(grid(images, columns=3, **labels), shape, columns=3)
    np.testing.assert_array_equal(found, images.reshape(2, 3, *shape))


def test_cells_below_rotated_column_labels_are_the_last_rows():
    images = np.random.default_rng(0).integers(0, 256, (6, 28, 28, 1), np.uint8)
    sheet = grid(images, columns=3, column_labels=["a", "a long description", "c"])
    found = cells(sheet, (28, 28, 1), columns=3)
    assert len(found) > 2  # the labels are higher than a cell
    np.testing.assert_array_equal(found[-2:], images.reshape(2, 3, 28, 28, 1))


@pytest.mark.parametrize(
    ("sheet", "columns"), [((20, 200, 1), 2), ((60, 60, 1), 2), ((60, 200, 3), 2)]
)
def test_cells_of_another_sheet_raises(sheet, columns):
    with pytest.raises(ValueError, match="has no 2 images"):
        cells(np.zeros(sheet, np.uint8), (28, 28, 1), columns)


def test_grid_with_wide_column_labels_draws_them_upright():
    images = flat(10, 20, size=32)
    short = grid(images, columns=2, column_labels=["a", "b"])
    wide = grid(images, columns=2, column_labels=["a", "a long description"])
    assert wide.shape[1] == short.shape[1]
    assert wide.shape[0] > short.shape[0] + 40


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"columns": 0}, "columns=0"),
        ({"scale": 0}, "scale=0"),
        ({"padding": -1}, "padding=-1"),
        ({"row_labels": ["a"]}, "row_labels must be 2 long, got 1"),
        ({"column_labels": ["a"]}, "column_labels must be 2 long, got 1"),
        ({"row_labels": ["a", "b"], "scale": 1}, "row_labels need cells of at least"),
    ],
)
def test_grid_of_invalid_options_raises(options, message):
    with pytest.raises(ValueError, match=message):
        grid(flat(1, 2, 3, size=4), **options)


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (3, "RGB")])
def test_save_image_writes_the_pixels(tmp_path, channels, mode):
    array = np.arange(4 * 5 * channels, dtype=np.uint8).reshape(4, 5, channels)
    path = tmp_path / "new folder" / "image.png"
    save_image(path, array)
    with Image.open(path) as image:
        assert image.mode == mode
        np.testing.assert_array_equal(np.asarray(image).reshape(array.shape), array)


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        ("image.jpg", np.zeros((2, 2, 3), np.uint8), "must end in .png"),
        ("image.png", np.zeros((2, 2, 3)), "must be uint8, got float64"),
        ("image.png", np.zeros((2, 2), np.uint8), r"\[H, W, 1 or 3\]"),
        ("image.png", np.zeros((2, 0, 1), np.uint8), "not empty"),
    ],
)
def test_save_image_of_invalid_arguments_raises_and_writes_nothing(tmp_path, name, array, message):
    with pytest.raises(ValueError, match=message):
        save_image(tmp_path / name, array)
    assert list(tmp_path.iterdir()) == []


def fail(*_):
    raise OSError("no space left")


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_save_image_with_a_failing_write_keeps_the_old_file(tmp_path, monkeypatch, step):
    path = tmp_path / "image.png"
    save_image(path, flat(1)[0])
    old = path.read_bytes()

    monkeypatch.setattr(os, step, fail)
    with pytest.raises(OSError, match="no space left"):
        save_image(path, flat(2)[0])
    assert path.read_bytes() == old
    assert list(tmp_path.iterdir()) == [path]


def test_save_image_twice_replaces_the_first(tmp_path):
    path = tmp_path / "image.png"
    for level in (1, 2):
        save_image(path, flat(level)[0])
    with Image.open(path) as image:
        assert image.getpixel((0, 0)) == 2
    assert list(tmp_path.iterdir()) == [path]
