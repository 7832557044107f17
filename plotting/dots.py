"""Metrics of several runs side by side: one panel per metric, a row of dots with ranges per run."""

import dataclasses
import math
import os
import textwrap
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from plotting.curves import DPI, GRAY_INK, PALE_INK, WIDTH, shortened
from plotting.figures import own_settings, save_figure, write_figure_title
from plotting.looks import INK, LINES, Look, in_order
from plotting.paths import check_ending

BAND = "#F5F5F5"
BETTER = {"": "", "lower": "↓ lower is better", "higher": "↑ higher is better"}

ROUNDING = 1e-6  # relative difference below which values count as equal
# The axis begins at zero if the values begin below this share of the largest one.
FROM_ZERO = 0.5
RANGES = "dots and numbers: medians; lines: lowest to highest value"
SEEDS = (
    "large dots and numbers: mean of the training seeds; small dots: each seed; "
    "lines: lowest to highest value"
)

# Inches: a row, titles and ticks of a panel, the note, the title.
ROW, HEAD, NOTE_LINE, TITLE_LINE = 0.24, 0.96, 0.25, 0.36
SHORT_NAME = 24  # letters; longer names leave no room for three panels side by side
TITLE = 78  # letters that fit into the titles of a row of panels
DIGITS = 4  # minimum number of digits of numbers

Values = tuple[float, float, float]  # lowest, middle and highest


@dataclasses.dataclass(frozen=True)
class Dots:
    """One metric of several runs.

    Attributes:
        title: name of the metric, with its unit if it has one.
        values: name of the run -> (low, middle, high), e.g. minimum, median or mean, and maximum
            over evaluation seeds; three equal numbers for a single value; None for n/a. The row of
            a run without an entry is blank.
        seeds: name -> the values whose mean is the middle one, drawn as small dots.
        log: whether the axis is logarithmic; a value <= 0 is then only written as a number.
        better: "lower", "higher" or "" (neither); written below the title.
        looks: name -> look of its colour, in the order of the rows; by default the colours in order
            of appearance.
        includes: values that the axis includes besides those of the runs.
        reference: value at which a line is drawn, if the axis includes it.
    """

    title: str
    values: Mapping[str, Values | None]
    seeds: Mapping[str, Sequence[float]] = dataclasses.field(default_factory=dict)
    log: bool = False
    better: str = ""
    looks: Mapping[str, Look] = dataclasses.field(default_factory=dict)
    includes: Sequence[float] = ()
    reference: float = 0.0


@own_settings()
def save_dots(path: str | os.PathLike, groups: Sequence[Dots], title: str = "") -> None:
    """Draw the groups as a PNG file 900 pixels wide, written atomically.

    Each run has one row and one colour in all panels: a dot at the middle value, which is also
    written as a number, and a line from the lowest to the highest value. An axis begins at zero if
    the differences are large, else near the lowest value. If any of the three values is not finite,
    the first of these is written, without a dot. The same arguments give the same bytes.

    Raises:
        ValueError: there are no groups or no runs, values are not three numbers in ascending order,
            `better` is invalid, or the path does not end in .png.
    """
    path = check_ending(path, ".png")
    if not groups:
        raise ValueError("a figure of dots needs at least one group")
    shown = {name for group in groups for name in group.values}
    ordered = [name for group in groups for name in group.looks]
    ordered += [name for group in groups for name in group.values]
    names = [name for name in dict.fromkeys(ordered) if name in shown]
    if not names:
        raise ValueError("a figure of dots needs at least one run")
    looks = in_order(names)
    for group in groups:
        looks.update(group.looks)
    drawn = [_prepared(group, names) for group in groups]

    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    columns = min(len(groups), 3 if max(map(len, names)) <= SHORT_NAME else 2)
    rows = math.ceil(len(groups) / columns)
    note = _note(groups, drawn)
    head, foot = TITLE_LINE * bool(title), NOTE_LINE * bool(note)
    height = rows * (ROW * len(names) + HEAD) + head + foot
    figure = Figure((WIDTH, height), dpi=DPI, facecolor="white", layout="constrained")
    canvas = FigureCanvasAgg(figure)
    free = (0, 0, 1, 1 - head / height)
    figure.get_layout_engine().set(w_pad=0.1, h_pad=0.05, rect=free)
    write_figure_title(figure, title)
    panels = figure.subplots(rows, columns, sharey=True, squeeze=False).ravel()
    for axes in panels[len(groups) :]:
        axes.remove()
    for axes in panels[::columns]:
        _draw_names(axes, [shortened(name) for name in names])
    for axes, group, panel in zip(panels, groups, drawn, strict=False):
        _draw_head(axes, group, TITLE // columns)
        _draw_rows(axes, group, panel, [looks[name] for name in names])
    if note:
        figure.supxlabel(note, size=8, color=GRAY_INK)

    save_figure(path, canvas)


def format_number(value: float, digits: int = DIGITS) -> str:
    """Return the number as text with that many digits: 0.1235, 12.35, 12,346, 1.235e+07.

    All digits before the point of numbers below a million are written.
    """
    value = float(value) + 0.0  # not -0
    if not 1000 <= abs(value) < 999_999.5:
        return f"{value:.{digits}g}"
    whole = len(f"{abs(value):.0f}")
    text = f"{value:,.{max(0, digits - whole)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


class _Row(NamedTuple):
    """Row of a run in a panel: values, None if nothing is drawn; values of seeds; number.

    The number is written, or n/a if it is None.
    """

    values: Values | None
    seeds: Sequence[float]
    number: float | None


def _prepared(group: Dots, names: Sequence[str]) -> list[_Row | None]:
    """Return the checked rows of all runs in a group, None for blank ones."""
    if group.better not in BETTER:
        raise ValueError(f"{group.title}: better must be lower or higher, got {group.better!r}")
    rows = []
    for name in names:
        if group.values.get(name) is None:
            rows.append(_Row(None, (), None) if name in group.values else None)
            continue
        values = np.asarray(group.values[name], np.float64)
        if values.shape != (3,):
            raise ValueError(f"{group.title}, {name}: must be (low, middle, high), got {values}")
        if not np.isfinite(values).all():
            rows.append(_Row(None, (), values[~np.isfinite(values)][0]))
            continue
        # The mean of equal numbers may differ from them by rounding.
        if (np.diff(values) < -ROUNDING * np.abs(values).max()).any():
            raise ValueError(f"{group.title}, {name}: must be low <= middle <= high, got {values}")
        drawable = values[1] > 0 or not group.log
        seeds = [seed for seed in group.seeds.get(name, ()) if seed > 0 or not group.log]
        shown = tuple(np.sort(values)) if drawable else None
        rows.append(_Row(shown, seeds if drawable else (), values[1]))
    return rows


def _note(groups: Sequence[Dots], drawn: Sequence[Sequence[_Row | None]]) -> str:
    """Return the explanation of the dots and lines, "" if there are only single values."""
    rows = [row for panel in drawn for row in panel]
    if any(len(seeds) > 1 for group in groups for seeds in group.seeds.values()):
        return SEEDS
    return RANGES if any(_spread(row.values) for row in rows if row and row.values) else ""


def _spread(values: Values) -> bool:
    """Return whether the values differ by more than rounding."""
    return values[2] - values[0] > ROUNDING * max(abs(values[0]), abs(values[2]))


def _draw_names(axes, labels: Sequence[str]) -> None:
    """Write the names to the left of a row of panels; draw bands through the row."""
    axes.set_yticks(range(len(labels)), labels, color=INK, size=9, parse_math=False)
    for k in range(1, len(labels), 2):
        band = axes.axhspan(k - 0.5, k + 0.5, -9, 9, color=BAND, lw=0, zorder=-1, clip_on=False)
        band.set_in_layout(False)


def _draw_head(axes, group: Dots, letters: int) -> None:
    """Write the title above the axes and the direction below."""
    title = group.title
    if len(title) > letters:
        parts = title.replace("_", "_ ")  # names of metrics break there
        title = "\n".join(textwrap.wrap(parts, letters, max_lines=2, placeholder=" …"))
    style = {"loc": "left", "parse_math": False}
    axes.set_title(title.replace("_ ", "_"), size=10, weight="bold", color=INK, **style)
    note = ", ".join(filter(None, (BETTER[group.better], "log scale" if group.log else "")))
    axes.set_xlabel(note, size=8, color=GRAY_INK, **style)


def _limits(known: np.ndarray, log: bool) -> tuple[float, float]:
    """Return the ends of the axis for values [k, 3], above 0 if it is logarithmic."""
    if log:
        low = np.log10(np.where(known[:, 0] > 0, known[:, 0], known[:, 1]).min())
        high = np.log10(known[:, 2].max())
        pad = 0.08 * (high - low) if high > low else 0.5
        return 10.0 ** (low - pad), 10.0 ** (high + pad)
    low, high = known.min(initial=np.inf), known.max(initial=-np.inf)
    if not len(known) or low == high == 0:
        return 0.0, 1.0
    equal = not _spread((low, low, high))
    if equal or 0 < low < FROM_ZERO * high:
        low = min(low, 0.0)
    if equal or FROM_ZERO * low < high < 0:
        high = max(high, 0.0)
    pad = 0.06 * (high - low)
    return low - pad, high + pad


def _draw_rows(axes, group: Dots, rows: Sequence[_Row | None], looks: Sequence[Look]) -> None:
    """Draw the rows into matplotlib axes, the first at the top."""
    known = [row.values for row in rows if row and row.values]
    log = group.log and len(known) > 0
    included = [(value,) * 3 for value in group.includes]
    start, end = _limits(np.array([*known, *included]).reshape(-1, 3), log)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    digits = _draw_axis(axes, start, end, log, bool(known))

    ends = [start] * len(rows)
    for k, (row, look) in enumerate(zip(rows, looks, strict=True)):
        if not row or not row.values:
            continue
        low, middle, high = (max(value, start) for value in row.values)
        ends[k] = high
        face = look.colour if look.line == LINES[0] else "white"
        dots = {"clip_on": False, "ls": "none"}
        if _spread(row.values):
            axes.plot([low, high], [k, k], color=look.colour, lw=2, alpha=0.6, clip_on=False)
        if len(row.seeds) > 1:
            level = [k] * len(row.seeds)
            axes.plot(row.seeds, level, "o", ms=4, color=look.colour, zorder=3, **dots)
            axes.plot(middle, k, "o", ms=9.5, color="white", zorder=4, **dots)
        axes.plot(middle, k, "o", ms=7.5, mfc=face, mec=look.colour, zorder=5, **dots)

    # Numbers follow the dots and lines: they label transparent bars that end there. Their
    # background interrupts the line of the reference.
    texts = ["" if not row else "n/a" if row.number is None else format_number(row.number, digits)
             for row in rows]  # fmt: skip
    bars = axes.barh(range(len(rows)), np.array(ends) - start, left=start, alpha=0)
    labels = axes.bar_label(bars, texts, padding=9, size=8)
    for k, (label, row) in enumerate(zip(labels, rows, strict=True)):
        label.set(color=INK if row and row.values else GRAY_INK, parse_math=False)
        label.set_bbox({"fc": BAND if k % 2 else "white", "lw": 0, "pad": 1})
    if start <= group.reference <= end:
        axes.axvline(group.reference, color=INK, lw=0.8, clip_on=False)


def _draw_axis(axes, start: float, end: float, log: bool, known: bool) -> int:
    """Draw the axis, with ticks if there are known values; return the digits of its numbers.

    Different ticks have different labels. Numbers have a digit more than these require.
    """
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

    if log:
        axes.set_xscale("log")
    axes.set_xlim(start, end)
    axes.set_axisbelow(True)
    axes.set_facecolor("none")
    axes.grid(axis="x", color=PALE_INK, lw=0.6)
    axes.spines[:].set_visible(False)
    axes.tick_params(axis="x", which="both", color=PALE_INK, labelcolor=GRAY_INK, labelsize=8)
    axes.tick_params(axis="y", length=0)
    axes.xaxis.set_minor_locator(NullLocator())
    decades = np.log10(end / start) if log else 0
    digits = 0
    if not known:
        axes.set_xticks([])
    elif decades > 1:
        subs = (1,) if decades > 2 else (1, 3)
        axes.xaxis.set_major_locator(LogLocator(subs=subs, numticks=4))
    else:
        axes.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
        step = np.diff(axes.get_xticks()).min()
        digits = _place(max(abs(start), abs(end))) - _place(step) + 1
    tick_digits = max(DIGITS, digits)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: format_number(x, tick_digits)))
    return max(DIGITS, digits + 1)


def _place(value: float) -> int:
    """Return the place of the first digit of a number above 0: 0 for ones, -1 for tenths."""
    return math.floor(math.log10(value) + 1e-9)
