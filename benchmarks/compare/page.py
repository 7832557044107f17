"""Tables of a record in Markdown, written into docs/performance.md, and their figure."""

import dataclasses
import math
import pathlib
import statistics
from collections.abc import Callable
from typing import Any

import plotting
from benchmarks.compare import contestants, rounds
from benchmarks.compare.contestants import CONTROL, LEAST_GAIN, MEASURES
from benchmarks.compare.stages import STAGES, Stage
from benchmarks.compare.worker import ROOT
from errors import UserError
from evaluation.reports.tables import table
from storage.files import write_atomically

PAGE = ROOT / "docs" / "performance.md"
FIGURE = ROOT / "docs" / "performance.png"
FIGURE_TITLE = "Speed relative to the tutorial loop"
BEGIN, END = "<!-- begin: benchmarks compare -->", "<!-- end: benchmarks compare -->"

Group = dict[str, dict]


@dataclasses.dataclass(frozen=True)
class Context:
    """Inputs of a cell of a table, beside the name of its row.

    Attributes:
        stage: the stage.
        group: contestant -> measurement.
        peak: multiplications per second of the machine by precision.
    """

    stage: Stage
    group: Group
    peak: dict[str, float]


def of_time(statistic: Callable[[list[float]], float], unit: float):
    """Return the cell of a statistic of the seconds, in multiples of `unit` seconds."""

    def cell(context: Context, name: str) -> float:
        return statistic(context.group[name]["seconds"]) / unit

    return cell


def relative(context: Context, name: str) -> float | None:
    """Return the cell of the speed relative to the reference."""
    return rounds.ratio(context.group, name, context.stage.reference)


def relative_spread(context: Context, name: str) -> float | None:
    """Return the cell of the spread of `relative` over the rounds."""
    reference = context.stage.reference
    if reference not in context.group or name == reference:
        return None
    seconds = (context.group[one]["seconds"] for one in (reference, name))
    return rounds.spread(rounds.ratios(*seconds))


def images_per_second(context: Context, name: str) -> float | None:
    """Return the cell of the real images per second."""
    images = context.group[name].get("images")
    return images and images / statistics.median(context.group[name]["seconds"])


def rate(measurement: dict) -> float | None:
    """Return the multiplications per second of a measurement."""
    count = measurement.get("multiplications")
    return count and count / statistics.median(measurement["seconds"])


def multiplications(context: Context, name: str) -> float | None:
    """Return the cell of the billions of multiplications per second."""
    per_second = rate(context.group[name])
    return per_second and per_second / 1e9


def share(context: Context, name: str) -> str | None:
    """Return the cell of the share of the peak; none for the peak itself."""
    per_second = rate(context.group[name])
    peak = context.peak.get(context.group[name].get("precision"))
    if not per_second or not peak or context.stage is STAGES["peak"]:
        return None
    return f"{100 * per_second / peak:.0f} %"


def memory(kind: str):
    """Return the cell of a memory in MiB."""
    return lambda context, name: context.group[name].get(kind) and round(context.group[name][kind])


COLUMNS: dict[str, Callable[[Context, str], Any]] = {
    "relative speed": relative,
    "its spread": relative_spread,
    "images per second": images_per_second,
    "10^9 multiplications per second": multiplications,
    "share of the peak": share,
    "peak memory, MiB": memory("peak_memory"),
    "anonymous memory, MiB": memory("anonymous_memory"),
}


def peaks(record: dict, stage: dict) -> dict[str, float]:
    """Return the highest multiplications per second by precision, on the machine of a stage."""
    found: dict[str, float] = {}
    peak = record["stages"].get("peak")
    machines = {one["environment"]["machine"] for one in (peak, stage) if one}
    if not peak or peak["void"] or len(machines) > 1:
        return {}
    for group in peak["groups"].values():
        for measurement in group.values():
            precision = measurement["precision"]
            found[precision] = max(found.get(precision, 0.0), rate(measurement))
    return found


def group_table(context: Context) -> str:
    """Return the table of a group: times, and the columns that have a value."""
    in_seconds = context.stage.in_seconds
    unit, label = (1.0, "seconds") if in_seconds else (1e-3, "ms per step")
    columns = {
        label: of_time(statistics.median, unit),
        f"spread, {'s' if in_seconds else 'ms'}": of_time(rounds.spread, unit),
        **COLUMNS,
    }
    cells = {
        title: [rounded(cell(context, name)) for name in context.group]
        for title, cell in columns.items()
    }
    shown = {title: values for title, values in cells.items() if any(v is not None for v in values)}
    rows = [[name, *(v[k] for v in shown.values())] for k, name in enumerate(context.group)]
    return table(["", *shown], rows)


def rounded(value: Any) -> Any:
    """Return a number with three digits; other values as they are."""
    return float(f"{value:.3g}") if isinstance(value, float) else value


@dataclasses.dataclass(frozen=True)
class Gain:
    """Gain of a measure for speed: the relative increase of the steps per second.

    Attributes:
        median: median over the rounds.
        low: lower end of the 95 % confidence interval of the median.
        high: its upper end.
    """

    median: float
    low: float
    high: float

    def stays(self, control: "Gain") -> bool:
        """Return whether it is at least LEAST_GAIN, and beyond the control in either direction."""
        return self.median >= LEAST_GAIN and self.is_beyond(control)

    def is_beyond(self, control: "Gain") -> bool:
        """Return whether its interval is above that of the control and above its mirror image."""
        return self.low > max(control.high, -control.low)

    def verdict(self, control: "Gain") -> str:
        """Return the verdict on a measure for the table."""
        if self.stays(control):
            return "stays"
        least = f"below {100 * LEAST_GAIN:.0f} %"
        return least if self.median < LEAST_GAIN else "not beyond the control"


def gains(group: Group) -> dict[str, Gain]:
    """Return the gain of each measure that a group of the ablation has, and of the control.

    The times of the unchanged step are the geometric means of its two processes in each round. The
    control is the gain of the second of these processes.
    """
    project, *_ = group.values()
    control = group[CONTROL]["seconds"]
    unchanged = [math.sqrt(a * b) for a, b in zip(project["seconds"], control, strict=True)]
    pairs = {"control": (unchanged, control)}
    for measure in MEASURES:
        if other := group.get(contestants.label(measure)):
            seconds = other["seconds"]
            pairs[measure.name] = (unchanged, seconds) if measure.adds else (seconds, unchanged)
    found = {}
    for name, (slow, fast) in pairs.items():
        gained = [speed - 1.0 for speed in rounds.ratios(slow, fast)]
        found[name] = Gain(statistics.median(gained), *rounds.interval(gained))
    return found


def gain_table(group: Group) -> str:
    """Return the table of the gains of a group of the ablation."""
    found = gains(group)
    control = found["control"]
    rows = [
        [
            name,
            f"{100 * gain.median:+.1f} %",
            f"{100 * gain.low:+.1f} % to {100 * gain.high:+.1f} %",
            "" if gain is control else gain.verdict(control),
        ]
        for name, gain in found.items()
    ]
    return table(["measure", "gain", "95 % interval", ""], rows)


def markdown(record: dict, figure: str = FIGURE.name) -> str:
    """Return the tables of all stages of a record, with a link to their figure."""
    parts = []
    for name, stage in STAGES.items():
        if name not in record["stages"]:
            continue
        found = record["stages"][name]
        peak = peaks(record, found)
        parts += [f"### {stage.title}", stage.text, measured_on(found)]
        if name == "steps":
            parts.append(f"![{FIGURE_TITLE}]({figure})")
        for title, group in found["groups"].items():
            parts.append(f"**{title}**")
            if contestants.CONTROL in group and not stage.reference:
                parts.append(gain_table(group))
            parts.append(group_table(Context(stage, group, peak)))
    return "\n\n".join(parts)


def measured_on(stage: dict) -> str:
    """Return the machine and the libraries of a stage in a sentence; a warning if it is void."""
    environment = stage["environment"]
    libraries = ("tensorflow", "keras", "torch")
    versions = ", ".join(f"{name} {environment[name]}" for name in libraries if name in environment)
    void = " **Void: two threads did not run on two cores.**" if stage["void"] else ""
    commit = environment.get("zoo", "")[:7] or "unknown"
    return f"{environment['machine']}; {versions}; commit {commit}.{void}"


def write_tables(record: dict, path: pathlib.Path) -> None:
    """Write the tables of a record to a Markdown file, with their figure beside it."""
    figure = path.with_suffix(".png")
    draw_figure(record, figure)
    write_atomically(path, f"{markdown(record, figure.name)}\n")


def require_publishable(record: dict) -> None:
    """Raise UserError if a stage is missing or void, or the stages are of several machines."""
    stages = record["stages"]
    if missing := [name for name in STAGES if name not in stages]:
        raise UserError(f"{missing[0]} is not measured; add stages={missing[0]}", "publish")
    if void := [name for name, stage in stages.items() if stage["void"]]:
        advice = f"measure them again with stages={void[0]} on two idle cores"
        raise UserError(f"the figures of {void[0]} are void; {advice}", "publish")
    machines = sorted({stage["environment"]["machine"] for stage in stages.values()})
    if len(machines) > 1:
        raise UserError(
            f"the stages are of {' and '.join(machines)}; measure all on one machine", "publish"
        )


def write_page(record: dict, page: pathlib.Path = PAGE) -> None:
    """Replace the tables between the markers of a page.

    Raises:
        UserError: the page has no markers.
    """
    before, begin, rest = page.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise UserError(f"{page}: lacks the lines {BEGIN} and {END}; add them")
    write_atomically(page, f"{before}{begin}\n\n{markdown(record)}\n\n{end}{after}")


def draw_figure(record: dict, path: pathlib.Path = FIGURE) -> None:
    """Draw the speeds relative to the tutorial loop, if the train steps are measured."""
    reference = STAGES["steps"].reference
    panels: dict[str, dict[str, plotting.dots.Values]] = {}
    for title, group in record["stages"].get("steps", {}).get("groups", {}).items():
        panels[title] = {}
        for name, measurement in group.items():
            ratios = rounds.ratios(group[reference]["seconds"], measurement["seconds"])
            panels[title][name] = (min(ratios), statistics.median(ratios), max(ratios))
    if panels:
        highest = max(high for values in panels.values() for *_, high in values.values())
        shared = {"better": "higher", "includes": (0.0, highest), "reference": 1.0}
        drawn = [plotting.Dots(title, values, **shared) for title, values in panels.items()]
        plotting.save_dots(path, drawn, FIGURE_TITLE)
