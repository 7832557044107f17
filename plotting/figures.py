"""Titles and texts of matplotlib figures, and their PNG files, with a palette."""

import contextlib
import functools
import io
import os
from collections.abc import Callable, Iterator

import numpy as np

from plotting.looks import INK
from storage.files import write_atomically

COLOURS = 256  # of a palette
LEFT, TOP = 0.12, 0.08  # inches; margins of the title


@contextlib.contextmanager
def own_settings() -> Iterator[None]:
    """Context or decorator: matplotlib has its own defaults, whatever a matplotlibrc says."""
    import matplotlib

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        yield


def write_figure_title(figure, title: str) -> None:
    """Write the title at the top left of a figure with an Agg canvas, shortened to its width."""
    width, height = figure.get_size_inches()
    font = {"size": 13, "weight": "bold"}
    inches = functools.partial(ruler(figure.canvas), **font)
    text = fitted(title, width - 2 * LEFT, inches)
    place = {"x": LEFT / width, "y": 1 - TOP / height, "va": "top"}
    figure.text(s=text, **place, **font, color=INK, parse_math=False)


def ruler(canvas) -> Callable[..., float]:
    """Return a function inches(text, size=9, weight="normal"): width of a text on an Agg canvas."""
    from matplotlib.font_manager import FontProperties

    @functools.cache
    def inches(text: str, size: float = 9, weight: str = "normal") -> float:
        font = FontProperties(size=size, weight=weight)
        return (
            canvas.get_renderer().get_text_width_height_descent(text, font, False)[0]
            / canvas.figure.dpi
        )

    return inches


def fitted(text: str, limit: float, measure: Callable[[str], float]) -> str:
    """Return the text in one line, shortened in the middle to at most the limit."""
    text = " ".join(str(text).split())
    if measure(text) <= limit:
        return text
    fits, too_long = 0, len(text)
    while too_long - fits > 1:
        kept = (fits + too_long) // 2
        if measure(_without_middle(text, kept)) <= limit:
            fits = kept
        else:
            too_long = kept
    return _without_middle(text, fits)


def _without_middle(text: str, kept: int) -> str:
    return f"{text[: kept // 2]}…{text[len(text) - (kept + 1) // 2 :]}"


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

    The palette is exact for up to 256 colours. If there are more, half of it are the most frequent
    colours, which are those of the areas, and half are shades of the edges; each other colour is
    replaced by the nearest one.
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
