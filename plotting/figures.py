"""PNG files of matplotlib figures, with a palette."""

import io
import os

import numpy as np

from storage.files import write_atomically

COLOURS = 256  # of a palette


def save_figure(path: str | os.PathLike, canvas) -> None:
    """Write the figure of an Agg canvas as a PNG file with a palette, atomically.

    The palette makes the file about a third as large.
    """
    from PIL import Image

    canvas.draw()
    indices, palette = with_palette(np.asarray(canvas.buffer_rgba())[..., :3])
    picture = Image.fromarray(indices)
    picture.putpalette(palette.tobytes())
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", optimize=True)
    write_atomically(path, buffer.getvalue())


def with_palette(pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the indices [H, W] of pixels [H, W, 3] in a palette [k, 3], all uint8.

    The palette is exact for up to 256 colours. Of more, it has the most frequent ones, which are
    those of the areas, and shades of the edges; all others are replaced by the nearest of these.
    """
    from PIL import Image

    codes = pixels.astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], np.uint32)
    found, indices, counts = np.unique(codes, return_inverse=True, return_counts=True)
    colours = np.stack([found >> 16, found >> 8 & 255, found & 255], axis=-1).astype(np.uint8)
    palette = colours
    if len(colours) > COLOURS:
        frequent = colours[np.argsort(counts, kind="stable")[-COLOURS // 2 :]]
        few = Image.fromarray(pixels).quantize(COLOURS // 2, Image.Quantize.MAXCOVERAGE)
        shades = np.array(few.getpalette(), np.uint8).reshape(-1, 3)[: COLOURS // 2]
        palette = np.concatenate([frequent, shades])
    distances = colours[:, None].astype(np.int32) - palette.astype(np.int32)
    nearest = (distances**2).sum(axis=-1).argmin(axis=1).astype(np.uint8)
    return nearest[indices].reshape(codes.shape), palette
