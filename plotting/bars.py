"""Metrics of several runs side by side: one panel per metric, one row per run."""

import dataclasses
import io
import math
import os
import textwrap
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from plotting.curves import COLOURS, DPI, INK, PALE_INK, WIDTH, shortened
from plotting.paths import check_ending
from storage.files import write_atomically

GRAY_INK, BAND = "#6A6A6A", "#F5F5F5"
BETTER = {"": "", "lower": "↓ lower is better", "higher": "↑ higher is better"}

ROUNDING = 1e-6  # relative difference below which values count as equal
NOTE = "numbers: middle values; whiskers: lowest to highest value"

ROW, HEAD, NOTE_LINE = 0.24, 0.9, 0.25  # inches: a row, titles and ticks of a panel, the note
SHORT_NAME = 20  # letters; longer names leave no room for three panels side by side
TITLE = 66  # letters that fit into the titles of a row of panels


@dataclasses.dataclass(frozen=True)
class Bars:
    """One metric of several runs.

    Attributes:
        title: name of the metric, with its unit if it has one.
        values: name of the run -> (low, middle, high), e.g. minimum, median or mean, and maximum
            over evaluation seeds; three equal numbers for a single value; None for n/a.
        log: whether the axis is logarithmic. It has no zero for bars to start at, so runs are drawn
            as dots; a value <= 0 is only written as a number.
        better: "lower", "higher" or "" (neither); written below the panel.
    """

    title: str
    values: Mapping[str, tuple[float, float, float] | None]
    log: bool = False
    better: str = ""


def save_bars(path: str | os.PathLike, groups: Sequence[Bars]) -> None:
    """Draw the groups as a PNG file 900 pixels wide, written atomically.

    Each run has one row and one colour in all panels, in order of first appearance. A bar extends
    from zero to the middle value, which is also written as a number; a whisker extends from the
    lowest to the highest value. A run that is missing in a group is n/a there. If any of the three
    values is not finite, the first of these is written, without a bar. The same arguments give
    the same bytes.

    Raises:
        ValueError: there are no groups or no runs, values are not three numbers in ascending order,
            `better` is invalid, or the path does not end in .png.
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

    columns = min(len(groups), 3 if max(map(len, names)) <= SHORT_NAME else 2)
    rows = math.ceil(len(groups) / columns)
    spread = any(_spread(row.values) for panel in drawn for row in panel if row.values)
    size = (WIDTH, rows * (ROW * len(names) + HEAD) + NOTE_LINE * spread)
    figure = Figure(size, dpi=DPI, facecolor="white", layout="constrained")
    canvas = FigureCanvasAgg(figure)
    figure.get_layout_engine().set(w_pad=0.1, h_pad=0.05)
    panels = figure.subplots(rows, columns, sharey=True, squeeze=False).ravel()
    for axes in panels[len(groups) :]:
        axes.remove()
    for axes in panels[::columns]:
        _draw_names(axes, [shortened(name) for name in names])
    for axes, group, panel in zip(panels, groups, drawn, strict=False):
        _draw_head(axes, group, TITLE // columns)
        _draw_rows(axes, group, panel)
    if spread:
        figure.supxlabel(NOTE, size=8, color=GRAY_INK)

    buffer = io.BytesIO()
    canvas.print_png(buffer, metadata={"Software": None})
    write_atomically(path, buffer.getvalue())


def written(value: float) -> str:
    """Return the number as text with four digits: 0.1235, 12.35, 12,346, 1.235e+07."""
    value = float(value) + 0.0  # not -0
    return f"{value:,.0f}" if 1000 <= abs(value) < 999_999.5 else f"{value:.4g}"


class _Row(NamedTuple):
    """Row of a run in a panel: values, None if nothing is drawn, and the written text."""

    values: tuple[float, float, float] | None
    text: str


def _prepared(group: Bars, names: Sequence[str]) -> list[_Row]:
    """Return the checked rows of all runs in a group."""
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
        # The mean of equal numbers may differ from them by rounding.
        if (np.diff(values) < -ROUNDING * np.abs(values).max()).any():
            raise ValueError(f"{group.title}, {name}: must be low <= middle <= high, got {values}")
        drawable = values[1] > 0 or not group.log
        rows.append(_Row(tuple(np.sort(values)) if drawable else None, written(values[1])))
    return rows


def _spread(values: tuple[float, float, float]) -> bool:
    """Return whether the values differ by more than rounding."""
    return values[2] - values[0] > ROUNDING * max(abs(values[0]), abs(values[2]))


def _draw_names(axes, labels: Sequence[str]) -> None:
    """Write the names to the left of a row of panels; draw bands through the row."""
    axes.set_yticks(range(len(labels)), labels, color=INK, size=9, parse_math=False)
    for k in range(1, len(labels), 2):
        band = axes.axhspan(k - 0.5, k + 0.5, -9, 9, color=BAND, lw=0, zorder=-1, clip_on=False)
        band.set_in_layout(False)


def _draw_head(axes, group: Bars, letters: int) -> None:
    """Write the title above the axes and the direction below."""
    title = textwrap.wrap(group.title, letters, max_lines=2, placeholder=" …") or [""]
    style = {"loc": "left", "parse_math": False}
    axes.set_title("\n".join(title), size=10, weight="bold", color=INK, **style)
    note = ", ".join(filter(None, (BETTER[group.better], "log scale" if group.log else "")))
    axes.set_xlabel(note, size=8, color=GRAY_INK, **style)


def _draw_rows(axes, group: Bars, rows: Sequence[_Row]) -> None:
    """Draw the rows into matplotlib axes, the first at the top."""
    from matplotlib.colors import to_rgb
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

    known = np.array([row.values for row in rows if row.values]).reshape(-1, 3)
    log = group.log and len(known) > 0
    if log:
        low = np.where(known[:, 0] > 0, known[:, 0], known[:, 1]).min()
        decades = np.log10(known[:, 2].max()) - np.log10(low)
        pad = 0.06 * decades if decades > 0 else 0.5
        start = 10.0 ** (np.log10(low) - pad)
        axes.set_xscale("log")
        axes.set_xlim(start, 10.0 ** (np.log10(low) + decades + pad))
    else:
        start, decades = 0.0, 0.0
        low, high = known.min(initial=0.0), known.max(initial=0.0)
        margin = 0.02 * (high - low)
        if low == high:
            high = 1.0
        axes.set_xlim(low - margin * (low < 0), high + margin)
    axes.set_ylim(len(rows) - 0.5, -0.5)

    ends = []
    for k, (values, _) in enumerate(rows):
        colour = np.array(to_rgb(COLOURS[k % len(COLOURS)]))
        face = 1 - (1.0, 0.3, 0.0)[k // len(COLOURS) % 3] * (1 - colour)
        ends.append(max(values[2], start) if values else start)
        if not values:
            continue
        if not log:
            axes.barh(k, values[1], 0.6, color=face, edgecolor=colour, lw=1.0)
        if _spread(values):
            whisker = [max(values[0], start) if log else values[0], values[2]]
            for ink, extra in (("white", 1.6), (INK, 0.0)):
                thick = {"lw": 1.2 + extra, "ms": 7 + extra, "mew": 1.2 + extra}
                axes.plot(whisker, [k, k], "-|", color=ink, **thick)
        if log:
            axes.plot(values[1], k, "o", mfc=face, mec=colour, ms=7.5, zorder=3, clip_on=False)

    # Numbers follow bars and whiskers: they label transparent bars of the longer length.
    both = axes.barh(range(len(rows)), np.array(ends) - start, left=start, alpha=0)
    texts = axes.bar_label(both, [row.text for row in rows], padding=9 if log else 6, size=8)
    for text, row in zip(texts, rows, strict=True):
        text.set(color=INK if row.values else GRAY_INK, parse_math=False)

    axes.set_axisbelow(True)
    axes.set_facecolor("none")
    axes.grid(axis="x", color=PALE_INK, lw=0.6)
    axes.spines[:].set_visible(False)
    axes.tick_params(axis="x", which="both", color=PALE_INK, labelcolor=GRAY_INK, labelsize=8)
    axes.tick_params(axis="y", length=0)
    axes.xaxis.set_minor_locator(NullLocator())
    if not len(known):
        axes.set_xticks([])
    elif log and decades > 1:
        subs = (1,) if decades > 2 else (1, 3)
        axes.xaxis.set_major_locator(LogLocator(subs=subs, numticks=4))
    else:
        axes.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: written(value)))
    axes.axvline(start, color=PALE_INK if log else INK, lw=0.8, clip_on=False)
