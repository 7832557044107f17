"""Generated tables of README.md and docs/: published results, and the declarations of metrics.

A block begins with a mark and ends with another; what is between them is generated:

    <!-- results: quality dataset=MNIST model=dcgan,lsgan -->
    <!-- end of results -->
    <!-- metrics -->
    <!-- end of metrics -->

The kind of a block of results is a name in `TABLES`. `dataset`, `model` and `flagfile` (without
folder and ending) select records.
"""

import collections
import json
import os
import re
import statistics
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from errors import near
from evaluation import families
from evaluation.metric import NETWORK, SAMPLES
from evaluation.metric import TABLES as METRIC_TABLES
from evaluation.reports.tables import cell, low_middle_high, metric_names, table
from models import REGISTRY
from storage.files import write_atomically

ROOT = Path(__file__).resolve().parents[2]
BLOCK = re.compile(
    r"^(<!-- (results|metrics)(?:: ([^>]*?))? -->\n).*?^(<!-- end of \2 -->)",
    re.DOTALL | re.MULTILINE,
)
LINK = re.compile(r"(\]\(|src=\")(?!\w+:|#)([^)\s\"#]+)")

# Median times of a step of flagfiles on an idle machine; `python -m benchmarks.steps --publish`.
STEP_TIMES = ROOT / "docs" / "results" / "step_times.json"

# Headline of a model: a flagfile and a metric.
HEADLINES = {
    "gan": ("gan_mnist", "fd_digits"),
    "dcgan": ("dcgan_mnist", "fd_digits"),
    "cgan": ("cgan_mnist", "conditional_accuracy"),
    "lsgan": ("lsgan_mnist", "fd_digits"),
    "wgan": ("wgan_mnist", "fd_digits"),
    "wgan_gp": ("wgan_gp_mnist", "fd_digits"),
    "dragan": ("dragan_mnist", "fd_digits"),
    "sngan": ("sngan_mnist", "fd_digits"),
    "began": ("began_mnist", "fd_digits"),
    "infogan": ("infogan_mnist", "cluster_accuracy"),
    "bigan": ("bigan_mnist", "knn1_accuracy"),
    "bigbigan": ("bigbigan_mnist", "knn1_accuracy"),
    "info_bigbigan": ("info_bigbigan_mnist", "cluster_accuracy"),
    "stylegan": ("stylegan_mnist", "fd_digits"),
    "stylegan2": ("stylegan2_mnist", "fd_digits"),
    "autoencoder": ("autoencoder_cifar10_128", "reconstruction_error"),
    "vae": ("vae_mnist", "importance_weighted_bound"),
    "beta_vae": ("beta_vae_cifar10_linear", "reconstruction_loss"),
}


def pages() -> list[Path]:
    """Return the Markdown files of the documentation."""
    return [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]


def links(text: str) -> list[str]:
    """Return the targets of relative links and pictures in Markdown, outside code blocks."""
    prose = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    return [match[2] for match in LINK.finditer(prose)]


def linked_files() -> set[Path]:
    """Return the files of the repository that a page links."""
    texts = ((page.parent, page.read_text("utf-8")) for page in pages())
    return {(folder / link).resolve() for folder, text in texts for link in links(text)}


def write(records: Sequence[dict]) -> None:
    """Update the generated blocks of all pages."""
    for page in pages():
        text = page.read_text("utf-8")
        if (filled := fill(text, records, page.parent)) != text:
            write_atomically(page, filled)


def fill(text: str, records: Sequence[dict], folder: Path = ROOT) -> str:
    """Return the text of a page in a folder with its blocks generated from the records.

    Raises:
        ValueError: the mark of a block is invalid.
    """

    def filled(block: re.Match) -> str:
        mark, kind, request, end = block.groups()
        if kind == "metrics":
            return f"{mark}\n{metrics_tables()}\n\n{end}"
        name, *filters = request.split()
        if name not in TABLES:
            raise ValueError(f"{mark.strip()}: no such table: {name}{near(name, TABLES)}")
        chosen = [r for r in records if all(selects(part, r) for part in filters)]
        text = TABLES[name](chosen, folder)
        return f"{mark}\n{text}\n\n{end}" if text else f"{mark}{end}"

    return BLOCK.sub(filled, text)


def selects(part: str, record: dict) -> bool:
    """Return whether a filter such as `model=dcgan,lsgan` selects a record."""
    key, _, values = part.partition("=")
    facts = {"dataset": record["dataset"], "model": record["model"], "flagfile": stem(record)}
    if key not in facts:
        raise ValueError(f"{part}: expected one of {', '.join(facts)}")
    return facts[key] in values.split(",")


def stem(record: dict) -> str:
    """Return the name of a record's flagfile without its folder and ending."""
    return Path(record["flagfile"]).stem


def flagfile_link(flagfile: str, folder: Path) -> str:
    """Return a link from a page in a folder to a flagfile."""
    return f"[{Path(flagfile).stem}]({os.path.relpath(ROOT / flagfile, folder)})"


def models_table(records: Sequence[dict], folder: Path) -> str:
    """Return the table of models: paper, page, flagfile and headline result."""
    rows = []
    for name, model in REGISTRY.items():
        flagfile, metric = HEADLINES[name]
        runs = [r for r in records if stem(r) == flagfile and r["metrics"].get(metric)]
        number = model.paper.removeprefix("arXiv:")
        paper = (
            f"[{number}](https://arxiv.org/abs/{number})" if number != model.paper else model.paper
        )
        page = os.path.relpath(ROOT / "docs" / "models" / f"{name}.md", folder)
        result = "n/a"
        if runs:
            value = cell(statistics.median(r["metrics"][metric]["value"] for r in runs))
            minutes = idle_minutes(runs[0])
            cores = ""
            if minutes is None:
                minutes = statistics.median(r["wall_minutes"] for r in runs)
                cores = " (1 core)" if runs[0]["machine"].startswith("1 of") else ""
            seeds = f", median of {len(runs)} seeds" if len(runs) > 1 else ""
            result = f"{metric} {value} on {runs[0]['dataset']}, {minutes:.0f} min{cores}{seeds}"
        link = flagfile_link(f"configs/{flagfile}.txt", folder)
        rows.append([f"[{name}]({page})", paper, link, result])
    return table(["model", "paper", "flagfile", "result"], rows)


def idle_minutes(record: dict) -> float | None:
    """Return the minutes of the steps of a run on all cores of its idle machine, or None.

    They are the number of steps times the median time of one, if STEP_TIMES has it.
    """
    times = json.loads(STEP_TIMES.read_text("utf-8")) if STEP_TIMES.exists() else {}
    step = times.get(record["flagfile"])
    if not step or step["machine"] != record["machine"].replace("1 of ", ""):
        return None
    return round(record["steps"] * step["milliseconds"] / 60_000, 1)


def training_table(records: Sequence[dict], folder: Path) -> str:
    """Return the table of runs: flagfile, seed, steps, minutes and machine.

    Wall minutes are those of the run, with its evaluations and beside other work on the machine.
    Minutes are those of its steps on an idle machine, where they are measured.
    """
    runs = [record for record in records if record["flagfile"]]
    columns = {
        "model": [r["model"] for r in runs],
        "flagfile": [flagfile_link(r["flagfile"], folder) for r in runs],
        "seed": [str(r["seed"]) for r in runs],
        "steps": [r["steps"] for r in runs],
        "kimg": [r["kimg"] for r in runs],
        "minutes": [idle_minutes(r) for r in runs],
        "wall minutes": [r["wall_minutes"] for r in runs],
        "machine": [r["machine"] for r in runs],
    }
    if not any(columns["minutes"]):
        del columns["minutes"]
    return table(list(columns), list(zip(*columns.values(), strict=True)))


def scalars_table(records: Sequence[dict], folder: Path) -> str:
    """Return the table of the ranges of logged scalars; empty if no record has one.

    A range of several seeds is from their lowest 5 % quantile to their highest 95 % quantile.
    """
    groups = collections.defaultdict(list)
    for record in records:
        if record.get("scalars"):
            groups[record["flagfile"]].append(record["scalars"])
    names = dict.fromkeys(name for seeds in groups.values() for seed in seeds for name in seed)

    def span(seeds: Sequence[dict], name: str) -> str:
        found = [seed[name] for seed in seeds if name in seed]
        if not found:
            return "n/a"
        low, high = min(low for low, _ in found), max(high for _, high in found)
        return f"{cell(low)} to {cell(high)}"

    if not groups:
        return ""
    rows = [[f"`{name}`", *(span(of, name) for of in groups.values())] for name in names]
    columns = [
        f"{flagfile_link(flagfile, folder)}, {len(seeds)} seed{'s' * (len(seeds) > 1)}"
        for flagfile, seeds in groups.items()
    ]
    title = "5 to 95 % of the values in the last third of the training:"
    return f"{title}\n\n{table(['scalar', *columns], rows)}"


def published(name: str) -> bool:
    """Return whether a metric of samples is in the tables."""
    metric = families.find(name)
    return bool(metric and metric.table == SAMPLES and metric.published)


def of_codes(name: str) -> bool:
    """Return whether a metric is of codes or of likelihood."""
    metric = families.find(name)
    return bool(metric and metric.table != SAMPLES)


def one_batch(names: Sequence[str]) -> Callable[[str], bool]:
    """Return whether a metric is of one batch, or its counterpart of all samples."""
    pairs = {name: families.of_all_samples(name) for name in names}
    return {name for pair in pairs.items() if pair[1] for name in pair}.__contains__


def values_table(records: Sequence[dict], shown: Callable[[str], bool]) -> str:
    """Return a table of the shown metrics with a row per record and per median over seeds."""
    rows = with_medians(records, shown)
    names = [name for name in metric_names(rows) if shown(name)]

    def value(row: dict, name: str) -> float | None:
        entry = row["metrics"].get(name)
        return entry and entry["value"]

    return table(["run", *names], [[label(r), *(value(r, n) for n in names)] for r in rows])


def ranges_table(records: Sequence[dict], shown: Callable[[str], bool]) -> str:
    """Return a table of spans; empty if no metric of a record has one."""
    rows = with_medians(records, shown)
    entries = [entry for row in rows for name, entry in row["metrics"].items() if shown(name)]
    ends = [found for found in map(low_middle_high, entries) if found]
    differ = any(cell(low) != cell(high) for low, _, high in ends)
    return spans_table(records, shown) if differ else ""


def spans_table(records: Sequence[dict], shown: Callable[[str], bool]) -> str:
    """Return a table of the lowest and the highest value of the shown metrics."""
    rows = with_medians(records, shown)
    names = [name for name in metric_names(rows) if shown(name)]

    def span(row: dict, name: str) -> str:
        ends = low_middle_high(row["metrics"].get(name))
        if ends is None:
            return "n/a"
        low, high = cell(ends[0]), cell(ends[2])
        return low if low == high else f"{low} to {high}"

    return table(["run", *names], [[label(r), *(span(r, n) for n in names)] for r in rows])


def with_medians(records: Sequence[dict], shown: Callable[[str], bool]) -> list[dict]:
    """Return the records with a shown metric; a median follows the seeds of a flagfile."""
    groups = collections.defaultdict(list)
    for record in records:
        if any(shown(name) for name in metric_names([record])):
            groups[record["dataset"], record["flagfile"] or record["model"]].append(record)
    medians = ([median_of_runs(group)] if len(group) > 1 else [] for group in groups.values())
    return [
        row
        for group, median in zip(groups.values(), medians, strict=True)
        for row in group + median
    ]


def median_of_runs(records: Sequence[dict]) -> dict:
    """Return a record with the medians of the metrics that all records have."""
    metrics = {}
    for name in metric_names(records):
        entries = [record["metrics"].get(name) for record in records]
        if all(map(low_middle_high, entries)):
            values = [entry["value"] for entry in entries]
            metrics[name] = {"value": statistics.median(values), "protocol": {"values": values}}
    return {**records[0], "seed": f"median of {len(records)} seeds", "metrics": metrics}


def label(record: dict) -> str:
    """Return the name of a record in a table."""
    if not record["flagfile"]:
        return record["model"]
    seed = record["seed"]
    return f"{stem(record)}, {seed if isinstance(seed, str) else f'seed {seed}'}"


def metrics_tables() -> str:
    """Return a table per kind of metric: name, meaning, direction and source."""

    def rows(kind: str) -> Iterator[list[str]]:
        for metric in (m for m in families.declared() if m.table == kind):
            name = f"`{metric.name.replace(NETWORK, '<features>')}`"
            alias = f" (Inception: `{metric.inception}`)" if metric.inception else ""
            yield [name + alias, metric.meaning, metric.better, metric.source]

    return "\n\n".join(
        f"### {kind.capitalize()}\n\n"
        + table(["metric", "meaning", "better", "source"], list(rows(kind)))
        for kind in METRIC_TABLES
    )


TABLES = {
    "models": models_table,
    "training": training_table,
    "scalars": scalars_table,
    "quality": lambda records, _: values_table(records, published),
    "quality_ranges": lambda records, _: ranges_table(records, published),
    "codes": lambda records, _: values_table(records, of_codes),
    "codes_ranges": lambda records, _: ranges_table(records, of_codes),
    "protocols": lambda records, _: spans_table(records, one_batch(metric_names(records))),
}
