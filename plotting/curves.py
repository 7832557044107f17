"""Curves over training steps: the scalars of one run, or one scalar of several runs."""

import dataclasses
import functools
import math
import os
import textwrap
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from plotting.figures import LEFT, TOP, fitted, own_settings, ruler, save_figure, write_figure_title
from plotting.looks import INK, LINES, Look, look_of
from plotting.paths import check_ending

PALE_INK, GRAY_INK = "#DDDDDD", "#6A6A6A"
MARKED = 60  # maximum number of points of a series that are drawn as dots
WIDTH, DPI = 9.0, 100  # inches, dots per inch: 900 pixels wide
LARGEST = 1e300  # from here on matplotlib cannot compute the ticks
# Inches: a row of panels, lines of the header.
ROW, TITLE_LINE, LINE = 2.55, 0.3, 0.21
TICKS = 0.65  # inches; width of the labels of ticks
SUBTITLE = 120  # letters that fit into a line of the subtitle
THIN, PLAIN, THICK = 0.8, 1.6, 2.6  # widths of lines

Series = tuple[Any, Any]  # steps [k], values [k]


@dataclasses.dataclass(frozen=True)
class Panel:
    """Content of one pair of axes.

    Attributes:
        title: name of the values, with the unit if there is one.
        series: label -> (steps [k], values [k]) with finite steps, drawn in the given order. Series
            without points are omitted.
        log_y: whether the value axis is logarithmic; values <= 0 leave gaps, counted below the
            title.
        smoothing: time constant of the moving average as a fraction of the points, from 0 (off) to
            1. A series is not smoothed if the time constant is less than two points.
        looks: label -> look; by default that of the quantity with the name of the label.
        seeds: label -> the series of which its series is the mean. They are drawn thin, and their
            mean thick.
    """

    title: str
    series: Mapping[str, Series]
    log_y: bool = False
    smoothing: float = 0.02
    looks: Mapping[str, Look] = dataclasses.field(default_factory=dict)
    seeds: Mapping[str, Sequence[Series]] = dataclasses.field(default_factory=dict)


@own_settings()
def save_curves(
    path: str | os.PathLike,
    panels: Sequence[Panel],
    x_label: str,
    title: str = "",
    subtitle: str = "",
) -> None:
    """Draw the panels as a PNG file 900 pixels wide, written atomically.

    Up to two panels are stacked, more are drawn in two columns; all share the range of steps. Above
    them are the title, the subtitle and the legend of all panels; a label with several colours is
    gray in the legend, and an empty label is not in it. A long series is drawn pale,
    with its moving average on top (geometric if the axis is logarithmic). Of seeds and their mean,
    which are as long, the moving averages alone are drawn. Values that are not finite leave gaps,
    counted below the title of the panel. The same arguments give the same bytes.

    Raises:
        ValueError: there are no panels, steps and values differ in shape or are not [k], steps are
            not finite, smoothing is out of range, or the path does not end in .png.
    """
    path = check_ending(path, ".png")
    if not panels:
        raise ValueError("a figure of curves needs at least one panel")
    series = [_prepared(panel) for panel in panels]
    steps = np.concatenate([[], *(one.steps for drawn in series for one in drawn)])

    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    entries = _legend([one for drawn in series for one in drawn])
    columns = 1 if len(panels) <= 2 else 2
    rows = math.ceil(len(panels) / columns)
    header = _Header(title, subtitle, [shortened(label) for label in entries])
    height = ROW * rows + header.height
    figure = Figure((WIDTH, height), dpi=DPI, facecolor="white", layout="constrained")
    canvas = FigureCanvasAgg(figure)
    free = 1 - header.height / height
    figure.get_layout_engine().set(w_pad=0.1, h_pad=0.1, rect=(0, 0, 1, free))
    header.draw(figure, [_handle(look) for look in entries.values()])
    for k, panel in enumerate(panels):
        axes = figure.add_subplot(rows, columns, k + 1)
        _draw(axes, panel, series[k])
        if len(steps) and steps.min() < steps.max():
            margin = 0.01 * (steps.max() - steps.min())
            axes.set_xlim(steps.min() - margin, steps.max() + margin)
        if k + columns >= len(panels):
            axes.set_xlabel(x_label, fontsize=10, color=INK)

    save_figure(path, canvas)


def smoothed(values: np.ndarray, span: float) -> np.ndarray:
    """Return the moving average [k] of values [k] with weights exp(-age / span).

    The weights of the finite values so far are normalized to one, so the average is not biased
    towards zero at the start. It is NaN where the value is not finite.
    """
    decay = math.exp(-1.0 / span)
    total = weight = 0.0
    averages = []
    for value in values.tolist():
        if math.isfinite(value):
            total, weight = decay * total + value, decay * weight + 1.0
            averages.append(total / weight)
        else:
            averages.append(math.nan)
    return np.array(averages)


def shortened(text: str, length: int = 40) -> str:
    """Return the text in one line, without its middle if it exceeds the length."""
    text = " ".join(str(text).split())
    half = length // 2
    return text if len(text) <= length else f"{text[: half - 1]}…{text[-half:]}"


class _Series(NamedTuple):
    """Series prepared for drawing: steps and values float64 [k], NaN at gaps."""

    label: str
    look: Look
    width: float
    steps: np.ndarray
    values: np.ndarray
    gaps: Counter[str]  # kind -> number of values that are not drawn


def _prepared(panel: Panel) -> list[_Series]:
    """Return the checked series of the panel in the order of drawing, without empty ones."""
    if not 0 <= panel.smoothing <= 1:
        raise ValueError(f"{panel.title}: smoothing must be from 0 to 1, got {panel.smoothing}")
    prepared = []
    for label, series in panel.series.items():
        look = panel.looks.get(label) or look_of(f"{label}")
        seeds = panel.seeds.get(label, ())
        each = [(THIN, seed) for seed in seeds] + [(THICK if seeds else PLAIN, series)]
        for width, (steps, values) in each:
            steps, values = np.asarray(steps, np.float64), np.asarray(values, np.float64)
            if steps.ndim != 1 or steps.shape != values.shape:
                raise ValueError(
                    f"{panel.title}, {label}: steps and values must be [k] both, "
                    f"got {steps.shape} and {values.shape}"
                )
            if not np.isfinite(steps).all():
                raise ValueError(f"{panel.title}, {label}: steps must be finite")
            finite = np.abs(values) < LARGEST
            negative = finite & (values <= 0) & panel.log_y
            gaps = Counter({"non-finite": np.sum(~finite), "not positive": np.sum(negative)})
            if len(steps):
                values = np.where(~finite | negative, np.nan, values)
                prepared.append(_Series(f"{label}", look, width, steps, values, gaps))
    return prepared


def _notes_of_gaps(drawn: Sequence[_Series]) -> list[str]:
    """Return a note per label on the values of its series, or of its seeds, that are not drawn."""
    totals: dict[str, Counter[str]] = {}
    for one in drawn:
        if one.width != THICK:  # the mean has the gaps of the seeds
            totals.setdefault(one.label, Counter()).update(one.gaps)
    texts = {
        label: ", ".join(f"{n} {kind}" for kind, n in gaps.items() if n)
        for label, gaps in totals.items()
    }
    return [f"{label}: {text}" if label else text for label, text in texts.items() if text]


def _legend(drawn: Sequence[_Series]) -> dict[str, Look]:
    """Return the entries of the legend: label -> look."""
    looks: dict[str, set[Look]] = {}
    for one in drawn:
        if one.label:
            looks.setdefault(one.label, set()).add(one.look)
    return {
        label: look._replace(colour=look.colour if len({x.colour for x in found}) == 1 else INK)
        for label, found in looks.items()
        for look in [min(found)]
    }


def _handle(look: Look):
    """Return the line of a legend entry."""
    from matplotlib.lines import Line2D

    return Line2D([], [], color=look.colour, ls=look.line, marker=look.marker, ms=5, lw=1.8)


class _Header:
    """Title, subtitle and legend above the panels.

    Args:
        title: title of the figure; "" for none.
        subtitle: text that is wrapped to the width of the figure; "" for none.
        labels: labels of the legend.
    """

    def __init__(self, title: str, subtitle: str, labels: Sequence[str]):
        self.title = title
        self.subtitle = textwrap.wrap(subtitle, SUBTITLE)
        self.labels = labels
        longest = max(map(len, labels), default=1)
        self.columns = max(1, min(len(labels), int((WIDTH - 0.3) / (0.6 + 0.075 * longest))))
        self.rows = math.ceil(len(labels) / self.columns)

    @property
    def height(self) -> float:
        """Height in inches."""
        lines = len(self.subtitle) + self.rows
        return TOP + TITLE_LINE * bool(self.title) + LINE * lines

    def draw(self, figure, handles: Sequence) -> None:
        """Write the header at the top of a figure."""
        height = figure.get_size_inches()[1]
        write_figure_title(figure, self.title)
        top = height - TOP - TITLE_LINE * bool(self.title)
        plain = {"va": "top", "color": INK, "parse_math": False}
        for line in self.subtitle:
            figure.text(LEFT / WIDTH, top / height, line, size=9, **plain)
            top -= LINE
        if not handles:
            return
        legend = figure.legend(
            handles,
            self.labels,
            loc="upper left",
            bbox_to_anchor=(0.1 / WIDTH, (top + 0.04) / height),
            borderaxespad=0.0,
            borderpad=0.2,
            ncols=self.columns,
            columnspacing=1.2,
            labelspacing=0.35,
            handlelength=2.2,
            frameon=False,
            fontsize=9,
            labelcolor=INK,
        )
        legend.set_in_layout(False)
        for text in legend.get_texts():
            text.set_parse_math(False)


def _draw(axes, panel: Panel, drawn: list[_Series]) -> None:
    """Draw the series and the title into matplotlib axes."""
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

    for _, look, width, steps, values, _ in drawn:
        line = {"color": look.colour, "ls": look.line, "lw": width}
        shown = np.isfinite(values)

        # Short series and points between two gaps, which have no line, are drawn as dots.
        few = len(steps) <= MARKED and width > THIN
        near = np.pad(shown, 1)
        dots = shown if few else shown & ~near[:-2] & ~near[2:]
        size = (5.0 if look.marker else 3.5) if few else 1.5
        face = look.colour if look.line == LINES[0] else "white"
        style = {"ms": size, "color": look.colour, "mfc": face, "zorder": 2.5}
        axes.plot(steps[dots], values[dots], look.marker or "o", **style)

        span = panel.smoothing * shown.sum()
        if span >= 2:
            if width == PLAIN:
                axes.plot(steps, values, **dict(line, lw=0.7, ls="-", alpha=0.3))
            mean = smoothed(np.log(values) if panel.log_y else values, span)
            values = np.exp(mean) if panel.log_y else mean
        axes.plot(steps, values, **line, alpha=0.6 if width == THIN else 1.0)

    axes.set_axisbelow(True)
    axes.set_facecolor("white")
    axes.grid(color=PALE_INK, lw=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["bottom", "left"]].set_color(PALE_INK)
    axes.tick_params(which="both", color=PALE_INK, labelcolor=INK, labelsize=9)
    axes.xaxis.set_major_formatter(FuncFormatter(_tick_label))
    if not any(np.isfinite(one.values).any() for one in drawn):
        axes.set_yticks([])
        axes.text(0.5, 0.5, "no values", transform=axes.transAxes, ha="center", color=INK)
    elif panel.log_y:
        axes.set_yscale("log")
        low, high = axes.get_ylim()
        marks = (1, 2, 5) if high < 300 * low else (1,)
        axes.yaxis.set_major_locator(MaxNLocator(6) if high < 10 * low else LogLocator(subs=marks))
        axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(_tick_label))
    _write_panel_title(axes, panel.title, _notes_of_gaps(drawn))


def _write_panel_title(axes, title: str, notes: Sequence[str]) -> None:
    """Write the title of a panel above its axes, and the notes in a line below it."""
    limit = WIDTH / axes.get_subplotspec().get_gridspec().ncols - TICKS
    inches, font = ruler(axes.figure.canvas), {"size": 10, "weight": "bold"}
    title = fitted(title, limit, functools.partial(inches, **font))
    style = {"color": INK, "loc": "left", "parse_math": False}
    axes.set_title(title, pad=18 if notes else 6, **font, **style)
    if notes:
        axes.annotate(
            fitted("; ".join(notes), limit, functools.partial(inches, size=8)),
            (0, 1),
            (0, 5),
            xycoords="axes fraction",
            textcoords="offset points",
            size=8,
            color=GRAY_INK,
            parse_math=False,
        )


def _tick_label(value: float, _) -> str:
    """Return the label of a tick: 0.0002, 25k, 1.5M."""
    for size, letter in ((1e6, "M"), (1e3, "k")):
        if size <= abs(value) < 1000 * size and abs(value) >= 1e4:
            return f"{value / size:g}{letter}"
    return f"{value:g}"
