"""Confusion matrices, such as classes of images against predicted codes."""

import os
from collections.abc import Sequence

import numpy as np

from plotting.curves import DPI, GRAY_INK, PALE_INK
from plotting.figures import fitted, own_settings, ruler, save_figure
from plotting.looks import INK
from plotting.paths import check_ending

SHADES = ("#FFFFFF", "#56B4E9", "#0072B2", "#00304D")  # for shares from 0 to 1
UNKNOWN = "#EEEEEE"  # for rows without counts
READABLE = 7.0  # minimum font size in points; smaller numbers are omitted
LONGEST = 2.0  # maximum length of a name in inches
MARGIN, LINE, SPACE = 0.12, 0.24, 0.08  # inches; LINE is the height of a title


@own_settings()
def save_matrix(
    path: str | os.PathLike,
    counts,
    row_names: Sequence,
    column_names: Sequence,
    row_title: str = "",
    column_title: str = "",
) -> None:
    """Draw counts [r, c] as a heat map in a PNG file, written atomically.

    The colour of a cell is its share of the row; rows without counts are gray. Counts are written
    into the cells if the longest fits. Where names would overlap, only every second, third, ... is
    written. The same arguments give the same bytes.

    Raises:
        ValueError: counts are not a non-empty matrix of integers >= 0, the number of names is
            wrong, or the path does not end in .png.
    """
    path = check_ending(path, ".png")
    counts = np.asarray(counts)
    if counts.ndim != 2 or 0 in counts.shape:
        raise ValueError(f"counts must be [r, c] and not empty, got {counts.shape}")
    if not np.issubdtype(counts.dtype, np.integer):
        raise ValueError(f"counts must be integers, got {counts.dtype}")
    if counts.min() < 0:
        raise ValueError(f"counts must be at least 0, got {counts.min()}")
    for name, names, n in zip(
        ("row_names", "column_names"), (row_names, column_names), counts.shape, strict=True
    ):
        if len(names) != n:
            raise ValueError(f"{name} must be {n} long, got {len(names)}")
    totals = counts.sum(axis=1, keepdims=True, dtype=np.float64)
    shares = np.where(totals > 0, counts / np.maximum(totals, 1), np.nan)

    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.colors import LinearSegmentedColormap
    from matplotlib.figure import Figure

    figure = Figure((1.0, 1.0), dpi=DPI, facecolor="white")
    canvas = FigureCanvasAgg(figure)
    inches = ruler(canvas)
    row_names = [fitted(name, LONGEST, inches) for name in row_names]
    column_names = [fitted(name, LONGEST, inches) for name in column_names]
    longest_row, longest_column = (max(map(inches, n)) for n in (row_names, column_names))
    longest_count = inches(f"{counts.max()}")

    # Cells have integer pixel sizes, so that equal cells look equal; they widen to fit texts.
    cell_h, cell_w = (_cell_pixels(n) / DPI for n in counts.shape)
    for text_width in (longest_count + SPACE, longest_column + SPACE):
        if text_width * counts.shape[1] <= 7.0:
            cell_w = max(cell_w, _whole(text_width))
    upright = longest_column + SPACE > cell_w

    # From the left: title, names, map, scale. From the top: title, names, map.
    high, wide = counts.shape[0] * cell_h, counts.shape[1] * cell_w
    left = _whole(MARGIN + LINE * bool(row_title) + longest_row + SPACE)
    top = _whole(MARGIN + LINE * bool(column_title) + (longest_column if upright else 0.15) + SPACE)
    scale_high = min(max(high, 1.3), 3.0)
    width = _whole(max(left + wide + 0.95, left + inches(column_title, 10, "bold") + MARGIN))
    height = _whole(max(top + max(high, scale_high), top + inches(row_title, 10, "bold")) + MARGIN)
    figure.set_size_inches(width, height)

    def box(x, y, w, h):
        """Return axes bounds in figure fractions; x and y are inches from the left and the top."""
        return (x / width, 1 - (y + h) / height, w / width, h / height)

    shades = LinearSegmentedColormap.from_list("shades", SHADES).with_extremes(bad=UNKNOWN)
    axes = figure.add_axes(box(left, top, wide, high))
    image = axes.imshow(shares, cmap=shades, vmin=0, vmax=1, aspect="auto", interpolation="nearest")
    _write_counts(axes, counts, shades(shares), cell_h, cell_w / longest_count)
    if min(cell_h, cell_w) >= 0.12:
        axes.set_xticks(np.arange(1, counts.shape[1]) - 0.5, minor=True)
        axes.set_yticks(np.arange(1, counts.shape[0]) - 0.5, minor=True)
        axes.grid(which="minor", color=PALE_INK, lw=0.6)

    # At most one name per line of text.
    for axis, names, cell in ((axes.xaxis, column_names, cell_w), (axes.yaxis, row_names, cell_h)):
        size = min(9.0, max(READABLE, cell / 0.017))  # points; 0.017 inches per point and line
        every = int(np.ceil(0.017 * size / cell - 1e-9))
        shown = np.arange(0, len(names), every)
        axis.set_ticks(shown, [names[k] for k in shown], parse_math=False)
        axis.set_tick_params(labelsize=size, labelcolor=INK, length=0, pad=36 * SPACE)
        axis.set_tick_params(which="minor", length=0)
    axes.xaxis.tick_top()
    axes.tick_params(axis="x", rotation=90 if upright else 0)
    axes.spines[:].set_color(PALE_INK)
    bold = {"size": 10, "weight": "bold", "color": INK, "va": "top", "parse_math": False}
    figure.text(left / width, 1 - MARGIN / height, column_title, **bold)
    figure.text(MARGIN / width, 1 - top / height, row_title, rotation=90, **bold)

    scale = figure.add_axes(box(left + wide + 0.2, top, 0.12, scale_high))
    bar = figure.colorbar(image, cax=scale, ticks=[0, 0.25, 0.5, 0.75, 1])
    bar.ax.set_yticklabels(["0%", "25%", "50%", "75%", "100%"])
    bar.ax.tick_params(labelsize=8, labelcolor=INK, color=PALE_INK, length=2)
    bar.set_label("share of the row", size=8, color=INK, labelpad=2)
    bar.outline.set_color(PALE_INK)

    save_figure(path, canvas)


def _cell_pixels(n: int) -> int:
    """Return the side of each of n cells: 700 pixels in total, within limits per cell."""
    return max(1, min(50, max(700 // n, min(12, 1200 // n))))


def _whole(inches: float) -> float:
    """Round a length up to whole pixels."""
    return np.ceil(inches * DPI) / DPI


def _write_counts(axes, counts, colours, cell_h: float, room: float) -> None:
    """Write the counts into their cells if they fit at a readable size.

    `room` is the width of a cell divided by that of the longest count at 9 points.
    """
    size = min(10.0, 9 * 0.85 * room, 0.62 * 72 * cell_h)
    if size < READABLE:
        return
    # White on dark cells, by the relative luminance of the WCAG.
    rgb = colours[..., :3]
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    dark = linear @ [0.2126, 0.7152, 0.0722] < 0.179
    for (row, column), count in np.ndenumerate(counts):
        colour = "white" if dark[row, column] else "black" if count else GRAY_INK
        style = {"ha": "center", "va": "center_baseline", "size": size}
        axes.text(column, row, f"{count}", color=colour, **style)
