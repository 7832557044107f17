"""Sizes of the outputs of generate.py, checked before TensorFlow is imported."""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from errors import UserError
from fields import listed
from plotting.images import PADDING, readable_scale
from storage.memory import described

if TYPE_CHECKING:
    from training.drawing import GenerateOptions

BLOCK = 4096  # bytes of the smallest file on a disk
LARGEST_PICTURE = 2**30  # bytes of its pixels
Size = Callable[["GenerateOptions", Sequence[int]], int]  # of the options and the shape (h, w, c)


def of_pixels(options: "GenerateOptions", shape: Sequence[int]) -> int:
    """Return the bytes of n images."""
    height, width, channels = shape
    return options.n * height * width * channels


def of_files(options: "GenerateOptions", shape: Sequence[int]) -> int:
    """Return the bytes of n images in files of their own."""
    return options.n * max(BLOCK, of_pixels(options, shape) // options.n)


def of_picture(options: "GenerateOptions", shape: Sequence[int]) -> int:
    """Return the bytes of the pixels of one picture of n images, or of rows and a GIF of them.

    Each image of a row is in the GIF up to twice, with a byte per pixel.

    Raises:
        UserError: they exceed LARGEST_PICTURE.
    """
    height, width, channels = shape
    scale = readable_scale(height, width)
    cell = (height * scale + PADDING) * (width * scale + PADDING) * channels
    rows = len(listed(options.seeds)) - 1 if options.seeds else options.n
    count = rows * (options.frames or 1)
    size = count * cell
    if size > LARGEST_PICTURE:
        raise UserError(
            f"a picture of {count:,} images would have {described(size)} of pixels, at most "
            f"{described(LARGEST_PICTURE)}; use output=npz, or a smaller number",
            "seeds" if options.seeds else "n",
        )
    return size + 2 * size // channels * bool(options.frames)


def require_space(
    size: Size | None, options: "GenerateOptions", shape: Sequence[int], folder: Path
) -> None:
    """Raise UserError if the files of an output may take more than is free on the disk.

    Args:
        size: function that returns the bytes without compression; None: few.
        options: options of generate.py.
        shape: shape (h, w, c) of the images.
        folder: folder of the files, which may be missing.
    """
    if size is None:
        return
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    needed, free = size(options, shape), shutil.disk_usage(there).free
    if needed > free:
        raise UserError(
            f"the images take up to {described(needed)}, and {described(free)} are free in "
            f"{folder}; use a smaller number, or another outdir",
            "n",
        )
