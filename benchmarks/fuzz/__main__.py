"""Fuzz of the files, folders and flags that the scripts read.

    python -m benchmarks.fuzz --examples=10000 --record=benchmarks/fuzz.json

Reads damaged and foreign files of runs, packages of weights, lists of CUB-200-2011, folders of
images, .npz files, prepared sets of TensorFlow Datasets, classifiers, .keras files and checkpoints,
and parses arbitrary flags of every script. Each example must give a value or a UserError of one
line with less than 500 characters, must leave what is read unchanged and write nothing if it is an
error, must execute nothing, and take less than 2 GiB of memory. Stops at the first other outcome
and prints the smallest example of it; the record has the strategies before. Flags, with their
defaults in brackets:
"""

import dataclasses
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.fuzz.strategies import STRATEGIES, run_examples
from cli import flags
from errors import UserError, near
from fields import field
from storage.files import write_json


@dataclasses.dataclass(frozen=True)
class FuzzOptions:
    """Options of the fuzz."""

    examples: int = field(
        10_000,
        "examples of each strategy; those that load TensorFlow have a part of them",
        group="fuzz",
        at_least=1,
    )
    seed: int = field(0, "seed of the examples", group="fuzz", at_least=0)
    strategies: str = field(
        "",
        "strategies, separated by commas, whose numbers replace those in the record; default: all",
        group="fuzz",
    )
    record: str = field("", "JSON file for the numbers; default: none", group="fuzz")


def main(argv: Sequence[str]) -> int:
    """Run the command line `argv`; return the exit code."""
    if flags.wants_help(argv):
        print(f"{__doc__.strip()}\n\n{flags.describe(FuzzOptions)}")
        return 0
    request = FuzzOptions(**flags.given(argv, FuzzOptions))
    names = [name for name in request.strategies.split(",") if name] or list(STRATEGIES)
    for name in names:
        if name not in STRATEGIES:
            raise UserError(f"no such strategy: {name}{near(name, STRATEGIES)}", "strategies")
    record = {"seed": request.seed, "strategies": {}}
    if request.strategies and request.record and Path(request.record).exists():
        record = json.loads(Path(request.record).read_text())
    for name in names:
        start = time.perf_counter()
        examples = STRATEGIES[name].share(request.examples)
        peak = run_examples(name, examples, request.seed)
        found = {"examples": examples, "seconds": round(time.perf_counter() - start), "faults": 0}
        found["peak_mib"] = None if peak is None else round(peak / 2**20)
        record["strategies"][name] = found
        print(
            f"{name}: {examples:,} examples, {found['seconds']} s, {found['peak_mib']} MiB of "
            "memory, no fault",
            flush=True,
        )
        if request.record:
            measured = record["strategies"]
            record["strategies"] = {key: measured[key] for key in STRATEGIES if key in measured}
            write_json(request.record, record)
    return 0


if __name__ == "__main__":
    sys.exit(flags.run_script(main))
