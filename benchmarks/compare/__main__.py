"""Comparison of the train step with other implementations.

    python -m benchmarks compare --stages=peak,steps

Measures the stages one after another, each in rounds in which warm processes take turns. Writes a
record in JSON after each group of measurements, then its tables and figure beside it. --compare
lists what is slower than in a stored record; the exit code is then 1. With --stages=none nothing is
measured. --publish also writes the record, the tables and the figure into the repository. Flags,
with their defaults in brackets:
"""

import dataclasses
import functools
import importlib.metadata
import importlib.util
import pathlib
import sys
from collections.abc import Sequence

import fields
from benchmarks.compare import page
from benchmarks.compare.record import measure_stage, read, slower
from benchmarks.compare.stages import STAGES, Settings
from benchmarks.compare.worker import ROOT, WorkerError
from cli import flags
from errors import UserError, near
from fields import field
from storage.files import write_json
from storage.paths import one_path

RECORD = ROOT / "benchmarks" / "compare.json"


@dataclasses.dataclass(frozen=True)
class CompareOptions:
    """Options of the benchmark."""

    stages: str = field(
        ",".join(STAGES), "stages, separated by commas; none: only read the record", group="compare"
    )
    rounds: int = field(
        7, "rounds per group; the ablation has twelve times as many", group="compare", at_least=1
    )
    seconds: float = field(2.0, "approximate seconds of a turn", group="compare", above=0)
    record: str = field(
        "runs/compare/compare.json",
        "JSON file of the results; stages that are not measured are kept",
        group="compare",
        convert=one_path,
    )
    compare: str = field(
        "", "record of an earlier run to compare with", group="compare", convert=one_path
    )
    publish: bool = field(
        False,
        "also write the record to benchmarks/compare.json, and its tables and figure to docs/",
        group="compare",
    )


def main(argv: Sequence[str]) -> int:
    """Run the command line `argv`; return the exit code."""
    if flags.wants_help(argv):
        print(f"{__doc__.strip()}\n\n{flags.describe(CompareOptions)}")
        return 0
    options = CompareOptions(**flags.given(argv, CompareOptions))
    names = [] if options.stages == "none" else fields.listed(options.stages)
    if unknown := [name for name in names if name not in STAGES]:
        raise UserError(f"no such stage: {unknown[0]}{near(unknown[0], STAGES)}", "stages")
    stored = read(pathlib.Path(options.compare)) if options.compare else None
    path = pathlib.Path(options.record)
    record = read(path) if path.exists() or not names else {"stages": {}}
    settings = Settings(options.rounds, options.seconds, functools.partial(print, flush=True))
    described = environment() if names else {}
    for name in names:
        try:
            measure_stage(record, name, settings, described, path)
        except WorkerError as error:
            raise UserError(f"{name}: {error}") from None
    if names:
        page.write_tables(record, path.with_suffix(".md"))
        print(f"wrote {path} and {path.with_suffix('.md')}")
    if options.publish:
        page.require_publishable(record)
        write_json(RECORD, record)
        page.draw_figure(record)
        page.write_page(record)
        print(f"wrote {RECORD}, {page.PAGE} and {page.FIGURE}")
    lines = list(slower(record, stored)) if stored else []
    if stored:
        print("\n".join(lines) or "nothing is slower")
    return int(bool(lines))


def environment() -> dict[str, str]:
    """Return the machine and the versions of the libraries."""
    from training import machine

    found = machine.environment()
    if importlib.util.find_spec("torch"):
        found["torch"] = importlib.metadata.version("torch")
    return found


if __name__ == "__main__":
    if code := flags.run_script(main):
        sys.exit(code)
