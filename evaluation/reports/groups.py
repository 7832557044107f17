"""Configurations of a study: their names, and means over the training seeds of each."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from evaluation.reports.tables import by_dataset, table_of

LEGEND = (
    "mean ± standard deviation over the training seeds; with one, the median and the range over "
    "its evaluation seeds, or the value ± its spread over subsets"
)


def configuration_name(flagfile: str | Path, setting: Mapping[str, str] | None = None) -> str:
    """Return the name of a flagfile with a setting, flag -> value: the start of those of its runs.

    It is also the column of the table and the row of the figure.
    """
    values = {flag: re.sub(r"[^\w.+-]", "_", value) for flag, value in (setting or {}).items()}
    return "-".join([Path(flagfile).stem, *(f"{flag}={value}" for flag, value in values.items())])


def run_name(configuration: str, seed: int) -> str:
    """Return the name of the run of a configuration with a seed, and of its folder."""
    return f"{configuration}-seed{seed}"


def table_of_means(evaluations: Sequence[dict], groups: Mapping[str, str]) -> str:
    """Return a table per data set with a column per group, and how to read it.

    Args:
        evaluations: records of evaluations.
        groups: name of a run -> name of its group; an evaluation without a group is one of its own.
    """
    means = {
        dataset: [mean_of(*named) for named in members_of(of_dataset, groups).items()]
        for dataset, of_dataset in by_dataset(evaluations).items()
    }
    tables = (table_of(dataset, of_dataset) for dataset, of_dataset in means.items())
    return "\n\n".join([*tables, LEGEND])


def members_of(evaluations: Sequence[dict], groups: Mapping[str, str]) -> dict[str, list[dict]]:
    """Return the evaluations of each group by its name."""
    found: dict[str, list[dict]] = {}
    for evaluation in evaluations:
        found.setdefault(groups.get(evaluation["name"], evaluation["name"]), []).append(evaluation)
    return found


def mean_of(name: str, members: Sequence[dict]) -> dict:
    """Return an evaluation with the mean of each metric over the members, and its spread.

    A metric that a member lacks is n/a.
    """
    names = dict.fromkeys(metric for member in members for metric in member["metrics"])
    seeds = f" ({len(members)} seeds)" if len(members) > 1 else ""
    return {
        "name": f"{name}{seeds}",
        "dataset": members[0]["dataset"],
        "metrics": {m: mean_entry([member["metrics"].get(m) for member in members]) for m in names},
    }


def mean_entry(entries: Sequence[dict | None]) -> dict:
    """Return the mean of stored metrics as an entry whose protocol has the spread.

    Args:
        entries: a metric of each run of a group. That of a single run is returned as it is.
    """
    values = [entry and entry["value"] for entry in entries]
    if None in values:
        return {"value": None, "protocol": {}}
    if len(entries) == 1:
        return entries[0]
    spread = float(np.std(values, ddof=1))
    return {"value": float(np.mean(values)), "protocol": {"spread": spread}}
