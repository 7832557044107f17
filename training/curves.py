"""curves.png of a run: all logged scalars over the training steps."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import plotting
from errors import UserError
from evaluation.metric import logged_metric
from evaluation.reports.comparison_figures import is_logarithmic, look_of_metric
from models.scalars import TEST, ScalarPanel, group_of, groups
from plotting.looks import LINES, Look, look_of
from storage.run_directory import RunDirectory

POSITION = ("step", "epoch", "kimg", "seconds")  # first entries of a record, which are not drawn
DISTANCES = ScalarPanel(title="distances of samples", order=-2, log=True)
SHARES = ScalarPanel(title="shares and scores", order=-1)
OTHERS = ScalarPanel(title="others", order=1000)


class Curve(NamedTuple):
    """Values of a logged scalar with their panel, their label in it, and their look."""

    panel: ScalarPanel
    label: str
    look: Look
    steps: tuple[int, ...]
    values: tuple[float, ...]


def draw_curves(run: RunDirectory) -> None:
    """Draw curves.png of a run, one panel per group of scalars."""
    panels, settings = panels_of(run.records())
    if panels:
        plotting.save_curves(run.path / "curves.png", panels, "step", title_of(run), settings)


def title_of(run: RunDirectory) -> str:
    """Return the title of pictures of a run: its model, data set, seed and name."""
    name = run.path.resolve().name
    try:
        options, data = run.read_config()["options"], run.read_data()["name"]
    except UserError:  # the training goes on without config.json
        return f"run {name}"
    return f"{options.get('model')} on {data}, seed {options.get('seed')}, run {name}"


def panels_of(records: Sequence[Mapping[str, float]]) -> tuple[list[plotting.Panel], str]:
    """Return the panels of the records of a run, and a text with its constant settings."""
    names = dict.fromkeys(name for record in records for name in record)
    curves = [curve_of(name, records) for name in names if name not in POSITION]
    tested = any(curve.label == "test" for curve in curves)
    panels, facts = [], []
    for panel in sorted([DISTANCES, SHARES, *groups(), OTHERS], key=lambda panel: panel.order):
        own = [curve for curve in curves if curve.panel is panel]
        if own and panel.settings and all(len({*curve.values}) == 1 for curve in own):
            facts.append(f"{panel.heading}: {settings_text(own)}")
        elif own:
            if not tested:  # the title alone names the values of training images
                own = [c._replace(label="") if c.label == "train" else c for c in own]
            panels.append(figure_panel(panel, own))
    return panels, "; ".join(facts)


def curve_of(name: str, records: Sequence[Mapping[str, float]]) -> Curve:
    """Return the curve of a logged scalar."""
    steps, values = zip(*((r["step"], r[name]) for r in records if name in r), strict=True)
    if metric := logged_metric(name):
        panel = DISTANCES if is_logarithmic(metric) else SHARES
        return Curve(panel, metric, look_of_metric(metric), steps, values)
    group = group_of(name) or OTHERS
    label = name if group is OTHERS else group.label_of(name)
    look = look_of(label)
    if label in ("train", "test"):
        look = look_of(name.removeprefix(TEST))
        look = look._replace(line=LINES[label == "test"])
    return Curve(group, label, look, steps, values)


def settings_text(curves: Sequence[Curve]) -> str:
    """Return the constant values of curves as text; curves of equal values share one."""
    labels: dict[float, list[str]] = {}
    for curve in curves:
        labels.setdefault(curve.values[0], []).append(curve.label)
    if len(curves) == 1:
        return f"{curves[0].values[0]:g}"
    return ", ".join(f"{' and '.join(names)} {value:g}" for value, names in labels.items())


def figure_panel(panel: ScalarPanel, curves: Sequence[Curve]) -> plotting.Panel:
    """Return a panel with its curves, as `plotting.save_curves` draws it."""
    return plotting.Panel(
        panel.heading,
        {curve.label: (curve.steps, curve.values) for curve in curves},
        log_y=panel.log,
        smoothing=0.0 if panel.settings else 0.02,
        looks={curve.label: curve.look for curve in curves},
    )
