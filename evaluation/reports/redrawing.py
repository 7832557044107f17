"""Published pictures that depend on records alone, drawn again without the runs.

These are the confusion matrices, the figures of codes and the comparisons of studies.
"""

import re
from collections.abc import Sequence
from pathlib import Path

import plotting
from evaluation.reports import pages, publishing
from evaluation.reports.comparison_figures import metric_panels, title_of
from evaluation.reports.groups import configuration_name, run_name
from evaluation.reports.pictures import draw_codes, draw_confusion
from metrics.measurement import Measurement

OF_A_RUN = {"confusion.png": draw_confusion, "codes.png": draw_codes}
COMPARISON = "comparison.png"


def redraw(records: Sequence[dict]) -> None:
    """Draw the pictures of records that a page shows."""
    runs = {run_name(pages.stem(r), r["seed"]): r for r in records if r["flagfile"]}
    studies = {Path(flag(file, "outdir")).name: file for file in study_files()}
    for target in sorted(pages.linked_files()):
        folder = target.parent
        if folder.parent != publishing.ASSETS:
            continue
        if target.name == COMPARISON and folder.name in studies:
            draw_study(studies[folder.name], records, target)
        elif target.name in OF_A_RUN and folder.name in runs:
            metrics = runs[folder.name]["metrics"].items()
            measured = {name: Measurement(m["value"], m["protocol"]) for name, m in metrics}
            OF_A_RUN[target.name](measured, folder)


def study_files() -> list[Path]:
    """Return the flagfiles of studies."""
    return sorted((pages.ROOT / "configs" / "studies").glob("*.txt"))


def draw_study(file: Path, records: Sequence[dict], target: Path) -> None:
    """Draw the comparison of the runs of a study, unless one of them is not published."""
    evaluations, rows = [], {}
    for flagfile in flag(file, "configs").split(","):
        name, own = configuration_name(flagfile), flag(pages.ROOT / flagfile, "seed", "0")
        for seed in flag(file, "seeds", own).split(","):
            found = [r for r in records if (r["flagfile"], str(r["seed"])) == (flagfile, seed)]
            if not found:
                return
            evaluations.append({**found[0], "name": run_name(name, found[0]["seed"])})
            rows.setdefault(name, []).append(evaluations[-1]["name"])
    plotting.save_dots(target, metric_panels(evaluations, rows), title_of(evaluations))


def flag(file: Path, name: str, default: str = "") -> str:
    """Return the value of a flag in a flagfile."""
    found = re.search(rf"^--{name}=(.*)$", file.read_text("utf-8"), re.MULTILINE)
    return found[1] if found else default
