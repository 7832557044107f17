"""The README's tables of the published results."""

import collections
import re
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path

from evaluation import families
from evaluation.metric import SAMPLES
from evaluation.reports.tables import by_dataset, low_middle_high, metric_names, table
from storage.files import write_atomically

README = Path(__file__).resolve().parents[2] / "README.md"
BLOCK = re.compile(
    r"(<!-- results: (\w+)(?: of ([\w, ]+))? -->\n).*?(<!-- end of results -->)", re.DOTALL
)


def training_table(records: Sequence[dict]) -> str:
    """Return the table of runs: flagfile, seed, steps, minutes and machine."""
    header = ["model", "dataset", "flagfile", "seed", "steps", "kimg", "minutes", "machine"]
    return table(
        header,
        [
            [
                r["model"],
                r["dataset"],
                f"[{Path(r['flagfile']).stem}]({r['flagfile']})",
                str(r["seed"]),
                r["steps"],
                r["kimg"],
                r["wall_minutes"],
                r["machine"],
            ]
            for r in records
            if r["flagfile"]
        ],
    )


def metrics_table(records: Sequence[dict]) -> str:
    """Return the published metrics of samples: a table per data set, a row per record."""

    def shown(name: str) -> bool:
        metric = families.find(name)
        return bool(metric and metric.table == SAMPLES and metric.published)

    return row_tables(by_dataset(records), shown)


def codes_table(records: Sequence[dict]) -> str:
    """Return the metrics of codes and of likelihood, with medians over the training seeds."""

    def shown(name: str) -> bool:
        metric = families.find(name)
        return bool(metric and metric.table != SAMPLES)

    return row_tables(with_medians(records, shown), shown)


def protocols_table(records: Sequence[dict]) -> str:
    """Return the metrics of one batch beside those of all samples, with medians over seeds."""
    pairs = {name: families.of_all_samples(name) for name in metric_names(records)}
    both = {name for pair in pairs.items() if pair[1] for name in pair}
    return row_tables(with_medians(records, both.__contains__), both.__contains__)


def with_medians(records: Sequence[dict], shown: Callable[[str], bool]) -> dict[str, list[dict]]:
    """Group records with a shown metric by data set; add a median after a flagfile's seeds."""
    groups = collections.defaultdict(list)
    for record in records:
        if any(shown(name) for name in metric_names([record])):
            groups[record["dataset"], record["flagfile"]].append(record)
    rows = collections.defaultdict(list)
    for (dataset, _), group in groups.items():
        rows[dataset] += [*group, *([median_of_runs(group)] if len(group) > 1 else [])]
    return rows


def median_of_runs(records: Sequence[dict]) -> dict:
    """Return a record with the medians of the metrics that all records have."""
    metrics = {}
    for name in metric_names(records):
        entries = [record["metrics"].get(name) for record in records]
        if all(map(low_middle_high, entries)):
            values = [entry["value"] for entry in entries]
            metrics[name] = {"value": statistics.median(values), "protocol": {"values": values}}
    return {**records[0], "seed": f"median of {len(records)} seeds", "metrics": metrics}


def row_tables(groups: dict[str, list[dict]], shown: Callable[[str], bool]) -> str:
    """Return a table of the shown metrics for each data set, with a row per record."""
    parts = []
    for dataset, group in groups.items():
        names = [name for name in metric_names(group) if shown(name)]
        rows = [[column(r), *(r["metrics"].get(name) for name in names)] for r in group]
        parts.append(table([dataset, *names], rows))
    return "\n\n".join(parts)


def column(record: dict) -> str:
    """Return the name of a record in a table."""
    if not record["flagfile"]:
        return record["model"]
    seed = record["seed"]
    return f"{Path(record['flagfile']).stem}, {seed if isinstance(seed, str) else f'seed {seed}'}"


TABLES = {
    "training": training_table,
    "metrics": metrics_table,
    "codes": codes_table,
    "protocols": protocols_table,
}


def fill(text: str, records: Sequence[dict]) -> str:
    """Replace the tables between the result marks of a README's text.

    A table lists all records, or those of the models in its mark, such as
    `results: codes of bigan, bigbigan`.
    """

    def filled(block: re.Match) -> str:
        mark, table_name, models, end = block.groups()
        chosen = [r for r in records if not models or r["model"] in re.split(", *", models)]
        return f"{mark}\n{TABLES[table_name](chosen)}\n\n{end}"

    return BLOCK.sub(filled, text)


def write(records: Sequence[dict]) -> None:
    """Update the README's tables."""
    write_atomically(README, fill(README.read_text(), records))
