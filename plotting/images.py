"""Grids of images with optional labels, and PNG files."""

import functools
import io
import math
import os
from collections.abc import Sequence

import numpy as np

from plotting.curves import shortened
from plotting.paths import check_ending
from storage.files import write_atomically

PAPER = 255  # gray level of padding, blank cells and margins
READABLE = 64  # pixels; smaller images are upsampled to at most this side
PADDING, GAP = 2, 6  # pixels around the cells, and between labels and cells
LONGEST = 24  # letters of a label


def to_uint8(images) -> np.ndarray:
    """Convert images [n, h, w, 1 or 3] from floats in [-1, 1] to uint8 from 0 to 255.

    Floats outside the range are clipped, then rounded half up; uint8 is returned unchanged.

    Raises:
        ValueError: the shape or type is invalid, there are no images, or a value is NaN.
    """
    images = np.asarray(images)
    if images.ndim != 4 or images.shape[-1] not in (1, 3) or 0 in images.shape:
        raise ValueError(f"images must be [n, h, w, 1 or 3] and not empty, got {images.shape}")
    if images.dtype == np.uint8:
        return images
    if not np.issubdtype(images.dtype, np.floating):
        raise ValueError(f"images must be floats in [-1, 1] or uint8, got {images.dtype}")
    if np.isnan(images).any():
        raise ValueError("images must not contain NaN")
    unit = np.clip(images.astype(np.float64), -1.0, 1.0)
    return np.floor((unit + 1.0) * 127.5 + 0.5).astype(np.uint8)


def grid(
    images,
    columns: int | None = None,
    padding: int = PADDING,
    scale: int | None = None,
    row_labels: Sequence | None = None,
    column_labels: Sequence | None = None,
    corner: str = "",
) -> np.ndarray:
    """Arrange images [n, h, w, c] in reading order on a white sheet, uint8 [H, W, c].

    Args:
        images: as for `to_uint8`.
        columns: cells per row; None: ceil(sqrt(n)). Unused cells of the last row are blank.
        padding: pixels around and between the cells.
        scale: integer upsampling factor; None: the largest that keeps cells within 64 pixels, and
            at least 1.
        row_labels: one per row, written to its left.
        column_labels: one per column, written above it; all rotated if one is too wide.
        corner: meaning of the row labels, written above them.

    Raises:
        ValueError: as `to_uint8`; or a size is out of range, the number of labels is wrong, or the
            cells are too small for labels.
    """
    images = to_uint8(images)
    n, height, width, channels = images.shape
    columns = math.isqrt(n - 1) + 1 if columns is None else columns
    scale = readable_scale(height, width) if scale is None else scale
    if columns < 1 or scale < 1 or padding < 0:
        raise ValueError(
            "columns and scale must be at least 1 and padding at least 0, "
            f"got columns={columns}, scale={scale}, padding={padding}"
        )
    rows = -(-n // columns)
    height, width = height * scale, width * scale
    row_texts = _labels("row_labels", row_labels, rows, height, width)
    column_texts = _labels("column_labels", column_labels, columns, height, width)
    corner_texts = _labels("corner", [corner] if corner else None, 1, height, width)
    if any(text.shape[1] > width for text in column_texts):
        column_texts = [np.rot90(text) for text in column_texts]

    # (x0, y0) is the first cell, after the margins for the labels.
    x0 = padding + max((text.shape[1] + GAP for text in row_texts + corner_texts), default=0)
    y0 = padding + max((text.shape[0] + GAP for text in column_texts + corner_texts), default=0)
    sheet = np.full(
        (y0 + rows * (height + padding), x0 + columns * (width + padding), channels),
        PAPER,
        np.uint8,
    )

    def put(picture, top, left):
        sheet[top : top + picture.shape[0], left : left + picture.shape[1]] = picture

    for k, image in enumerate(images):
        row, column = divmod(k, columns)
        upsampled = image.repeat(scale, axis=0).repeat(scale, axis=1)
        put(upsampled, y0 + row * (height + padding), x0 + column * (width + padding))
    for row, text in enumerate(row_texts):
        middle = y0 + row * (height + padding) + (height - text.shape[0]) // 2
        put(text, middle, x0 - GAP - text.shape[1])
    for column, text in enumerate(column_texts):
        middle = x0 + column * (width + padding) + (width - text.shape[1]) // 2
        put(text, y0 - GAP - text.shape[0], middle)
    for text in corner_texts:
        put(text, y0 - GAP - text.shape[0], x0 - GAP - text.shape[1])
    return sheet


def cells(sheet: np.ndarray, image_shape: Sequence[int], columns: int) -> np.ndarray:
    """Return the images [rows, columns, h, w, c] on a sheet that `grid` made, with its defaults.

    The last rows are the images. Rotated column labels that are higher than a cell count as rows
    above them.

    Args:
        sheet: uint8 [H, W, c], with or without labels.
        image_shape: (h, w, c).
        columns: cells per row.

    Raises:
        ValueError: the sheet is too small for one row, or has other channels.
    """
    height, width, channels = image_shape
    scale = readable_scale(height, width)
    down, right = height * scale + PADDING, width * scale + PADDING
    rows = (sheet.shape[0] - PADDING) // down
    x0, y0 = sheet.shape[1] - columns * right, sheet.shape[0] - rows * down
    if rows < 1 or x0 < PADDING or sheet.shape[2] != channels:
        raise ValueError(f"a sheet {sheet.shape} has no {columns} images {tuple(image_shape)}")
    found = sheet[y0:, x0:].reshape(rows, down, columns, right, channels).swapaxes(1, 2)
    return found[:, :, : height * scale : scale, : width * scale : scale]


def readable_scale(height: int, width: int) -> int:
    """Return the largest upsampling factor that keeps images within READABLE pixels, at least 1."""
    return max(1, READABLE // max(height, width))


def _labels(name, labels, count, height, width) -> list[np.ndarray]:
    """Return a picture of each label, black on white, uint8 [line height, text width, 1]."""
    if labels is None:
        return []
    if len(labels) != count:
        raise ValueError(f"{name} must be {count} long, got {len(labels)}")
    from PIL import Image, ImageDraw

    font = _font(min(20, max(12, min(height, width) // 4)))
    line = math.ceil(font.getbbox("Agjpqy|")[3])
    if line > min(height, width):
        raise ValueError(f"{name} need cells of at least {line} pixels, got {height} x {width}")
    texts = []
    for label in (shortened(label, LONGEST) for label in labels):
        text = Image.new("L", (max(1, math.ceil(font.getbbox(label)[2])), line), PAPER)
        ImageDraw.Draw(text).text((0, 0), label, fill=0, font=font)
        texts.append(np.asarray(text)[:, :, None])
    return texts


@functools.cache
def _font(size: int):
    """Return the font of the curves, which has more letters than that of Pillow."""
    import matplotlib
    from PIL import ImageFont

    return ImageFont.truetype(f"{matplotlib.get_data_path()}/fonts/ttf/DejaVuSans.ttf", size)


def check_picture(name: str, array) -> np.ndarray:
    """Return the array. Raises ValueError unless it is uint8 [H, W, 1 or 3]."""
    array = np.asarray(array)
    if array.dtype != np.uint8:
        raise ValueError(f"{name} must be uint8, got {array.dtype}; see to_uint8")
    if array.ndim != 3 or array.shape[-1] not in (1, 3) or 0 in array.shape:
        raise ValueError(f"{name} must be [H, W, 1 or 3] and not empty, got {array.shape}")
    return array


def save_image(path: str | os.PathLike, array) -> None:
    """Write a picture, uint8 [H, W, 1 or 3], as a PNG file, atomically.

    Raises:
        ValueError: the shape or type is invalid, or the path does not end in .png.
    """
    path = check_ending(path, ".png")
    array = check_picture("array", array)
    from PIL import Image

    buffer = io.BytesIO()
    gray = array.shape[-1] == 1
    Image.fromarray(array[:, :, 0] if gray else array).save(buffer, "PNG", optimize=True)
    write_atomically(path, buffer.getvalue())
