"""Tables and notes of evaluations."""

import collections
import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

from errors import printable
from evaluation import families
from evaluation.metric import HIGHER, LOWER
from waiting import cleared

ARROWS = {HIGHER: " ↑", LOWER: " ↓"}  # of the direction that is better
MAX_NAMED = 3  # metrics without a value that a summary names
HASHES = ("fingerprint", "features_sha256", "images_sha256")
# Protocol entries that notes omit: they are in the table or a picture, or too long.
OMITTED = ("values", "mapping", "class_names", "confusion", "kl_of_dimensions")


def table(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Return a Markdown table with aligned columns, numbers to the right."""
    cells = [[cell(value) for value in row] for row in rows]
    header = [cell(title) for title in header]
    widths = [max(map(len, column)) for column in zip(header, *cells, strict=True)]
    right = [all(not isinstance(row[k], str) for row in rows) for k in range(len(header))]
    lines = [header, [], *cells]
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
    """Return a value as text for a table: a number with four digits, None as n/a.

    A stored metric is followed by its range in brackets if it was measured with several seeds, else
    by its spread over subsets or splits if it has one, and by the index of its code if it has one.
    Control characters of a text are escaped.
    """
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
    return f"{value:,}" if isinstance(value, int) else printable(str(value))


def low_middle_high(entry: dict | None) -> tuple[float, float, float] | None:
    """Return the lowest value, the median and the highest of a measured metric, or None."""
    if entry is None or entry["value"] is None:
        return None
    values = entry["protocol"].get("values", [entry["value"]])
    return min(values), entry["value"], max(values)


def metric_names(evaluations: Sequence[dict]) -> list[str]:
    """Return the names of the metrics with a value in any evaluation, in order."""
    measured = (
        n for e in evaluations for n, entry in e["metrics"].items() if low_middle_high(entry)
    )
    return list(dict.fromkeys(measured))


def by_dataset(evaluations: Sequence[dict]) -> dict[str, list[dict]]:
    """Group the evaluations by data set; only those of one data set are comparable.

    A data set is identified by its fingerprint, and without one by its name. Different data sets of
    one name are named with the shape of their images and the start of the fingerprint.
    """
    groups = collections.defaultdict(list)
    for evaluation in evaluations:
        fingerprint = _of_protocols(evaluation, "fingerprint", str) or evaluation["dataset"]
        groups[fingerprint].append(evaluation)
    names = [group[0]["dataset"] for group in groups.values()]
    found = {}
    for fingerprint, group in groups.items():
        name = group[0]["dataset"]
        if names.count(name) > 1:
            shape = "x".join(map(str, _of_protocols(group[0], "image_shape", list) or ()))
            name += f" ({', '.join(filter(None, [shape, fingerprint[:8]]))})"
        found[name] = group
    return found


def _of_protocols(evaluation: dict, name: str, kind: type) -> Any:
    """Return the first entry of a name and a type in the protocols of an evaluation, or None."""
    entries = (entry["protocol"].get(name) for entry in evaluation["metrics"].values())
    return next((entry for entry in entries if isinstance(entry, kind)), None)


def tables(evaluations: Sequence[dict]) -> str:
    """Return a table per data set, with a row per metric and a column per evaluation.

    An arrow behind the name of a metric is the direction that is better.
    """
    return "\n\n".join(
        table_of(dataset, group) for dataset, group in by_dataset(evaluations).items()
    )


def table_of(dataset: str, evaluations: Sequence[dict]) -> str:
    """Return the table of the evaluations of one data set, as in `tables`."""
    return table(
        [dataset, *(e["name"] for e in evaluations)],
        [
            [with_arrow(name), *(e["metrics"].get(name) for e in evaluations)]
            for name in metric_names(evaluations)
        ],
    )


@contextlib.contextmanager
def printed_if_lost(evaluations: Sequence[dict]) -> Iterator[None]:
    """Context of work after measurements: if it fails, their tables are printed before the error.

    Args:
        evaluations: records so far; others may be added within the context.
    """
    try:
        yield
    except BaseException:  # also an interrupt
        if metric_names(evaluations):
            with cleared():
                print(tables(evaluations), flush=True)
        raise


def with_arrow(name: str) -> str:
    """Return the name of a metric with the direction that is better, such as "fid ↓"."""
    metric = families.find(name)
    return name + (ARROWS.get(metric.better, "") if metric else "")


def summary_of_missing(evaluations: Sequence[dict]) -> str:
    """Return one line about the metrics that are n/a in an evaluation; empty if there are none.

    It has the reason if all metrics share it, in all evaluations that list them.
    """
    reasons = collections.defaultdict(set)  # metric -> reason in each evaluation; None for a value
    for evaluation in evaluations:
        for name, entry in evaluation["metrics"].items():
            missing = entry["value"] is None
            reasons[name].add(entry["protocol"]["reason"] if missing else None)
    lacking = {name: found for name, found in reasons.items() if found != {None}}
    names, more = list(lacking)[:MAX_NAMED], len(lacking) - MAX_NAMED
    if not names:
        return ""
    listed = f"{', '.join(names)} and {more} more" if more > 0 else ", ".join(names)
    shared = set().union(*lacking.values())
    if len(shared) == 1:
        return printable(f"n/a: {listed}: {shared.pop()}")
    return printable(f"n/a: {listed}; --verbose lists them with the reasons")


def missing(evaluation: dict) -> list[str]:
    """Return a line per reason why metrics of an evaluation are n/a."""
    lacking = collections.defaultdict(list)
    for name, entry in evaluation["metrics"].items():
        if entry["value"] is None:
            lacking[entry["protocol"]["reason"]].append(name)
    return [f"n/a: {', '.join(names)}: {reason}" for reason, names in lacking.items()]


def notes(evaluation: dict) -> str:
    """Return the notes below a table in a file, one per line.

    They list the protocol entries that all metrics of an evaluation share, the other entries of
    each metric, the missing metrics with their reasons, and the seconds by stage.
    """
    entries = {n: e["protocol"] for n, e in evaluation["metrics"].items() if e["value"] is not None}
    protocol_values = collections.defaultdict(list)
    for protocol in entries.values():
        for key, value in protocol.items():
            protocol_values[key].append(value)
    shared = {
        k: v[0] for k, v in protocol_values.items() if len(v) > 1 and all(x == v[0] for x in v)
    }
    lines = [f"{evaluation['name']}: {protocol_text(shared)}"]
    for name, protocol in entries.items():
        own = {k: v for k, v in protocol.items() if k not in (*shared, *OMITTED)}
        lines += [f"  {name}: {protocol_text(own)}"] if own else []
    lines += [f"  {line}" for line in missing(evaluation)]
    lines.append(f"  seconds: {protocol_text(evaluation['seconds'])}")
    return "\n".join(map(printable, lines))


def protocol_text(protocol: dict) -> str:
    """Return a protocol in one line; hashes are cut to 12 digits."""

    def text(key: str, value: Any) -> str:
        if isinstance(value, list):
            return "[" + ", ".join(text(key, x) for x in value) + "]"
        if key in HASHES:
            return str(value)[:12]
        return cell(value) if isinstance(value, float) else str(value)

    return ", ".join(f"{key} {text(key, value)}" for key, value in protocol.items())
