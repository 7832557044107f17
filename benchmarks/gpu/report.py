"""Results of the measurements as text: one line each, and tables in Markdown."""

from collections.abc import Iterator
from typing import Any

from evaluation.reports.tables import cell, table


def line(group: str, result: dict) -> str:
    """Return a result of a stage of a group in one line."""
    if "error" in result:
        return f"{labelled(result)}{result['error']}"
    return LINES[group](result)


def labelled(result: dict) -> str:
    """Return the part of a line that identifies a result."""
    parts = [result.get("title"), result.get("precision")]
    parts += [f"XLA {result['xla']}"] if "xla" in result else []
    return f"{', '.join(part for part in parts if part)}: "


def of_device(result: dict) -> str:
    """Return facts of the device in one line."""
    return ", ".join(f"{name}: {value}" for name, value in result.items() if value)


def of_steps(result: dict) -> str:
    """Return the speed of a step in one line."""
    return (
        f"{labelled(result)}{cell(result['images_per_second'])} images/s, {cell(result['ms'])} ms "
        f"per step, first step {result['first_seconds']:.1f} s{of_not_finite(result)}"
    )


def of_not_finite(result: dict) -> str:
    """Return the scalars that are not finite, or an empty string."""
    return f"; not finite: {', '.join(result['not_finite'])}" if result["not_finite"] else ""


def of_agreement(result: dict) -> str:
    """Return the difference to the CPU in one line."""
    return f"{labelled(result)}largest difference {result['difference']:.1e}, of {result['scalar']}"


def of_data(result: dict) -> str:
    """Return the share of the time without data in one line."""
    rates = ", ".join(f"{name} {cell(rate)} images/s" for name, rate in result["rates"].items())
    return f"{labelled(result)}{100 * result['share']:.1f} %; {rates}"


def of_picture(result: dict) -> str:
    """Return the outcome of the training in one line."""
    return (
        f"{cell(result['steps'])} steps in {result['seconds']:.0f} s with start and end, at last "
        f"{cell(result['images_per_second'])} images/s: {result['picture']}"
    )


def of_compilation(result: dict) -> str:
    """Return the time of a compilation in one line."""
    return f"first step {result['first_seconds']:.1f} s{of_not_finite(result)}"


LINES = {
    "device": of_device,
    "steps": of_steps,
    "agreement": of_agreement,
    "data": of_data,
    "picture": of_picture,
    "xla": of_compilation,
}


def text(record: dict) -> str:
    """Return the report of a record in Markdown."""
    stages = record["stages"].values()
    return "\n\n".join(part for part in sections(list(stages)) if part)


def sections(stages: list[dict]) -> Iterator[str]:
    """Yield the parts of the report; empty ones have no results."""

    def of(group: str) -> Iterator[tuple[dict, dict]]:
        return ((s, result) for s in stages if s["group"] == group for result in s["results"])

    yield titled(
        "Device",
        ["fact", "value"],
        [[name, value] for _, result in of("device") for name, value in result.items() if value],
    )
    yield titled(
        "Train steps on one constant batch",
        ["step", "precision", "XLA", "images/s", "ms per step", "first step, s", "note"],
        [
            [
                stage["title"],
                *(r["precision"], r["xla"]),
                *(r.get(name) for name in ("images_per_second", "ms", "first_seconds")),
                note(r),
            ]
            for stage, r in of("steps")
        ],
    )
    yield titled(
        "Losses and gradient norms of one step in float32, compared with the CPU",
        ["step", "XLA", "largest difference", "of", "note"],
        [
            [r["title"], r["xla"], r.get("difference"), r.get("scalar", ""), note(r)]
            for _, r in of("agreement")
        ],
    )
    yield titled(
        "Waiting for data",
        ["precision", "share of the time", *next((r["rates"] for _, r in of("data")), ())],
        [
            [r["precision"], f"{100 * r['share']:.1f} %", *r["rates"].values()]
            for _, r in of("data")
        ],
    )
    yield titled(
        "Training",
        ["steps", "seconds", "images/s at the end", "picture"],
        [
            [r["steps"], r["seconds"], r["images_per_second"], r["picture"]]
            for _, r in of("picture")
        ],
    )
    yield titled(
        "Other models under XLA",
        ["model", "first step, s", "note"],
        [
            [s["title"].split()[0], r and r["first_seconds"], note(r) if r else s["reason"]]
            for s in stages
            if s["group"] == "xla" and "seconds" in s
            for r in (s["results"] or [None])
        ],
    )
    yield titled(
        "Not complete",
        ["stage", "outcome", "reason"],
        [[s["title"], s["status"], s["reason"]] for s in stages if s["reason"]],
    )


def titled(title: str, header: list[str], rows: list[list[Any]]) -> str:
    """Return a heading and a table; an empty string without rows."""
    cells = [[x.replace("|", "/") if isinstance(x, str) else x for x in row] for row in rows]
    return f"### {title}\n\n{table(header, cells)}" if rows else ""


def note(result: dict) -> str:
    """Return the error of a result, or the scalars that are not finite."""
    if "error" in result:
        return result["error"]
    return of_not_finite(result).removeprefix("; ") if "not_finite" in result else ""
