"""curves.png of a run: all logged scalars over the training steps."""

import plotting
from evaluation.metric import logged_metric
from evaluation.reports.comparison import is_logarithmic
from models.scalars import Panel, group_of, groups
from storage.run_directory import RunDirectory

POSITION = ("step", "epoch", "kimg", "seconds")  # first entries of a record, which are not drawn
DISTANCES = Panel(title="distances of samples", order=-2, log=True)
SHARES = Panel(title="shares and scores", order=-1)
OTHERS = Panel(title="others", order=1000)


def panel_of(name: str) -> tuple[Panel, str]:
    """Return the panel of a logged scalar, and its label in this panel."""
    if metric := logged_metric(name):
        return (DISTANCES if is_logarithmic(metric) else SHARES), metric
    group = group_of(name)
    return (group, group.label_of(name)) if group else (OTHERS, name)


def draw_curves(run: RunDirectory) -> None:
    """Draw curves.png of a run, one panel per group of scalars."""
    records = run.records()
    declared = sorted([DISTANCES, SHARES, *groups(), OTHERS], key=lambda panel: panel.order)
    series = {panel.heading: {} for panel in declared}
    logarithmic = {panel.heading for panel in declared if panel.log}
    for name in dict.fromkeys(name for record in records for name in record):
        if name in POSITION:
            continue
        panel, label = panel_of(name)
        points = [(r["step"], r[name]) for r in records if name in r]
        series[panel.heading][label] = tuple(zip(*points, strict=True))
    panels = [
        plotting.Panel(heading, curves, log_y=heading in logarithmic)
        for heading, curves in series.items()
        if curves
    ]
    if panels:
        plotting.save_curves(run.path / "curves.png", panels, "step")
