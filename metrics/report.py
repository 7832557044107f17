"""Results as records and tables; `python -m metrics.report` writes the README's tables anew.

A record is what a finished run of a committed flagfile gave: model, dataset, flagfile, seed,
steps, kimg (thousands of real images shown), wall_minutes, machine and metrics, a metric being its
value with the protocol it was measured by. All records stand in assets/results.json.
"""

import dataclasses
import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from files import write_atomically, write_json

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "assets" / "results.json"
README = ROOT / "README.md"
PICTURES = ("samples.png", "curves.png", "progress.gif")
BLOCK = re.compile(r"(<!-- results: (\w+) -->\n).*?(<!-- end of results -->)", re.DOTALL)


class MetricError(Exception):
    """A metric that cannot be computed of these images or codes; the message is one line."""


@dataclasses.dataclass(frozen=True)
class Metric:
    """A number, and how it was measured.

    Attributes:
        value: the number; None where the model lacks the ability, printed n/a.
        protocol: what else a reader needs: counts, split, features, seeds.
    """

    value: float | None
    protocol: dict[str, Any] = dataclasses.field(default_factory=dict)


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
    """A value as a table shows it: four digits of a number, n/a for None."""
    if value is None:
        return "n/a"
    if isinstance(value, float):
        return f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def read_results() -> list[dict]:
    """The records of assets/results.json."""
    return json.loads(RESULTS.read_text()) if RESULTS.exists() else []


def publish(record: dict, run: Path) -> None:
    """Puts a record into results.json, in the place of one of the same flagfile and seed, copies
    the run's pictures to <flagfile>-seed<seed>/ beside it, and writes the README's tables anew."""
    key = ("flagfile", "seed")
    records = [r for r in read_results() if any(r[k] != record[k] for k in key)] + [record]
    write_json(RESULTS, sorted(records, key=lambda r: (r["dataset"], r["flagfile"], r["seed"])))
    for name in PICTURES:
        folder = RESULTS.parent / f"{Path(record['flagfile']).stem}-seed{record['seed']}"
        write_atomically(folder / name, (run / name).read_bytes())
    write_readme()


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
        ],
    )


def metrics_table(records: Sequence[dict]) -> str:
    """The metrics of each record, a column each."""
    names = list(dict.fromkeys(name for r in records for name in r["metrics"]))
    rows = [
        [r["model"], r["dataset"], str(r["seed"])]
        + [r["metrics"].get(name, {"value": None})["value"] for name in names]
        for r in records
    ]
    return table(["model", "dataset", "seed", *names], rows)


TABLES = {"training": training_table, "metrics": metrics_table}


def fill(text: str, records: Sequence[dict]) -> str:
    """A README's text with each block between result marks made anew from the records."""
    return BLOCK.sub(lambda m: f"{m[1]}\n{TABLES[m[2]](records)}\n\n{m[3]}", text)


def write_readme() -> None:
    """Writes the README's tables anew."""
    write_atomically(README, fill(README.read_text(), read_results()))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        sys.exit("usage: python -m metrics.report (it takes no arguments)")
    write_readme()
