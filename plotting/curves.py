"""Curves over training steps: losses of one run, or a metric of several runs."""

import dataclasses
import io
import math
import os
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from plotting.paths import check_ending
from storage.files import write_atomically

# Okabe and Ito's palette for colour-blind readers, without yellow.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#333333")
INK, PALE_INK = "#333333", "#DDDDDD"
MARKED = 60  # maximum number of points of a series that are drawn as dots
WIDTH, DPI = 9.0, 100  # inches, dots per inch: 900 pixels wide
LARGEST = 1e300  # from here on matplotlib cannot compute the ticks


@dataclasses.dataclass(frozen=True)
class Panel:
    """Content of one pair of axes.

    Attributes:
        title: name of the values, with the unit if there is one.
        series: name -> (steps [k], values [k]) with finite steps, drawn in the given order. A name
            has one colour in all panels of a figure. Series without points are omitted.
        log_y: whether the value axis is logarithmic; values <= 0 leave gaps, counted in the legend.
        smoothing: time constant of the moving average as a fraction of the points, from 0 (off) to
            1. A series is not smoothed if the time constant is less than two points.
    """

    title: str
    series: Mapping[str, tuple[Any, Any]]
    log_y: bool = False
    smoothing: float = 0.02


def save_curves(
    path: str | os.PathLike, panels: Sequence[Panel], x_label: str, title: str | None = None
) -> None:
    """Draw the panels as a PNG file 900 pixels wide, written atomically.

    Up to two panels are stacked, more are drawn in two columns; all share the range of steps. A
    long series is drawn pale, with its moving average on top (geometric if the axis is
    logarithmic). Values that are not finite leave gaps, counted in the legend. The same arguments
    give the same bytes.

    Raises:
        ValueError: there are no panels, steps and values differ in shape or are not [k], steps are
            not finite, smoothing is out of range, or the path does not end in .png.
    """
    path = check_ending(path, ".png")
    if not panels:
        raise ValueError("a figure of curves needs at least one panel")
    series = [_prepared(panel) for panel in panels]
    names = list(dict.fromkeys(name for panel in panels for name in panel.series))
    styles = {
        name: {"color": COLOURS[k % len(COLOURS)], "ls": ("-", "--", ":")[k // len(COLOURS) % 3]}
        for k, name in enumerate(names)
    }
    steps = np.concatenate([[], *(one.steps for drawn in series for one in drawn)])

    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    # Legends are placed above their axes, with room of their own, so that they cover no curve.
    columns = 1 if len(panels) <= 2 else 2
    rows = math.ceil(len(panels) / columns)
    legend_columns = [_legend_columns(drawn, WIDTH / columns) for drawn in series]
    lines = [math.ceil(len(drawn) / n) for drawn, n in zip(series, legend_columns, strict=True)]
    height = sum(2.6 + 0.2 * max(lines[k * columns : (k + 1) * columns]) for k in range(rows))
    size = (WIDTH, height + (0.4 if title else 0.0))
    figure = Figure(size, dpi=DPI, facecolor="white", layout="constrained")
    canvas = FigureCanvasAgg(figure)
    figure.get_layout_engine().set(w_pad=0.1, h_pad=0.1)
    if title:
        figure.suptitle(title, fontsize=13, color=INK)
    for k, panel in enumerate(panels):
        axes = figure.add_subplot(rows, columns, k + 1)
        _draw(axes, panel, series[k], styles, legend_columns[k])
        if len(steps) and steps.min() < steps.max():
            margin = 0.01 * (steps.max() - steps.min())
            axes.set_xlim(steps.min() - margin, steps.max() + margin)
        if k + columns >= len(panels):
            axes.set_xlabel(x_label, fontsize=10, color=INK)

    buffer = io.BytesIO()
    canvas.print_png(buffer, metadata={"Software": None})
    write_atomically(path, buffer.getvalue())


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


class _Series(NamedTuple):
    """Series prepared for drawing: steps and values float64 [k], NaN at gaps."""

    name: str
    label: str
    steps: np.ndarray
    values: np.ndarray


def _prepared(panel: Panel) -> list[_Series]:
    """Return the checked series of the panel, without empty ones."""
    if not 0 <= panel.smoothing <= 1:
        raise ValueError(f"{panel.title}: smoothing must be from 0 to 1, got {panel.smoothing}")
    prepared = []
    for name, (steps, values) in panel.series.items():
        steps, values = np.asarray(steps, np.float64), np.asarray(values, np.float64)
        if steps.ndim != 1 or steps.shape != values.shape:
            raise ValueError(
                f"{panel.title}, {name}: steps and values must be [k] both, "
                f"got {steps.shape} and {values.shape}"
            )
        if not np.isfinite(steps).all():
            raise ValueError(f"{panel.title}, {name}: steps must be finite")
        notes = []
        finite = np.abs(values) < LARGEST
        if not finite.all():
            notes.append(f"{np.sum(~finite)} non-finite")
        negative = finite & (values <= 0) & panel.log_y
        if negative.any():
            notes.append(f"{np.sum(negative)} not positive")
        label = shortened(f"{name} ({', '.join(notes)})" if notes else f"{name}")
        if len(steps):
            gaps = ~finite | negative
            prepared.append(_Series(name, label, steps, np.where(gaps, np.nan, values)))
    return prepared


def shortened(text: str, length: int = 40) -> str:
    """Return the text in one line, without its middle if it exceeds the length."""
    text = " ".join(str(text).split())
    half = length // 2
    return text if len(text) <= length else f"{text[: half - 1]}…{text[-half:]}"


def _legend_columns(drawn: list[_Series], inches: float) -> int:
    """Return the number of legend entries that fit side by side in a panel `inches` wide."""
    longest = max((len(one.label) for one in drawn), default=1)
    return max(1, min(len(drawn), int((inches - 0.8) / (0.5 + 0.075 * longest))))


def _draw(axes, panel: Panel, drawn: list[_Series], styles, legend_columns: int) -> None:
    """Draw the series into matplotlib axes and the legend above them."""
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

    handles = []
    for name, _, steps, values in drawn:
        line = dict(styles[name], lw=1.6)
        shown = np.isfinite(values)

        # Short series and points between two gaps, which have no line, are drawn as dots.
        few = len(steps) <= MARKED
        near = np.pad(shown, 1)
        dots = shown if few else shown & ~near[:-2] & ~near[2:]
        axes.plot(steps[dots], values[dots], "o", ms=3.5 if few else 1.5, color=line["color"])

        span = panel.smoothing * shown.sum()
        if span >= 2:
            axes.plot(steps, values, **dict(line, lw=0.7, ls="-", alpha=0.3))
            mean = smoothed(np.log(values) if panel.log_y else values, span)
            values = np.exp(mean) if panel.log_y else mean
        handles += axes.plot(steps, values, **line)

    axes.set_axisbelow(True)
    axes.set_facecolor("white")
    axes.grid(color=PALE_INK, lw=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["bottom", "left"]].set_color(PALE_INK)
    axes.tick_params(which="both", color=PALE_INK, labelcolor=INK, labelsize=9)
    axes.xaxis.set_major_formatter(FuncFormatter(_number))
    if not any(np.isfinite(one.values).any() for one in drawn):
        axes.set_yticks([])
        axes.text(0.5, 0.5, "no values", transform=axes.transAxes, ha="center", color=INK)
    elif panel.log_y:
        axes.set_yscale("log")
        low, high = axes.get_ylim()
        marks = (1, 2, 5) if high < 300 * low else (1,)
        axes.yaxis.set_major_locator(MaxNLocator(6) if high < 10 * low else LogLocator(subs=marks))
        axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(_number))
    legend = axes.legend(
        handles,
        [one.label for one in drawn],
        title=shortened(panel.title),
        title_fontproperties={"size": 11, "weight": "bold"},
        loc="lower left",
        bbox_to_anchor=(0.0, 1.0),
        borderaxespad=0.2,
        borderpad=0.0,
        alignment="left",
        ncols=legend_columns,
        columnspacing=1.2,
        labelspacing=0.3,
        handlelength=1.4,
        frameon=False,
        fontsize=9,
        labelcolor=INK,
    )
    legend.get_title().set_color(INK)
    for text in (legend.get_title(), *legend.get_texts()):
        text.set_parse_math(False)


def _number(value: float, _) -> str:
    """Format a tick label: 0.0002, 25k, 1.5M."""
    for size, letter in ((1e6, "M"), (1e3, "k")):
        if size <= abs(value) < 1000 * size and abs(value) >= 1e4:
            return f"{value / size:g}{letter}"
    return f"{value:g}"
