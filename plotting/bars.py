"""Metrics of several runs side by side: a panel for each metric, a row for each run."""

import dataclasses
import functools
import io
import math
import os
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from plotting.curves import COLOURS, DPI, INK, PALE_INK, WIDTH
from plotting.paths import check_ending
from storage.files import write_atomically

GRAY_INK, BAND = "#6A6A6A", "#F5F5F5"
BETTER = {"": "", "lower": "↓ lower is better", "higher": "↑ higher is better"}

ROUNDING = 1e-6  # of the value: nearer ones are equal
NOTE = "numbers: the middle values; whiskers: from the lowest to the highest"

# Inches: a run's row, a line of a title, the ticks under a panel, and the gaps between panels.
ROW, LINE, TICKS, GAP, GAP_ABOVE = 0.24, 0.18, 0.24, 0.3, 0.14
MARGIN, RIGHT_MARGIN, SPACE = 0.12, 0.25, 0.08
NARROWEST = 1.9  # a panel


@dataclasses.dataclass(frozen=True)
class Bars:
    """One metric of several runs.

    Attributes:
        title: the metric, with its unit if there is one.
        values: name of the run -> (low, middle, high), such as the lowest, the median and the
            highest of several evaluation seeds, or three times the same of one; None is n/a.
        log: a logarithmic axis. It has no zero for a bar to start from: the runs are dots on it,
            and a value <= 0 is only written.
        better: "lower", "higher", or "" if neither is; the title says it.
    """

    title: str
    values: Mapping[str, tuple[float, float, float] | None]
    log: bool = False
    better: str = ""


def save_bars(path: str | os.PathLike, groups: Sequence[Bars]) -> None:
    """Draws the groups as a PNG file 900 pixels wide, whole or not at all.

    A run is one row through all panels, in the order of its first appearance, and has one colour;
    its middle value is a bar from zero and written beside it. A whisker leads from the lowest value
    to the highest. A run that a group lacks is n/a there; of three values that are not all finite,
    the first such one is written, without a bar. The same arguments give the same bytes.

    Raises:
        ValueError: no groups, no run in them, values that are not three numbers in ascending order,
            another word than lower or higher, or a path that does not end in .png.
    """
    path = check_ending(path, ".png")
    if not groups:
        raise ValueError("a figure of bars needs at least one group")
    names = list(dict.fromkeys(name for group in groups for name in group.values))
    if not names:
        raise ValueError("a figure of bars needs at least one run")
    drawn = [_prepared(group, names) for group in groups]

    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    # The names stand at the left, once for each row of panels; the panels share the rest.
    figure = Figure((WIDTH, 1.0), dpi=DPI, facecolor="white")
    canvas = FigureCanvasAgg(figure)
    inches = ruler(canvas)
    labels = [fitted(name, WIDTH / 3, inches) for name in names]
    left = MARGIN + max(map(inches, labels)) + SPACE
    room = WIDTH - RIGHT_MARGIN - left + GAP
    columns = max(1, min(3, len(groups), int(room / (NARROWEST + GAP))))
    rows = math.ceil(len(groups) / columns)
    columns = math.ceil(len(groups) / rows)
    width, high = room / columns - GAP, len(names) * ROW
    heads = [_head(group, width, inches) for group in groups]

    # A row of panels has room above it for its longest title.
    lines = [max(map(len, heads[k * columns : (k + 1) * columns])) for k in range(rows)]
    tops = [SPACE + LINE * n + GAP_ABOVE * (k > 0) for k, n in enumerate(lines)]
    spread = any(_spread(one.values) for group in drawn for one in group if one.values)
    height = sum(tops) + rows * (high + TICKS) + MARGIN + LINE * spread
    figure.set_size_inches(WIDTH, height)
    bottom = height
    for k, group in enumerate(groups):
        row, column = divmod(k, columns)
        if column == 0:
            bottom -= tops[row] + high + TICKS * (row > 0)
            _draw_names(figure, labels, left, bottom, height)
        x = left + column * (width + GAP)
        box = (x / WIDTH, bottom / height, width / WIDTH, high / height)
        axes = figure.add_axes(box, facecolor="none")
        _draw_head(axes, heads[k])
        _draw_rows(axes, group, drawn[k], width, inches)

    if spread:
        style = {"size": 8, "color": GRAY_INK, "parse_math": False}
        figure.text(left / WIDTH, MARGIN / height, NOTE, **style)

    buffer = io.BytesIO()
    canvas.print_png(buffer, metadata={"Software": None})
    write_atomically(path, buffer.getvalue())


def written(value: float) -> str:
    """A value as the figure shows it: 0.1235, 12.35, 12,346, 1.235e+07."""
    value = float(value) + 0.0  # not -0
    return f"{value:,.0f}" if 1000 <= abs(value) < 999_999.5 else f"{value:.4g}"


def ruler(canvas) -> Callable[..., float]:
    """inches(text, size=9, weight="normal"): how long a text is on an Agg canvas."""
    from matplotlib.font_manager import FontProperties

    @functools.cache
    def inches(text: str, size: float = 9, weight: str = "normal") -> float:
        font = FontProperties(size=size, weight=weight)
        return canvas.get_renderer().get_text_width_height_descent(text, font, False)[0] / DPI

    return inches


def fitted(text: str, limit: float, measure: Callable[[str], float]) -> str:
    """The text, with as much of its middle left out as makes it no longer than the limit."""
    text = " ".join(str(text).split())
    if measure(text) <= limit:
        return text
    fits, too_many = 0, len(text)
    while too_many - fits > 1:
        kept = (fits + too_many) // 2
        if measure(_without_middle(text, kept)) <= limit:
            fits = kept
        else:
            too_many = kept
    return _without_middle(text, fits)


def _without_middle(text: str, kept: int) -> str:
    return f"{text[: kept // 2]}…{text[len(text) - (kept + 1) // 2 :]}"


class _Row(NamedTuple):
    """A run's row in a panel: its values, None if nothing is drawn, and what is written."""

    values: tuple[float, float, float] | None
    text: str


def _prepared(group: Bars, names: Sequence[str]) -> list[_Row]:
    """The rows of all runs in a group, checked."""
    if group.better not in BETTER:
        raise ValueError(f"{group.title}: better must be lower or higher, got {group.better!r}")
    rows = []
    for name in names:
        if group.values.get(name) is None:
            rows.append(_Row(None, "n/a"))
            continue
        values = np.asarray(group.values[name], np.float64)
        if values.shape != (3,):
            raise ValueError(f"{group.title}, {name}: must be (low, middle, high), got {values}")
        if not np.isfinite(values).all():
            rows.append(_Row(None, written(values[~np.isfinite(values)][0])))
            continue
        # A mean of equal numbers may lie beside them by its rounding.
        if (np.diff(values) < -ROUNDING * np.abs(values).max()).any():
            raise ValueError(f"{group.title}, {name}: must be low <= middle <= high, got {values}")
        drawable = values[1] > 0 or not group.log
        rows.append(_Row(tuple(np.sort(values)) if drawable else None, written(values[1])))
    return rows


def _spread(values: tuple[float, float, float]) -> bool:
    """Whether the values differ by more than rounding."""
    return values[2] - values[0] > ROUNDING * max(abs(values[0]), abs(values[2]))


def _head(group: Bars, width: float, inches) -> list[list[tuple[str, float, dict]]]:
    """The lines above a panel, each as (text, inches from the left, style).

    A title has up to two lines; the direction follows it, on a line of its own if it must.
    """
    bold = {"size": 10, "weight": "bold", "color": INK}
    small = {"size": 8, "color": GRAY_INK}

    def measure(text):
        return inches(text, 10, "bold")

    words = group.title.split()
    first = len(words)
    while first > 1 and measure(" ".join(words[:first])) > width:
        first -= 1
    parts = [" ".join(words[:first]), " ".join(words[first:])]
    lines = [[(fitted(part, width, measure), 0.0, bold)] for part in parts if part]
    note = ", ".join(filter(None, (BETTER[group.better], "log scale" if group.log else "")))
    if note:
        used = measure(lines[-1][0][0]) + 0.1 if lines else 0.0
        if lines and used + inches(note, 8) <= width:
            lines[-1].append((note, used, small))
        else:
            lines.append([(fitted(note, width, lambda text: inches(text, 8)), 0.0, small)])
    return lines


def _draw_names(figure, labels: Sequence[str], left: float, bottom: float, height: float) -> None:
    """Draws the names to the left of a row of panels, and bands that lead the eye through it."""
    from matplotlib.patches import Rectangle

    for k, label in enumerate(labels):
        y = bottom + (len(labels) - k - 1) * ROW
        if k % 2:
            corner, size = (0.06 / WIDTH, y / height), (1 - 0.12 / WIDTH, ROW / height)
            figure.add_artist(Rectangle(corner, *size, color=BAND, lw=0, zorder=-1))
        figure.text(
            (left - SPACE) / WIDTH,
            (y + ROW / 2) / height,
            label,
            size=9,
            color=INK,
            ha="right",
            va="center_baseline",
            parse_math=False,
        )


def _draw_head(axes, lines) -> None:
    """Writes what `_head` returned above matplotlib axes."""
    place = {"xycoords": "axes fraction", "textcoords": "offset points", "parse_math": False}
    for above, parts in enumerate(reversed(lines)):
        for text, offset, style in parts:
            moved = (72 * offset, 72 * (SPACE + above * LINE))
            axes.annotate(text, (0.0, 1.0), xytext=moved, **place, **style)


def _draw_rows(axes, group: Bars, rows: Sequence[_Row], width: float, inches) -> None:
    """Draws the rows, the first at the top, into matplotlib axes that are `width` inches wide."""
    from matplotlib.colors import to_rgb
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

    # Where each row ends on the axis: in units of the values, or in decades.
    known = np.array([row.values for row in rows if row.values]).reshape(-1, 3)
    log = group.log and len(known) > 0
    if log:
        low = np.log10(np.where(known[:, 0] > 0, known[:, 0], known[:, 1])).min()
        ends = [np.log10(row.values[2]) if row.values else low for row in rows]
        span = max(ends) - low
        low -= 0.06 * span if span > 0 else 0.5
    else:
        low = min(0.0, known.min(initial=0.0))
        ends = [max(0.0, row.values[2]) if row.values else 0.0 for row in rows]
        low -= 0.03 * (max(ends) - low) if low < 0 else 0.0

    # The axis is as long as leaves each row the room for its number.
    shares = [(width - inches(row.text, 8) - 0.2) / width for row in rows]
    high = max(low + (end - low) / share for end, share in zip(ends, shares, strict=True))
    if high <= max(low, 0.0) and not log:
        high = 1.0 if low == 0 else -low
    start = 10.0**low if log else 0.0
    if log:
        axes.set_xscale("log")
    axes.set_xlim((start, 10.0**high) if log else (low, high))
    axes.set_ylim(len(rows) - 0.5, -0.5)

    for k, (values, text) in enumerate(rows):
        colour = np.array(to_rgb(COLOURS[k % len(COLOURS)]))
        face = 1 - (1.0, 0.3, 0.0)[k // len(COLOURS) % 3] * (1 - colour)
        end = start
        if values:
            least, middle, end = values
            if not log:
                axes.barh(k, middle, 0.6, color=face, edgecolor=colour, lw=1.0)
            if _spread(values):
                whisker = [max(least, start) if log else least, end]
                for ink, extra in (("white", 1.6), (INK, 0.0)):
                    thick = {"lw": 1.2 + extra, "ms": 7 + extra, "mew": 1.2 + extra}
                    axes.plot(whisker, [k, k], "-|", color=ink, **thick)
            if log:
                dot = {"mfc": face, "mec": colour, "ms": 7.5, "zorder": 3, "clip_on": False}
                axes.plot(middle, k, "o", **dot)
            else:
                end = max(end, 0.0)
        axes.annotate(
            text,
            (end, k),
            xytext=(9 if values and log else 6, 0),
            textcoords="offset points",
            va="center_baseline",
            size=8,
            color=INK if values else GRAY_INK,
            parse_math=False,
        )

    axes.set_axisbelow(True)
    axes.grid(axis="x", color=PALE_INK, lw=0.6)
    axes.spines[:].set_visible(False)
    axes.tick_params(which="both", color=PALE_INK, labelcolor=GRAY_INK, labelsize=8, length=2)
    axes.set_yticks([])
    axes.xaxis.set_minor_locator(NullLocator())
    if not len(known):
        axes.set_xticks([])
    elif log and high - low > 1:
        axes.xaxis.set_major_locator(
            LogLocator(subs=(1,) if high - low > 2 else (1, 3), numticks=5)
        )
    else:
        axes.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: written(value)))
    axes.axvline(start, color=PALE_INK if log else INK, lw=0.8, clip_on=False)
