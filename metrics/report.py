"""Results as records and tables; `python -m metrics.report` writes the README's tables anew.

A record is what a finished run of a committed flagfile gave: model, dataset, flagfile, seed,
steps, kimg (thousands of real images shown), wall_minutes, machine and metrics, a metric being its
value with the protocol it was measured by. All records stand in assets/results.json.
"""

import collections
import json
import re
import statistics
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from metrics.measurement import Measurement
from storage.files import write_atomically, write_json

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "assets" / "results.json"
README = ROOT / "README.md"
PICTURES = (
    *("samples.png", "plane-1.png", "plane-3.png", "curves.png", "progress.gif"),
    *("neighbours.png", "confusion.png", "codes.png", "traversals/*.png", "reconstructions.png"),
    "styles/*.png",
)
COMPARED = ("comparison.png", "curves.png")  # of several runs
DISTANCES = ("fid", "kid", "fd_", "kd_")  # begin the names of what may differ by magnitudes
HASHES = ("fingerprint", "features_sha256")
# Of a protocol, what is in the table, or in a picture, or long.
UNTOLD = ("values", "mapping", "confusion", "kl_of_dimensions")
BATCH = "_256"  # ends the name of a metric of that many samples, beside that of all
UNSHOWN = re.compile(f"_infinity$|{BATCH}$|^pixel_|^distinct_share$|^path_length_")  # there
OF_CODES = re.compile(  # what has a table of its own there
    "(slant|thickness)_correlation|class_change|mutual_information_gap|reconstruction_.*|"
    "knn._accuracy|linear_probe_accuracy|cluster_accuracy|nmi|ari|"
    "kl_loss|active_units|elbo|importance_weighted_bound|bits_per_dimension"
)
BLOCK = re.compile(
    r"(<!-- results: (\w+)(?: of ([\w, ]+))? -->\n).*?(<!-- end of results -->)", re.DOTALL
)


def table(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """A Markdown table whose columns line up in a terminal too; numbers stand to the right."""
    cells = [[cell(value) for value in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(header, *cells, strict=True)]
    right = [all(not isinstance(row[k], str) for row in rows) for k in range(len(header))]
    lines = [list(header), [], *cells]
    lines[1] = ["-" * (w - r) + ":" * r for w, r in zip(widths, right, strict=True)]
    return "\n".join(
        "| "
        + " | ".join(
            text.rjust(w) if r else text.ljust(w)
            for text, w, r in zip(line, widths, right, strict=True)
        )
        + " |"
        for line in lines
    )


def cell(value: Any) -> str:
    """A value as a table shows it: four digits of a number, n/a for None; of a measured metric the
    value, with the range in brackets if there were several seeds; of one seed, with the spread over
    subsets or splits where the metric has such; and the code that it is of, if it is of one."""
    if value is None:
        return "n/a"
    if isinstance(value, dict):
        protocol = value["protocol"]
        code = protocol.get("code")
        of = f", code {code}" if isinstance(code, int) else ""
        if "values" not in protocol:
            spread = f" ± {protocol['spread']:.2g}" if protocol.get("spread") else ""
            return cell(value["value"]) + spread + of
        low, high = (cell(end(protocol["values"])) for end in (min, max))
        return cell(value["value"]) + (f" ({low} to {high})" if low != high else "") + of
    if isinstance(value, float):
        return f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def read_results() -> list[dict]:
    """The records of assets/results.json."""
    return json.loads(RESULTS.read_text()) if RESULTS.exists() else []


def over_seeds(metrics: Sequence[Measurement], seeds: Sequence[int]) -> Measurement:
    """One metric of several evaluation seeds: the median, and in the protocol a list of the values
    and of whatever else differs, None where a seed says nothing. Without a value if one seed has
    none."""
    if len(metrics) == 1:
        return Measurement(metrics[0].value, {**metrics[0].protocol, "seed": seeds[0]})
    values = [metric.value for metric in metrics]
    if None in values:
        return Measurement(None, {**metrics[values.index(None)].protocol, "seeds": list(seeds)})
    protocol = {}
    for key in dict.fromkeys(key for metric in metrics for key in metric.protocol):
        found = [metric.protocol.get(key) for metric in metrics]
        protocol[key] = found[0] if all(x == found[0] for x in found) else found
    protocol |= {"seeds": list(seeds), "values": values}
    return Measurement(statistics.median(values), protocol)


def low_middle_high(entry: dict | None) -> tuple[float, float, float] | None:
    """The range and the value of a measured metric; None without."""
    if entry is None or entry["value"] is None:
        return None
    values = entry["protocol"].get("values", [entry["value"]])
    return min(values), entry["value"], max(values)


def better(name: str) -> str:
    """Which way a metric should go: "lower", "higher" or "" where neither is better."""
    distances = ("pixel_distance", "reconstruction_error", "reconstruction_feature_distance")
    losses = ("reconstruction_loss", "bits_per_dimension", "copied_share", "path_length_")
    if name.startswith((*DISTANCES, *distances, *losses)):
        return "lower"
    neither = ("pixel_mean", "pixel_std", "class_change", "kl_loss", "active_units")
    return "" if name in neither else "higher"


def metric_names(evaluations: Sequence[dict]) -> list[str]:
    """The metrics that any of several evaluations has a value of, in order."""
    measured = (
        n for e in evaluations for n, entry in e["metrics"].items() if low_middle_high(entry)
    )
    return list(dict.fromkeys(measured))


def by_dataset(evaluations: Sequence[dict]) -> dict[str, list[dict]]:
    """The evaluations of each data set: only they can be compared."""
    groups = collections.defaultdict(list)
    for evaluation in evaluations:
        groups[evaluation["dataset"]].append(evaluation)
    return dict(groups)


def tables(evaluations: Sequence[dict]) -> str:
    """For each data set a table: a row for each metric, a column for each evaluation."""
    return "\n\n".join(
        table(
            [dataset, *(e["name"] for e in group)],
            [[name, *(e["metrics"].get(name) for e in group)] for name in metric_names(group)],
        )
        for dataset, group in by_dataset(evaluations).items()
    )


def notes(evaluation: dict) -> str:
    """What a reader needs beside the table, a line each: what all metrics of an evaluation were
    made by, what one was made by besides, what is missing and why, and the seconds it took."""
    entries = {n: e["protocol"] for n, e in evaluation["metrics"].items() if e["value"] is not None}
    lacking = collections.defaultdict(list)
    for name, entry in evaluation["metrics"].items():
        if entry["value"] is None:
            lacking[entry["protocol"]["reason"]].append(name)
    said = collections.defaultdict(list)
    for protocol in entries.values():
        for key, value in protocol.items():
            said[key].append(value)
    shared = {k: v[0] for k, v in said.items() if len(v) > 1 and all(x == v[0] for x in v)}
    lines = [f"{evaluation['name']}: {told(shared)}"]
    for name, protocol in entries.items():
        own = {k: v for k, v in protocol.items() if k not in (*shared, *UNTOLD)}
        lines += [f"  {name}: {told(own)}"] if own else []
    lines += [f"  n/a: {', '.join(names)}: {reason}" for reason, names in lacking.items()]
    return "\n".join([*lines, f"  seconds: {told(evaluation['seconds'])}"])


def told(protocol: dict) -> str:
    """A protocol in one line; of a hash the beginning."""

    def text(key: str, value: Any) -> str:
        if isinstance(value, list):
            return "[" + ", ".join(text(key, x) for x in value) + "]"
        return (
            value[:12] if key in HASHES else cell(value) if isinstance(value, float) else str(value)
        )

    return ", ".join(f"{key} {text(key, value)}" for key, value in protocol.items())


def csv_rows(evaluations: Sequence[dict]) -> Iterator[list]:
    """Rows of run, metric, value, lowest, highest (of the evaluation seeds), protocol as JSON."""
    for evaluation in evaluations:
        for name, entry in evaluation["metrics"].items():
            low, value, high = low_middle_high(entry) or ("", "", "")
            yield [evaluation["name"], name, value, low, high, json.dumps(entry["protocol"])]


def publish(record: dict, run: Path) -> None:
    """Puts a record into results.json, in the place of one of the same flagfile and seed, copies
    the run's pictures to <flagfile>-seed<seed>/ beside it, and writes the README's tables anew."""
    add(record)
    copy_pictures(run, f"{Path(record['flagfile']).stem}-seed{record['seed']}", PICTURES)
    write_readme()


def publish_comparison(folder: Path) -> None:
    """Copies the figures of several runs to a folder of its name beside results.json."""
    copy_pictures(folder, folder.name, COMPARED)


def copy_pictures(source: Path, name: str, pictures: Sequence[str]) -> None:
    """Copies those pictures that a folder has to the folder `name` beside results.json."""
    for picture in (path for pattern in pictures for path in sorted(source.glob(pattern))):
        there = RESULTS.parent / name / picture.relative_to(source)
        write_atomically(there, picture.read_bytes())


def publish_baselines(evaluations: Sequence[dict]) -> None:
    """Records what a data set's baselines measure, and writes the README's tables anew."""
    for evaluation in evaluations:
        about = {"model": evaluation["name"], "dataset": evaluation["dataset"]}
        about |= {"flagfile": "", "seed": 0}
        add({**about, "metrics": evaluation["metrics"]})
    write_readme()


def add(record: dict) -> None:
    """Puts a record into results.json, in the place of the one of the same key."""
    key = ("dataset", "flagfile", "model", "seed")
    records = [r for r in read_results() if any(r[k] != record[k] for k in key)] + [record]
    # The baselines, which have no flagfile, stand after the models.
    order = sorted(records, key=lambda r: (r["dataset"], not r["flagfile"], *(r[k] for k in key)))
    write_json(RESULTS, order)


def training_table(records: Sequence[dict]) -> str:
    """What was trained, for how long, on what."""
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
    """What was measured of their samples: for each data set a table, a row for each record. Metrics
    beside the point of a comparison are left to results.json."""

    def shown(name: str) -> bool:
        return not (UNSHOWN.search(name) or OF_CODES.fullmatch(name))

    return row_tables(by_dataset(records), shown)


def codes_table(records: Sequence[dict]) -> str:
    """What was measured of the codes of those that have some, and the median of the training seeds
    of a flagfile."""
    return row_tables(with_medians(records, OF_CODES.fullmatch), OF_CODES.fullmatch)


def protocols_table(records: Sequence[dict]) -> str:
    """What all samples measure beside what one batch of them does, and the medians."""
    both = {n for n in metric_names(records) if n.endswith(BATCH)}
    both |= {n.removesuffix(BATCH) for n in both}
    return row_tables(with_medians(records, both.__contains__), both.__contains__)


def with_medians(records: Sequence[dict], shown: Callable[[str], Any]) -> dict[str, list[dict]]:
    """By data set, those that have a metric that is shown, and after the seeds of a flagfile the
    median of them."""
    groups = collections.defaultdict(list)
    for record in records:
        if any(shown(name) for name in metric_names([record])):
            groups[record["dataset"], record["flagfile"]].append(record)
    rows = collections.defaultdict(list)
    for (dataset, _), group in groups.items():
        rows[dataset] += [*group, *([median_of_runs(group)] if len(group) > 1 else [])]
    return rows


def median_of_runs(records: Sequence[dict]) -> dict:
    """A record of the medians of several, of what all of them have a value of."""
    metrics = {}
    for name in metric_names(records):
        entries = [record["metrics"].get(name) for record in records]
        if all(map(low_middle_high, entries)):
            values = [entry["value"] for entry in entries]
            metrics[name] = {"value": statistics.median(values), "protocol": {"values": values}}
    return {**records[0], "seed": f"median of {len(records)} seeds", "metrics": metrics}


def row_tables(groups: dict[str, list[dict]], shown: Callable[[str], Any]) -> str:
    """For each data set a table of the metrics that are shown, a row for each record."""
    parts = []
    for dataset, group in groups.items():
        names = [name for name in metric_names(group) if shown(name)]
        rows = [[column(r), *(r["metrics"].get(name) for name in names)] for r in group]
        parts.append(table([dataset, *names], rows))
    return "\n\n".join(parts)


def column(record: dict) -> str:
    """What a table calls a record."""
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
    """A README's text with each block between result marks made anew from the records: of all, or
    of the models that its mark lists, as in `results: codes of bigan, bigbigan`."""

    def made(block: re.Match) -> str:
        mark, table_name, models, end = block.groups()
        chosen = [r for r in records if not models or r["model"] in re.split(", *", models)]
        return f"{mark}\n{TABLES[table_name](chosen)}\n\n{end}"

    return BLOCK.sub(made, text)


def write_readme() -> None:
    """Writes the README's tables anew."""
    write_atomically(README, fill(README.read_text(), read_results()))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        sys.exit("usage: python -m metrics.report (it takes no arguments)")
    write_readme()
