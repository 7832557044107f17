"""Measure the published figures of shipped weights again: python -m benchmarks.published.

    python -m benchmarks.published --names=dcgan_mnist,vae_mnist

Each package in assets/weights/ is measured by evaluate.py as it was for publication. On the kind of
CPU of the publication a figure has the same printed digits; elsewhere it lies within the range over
the evaluation seeds, or differs by at most 0.5 %. The exit code is 1 if a figure differs by more.
Flags, with their defaults in brackets:
"""

import pathlib
import sys
import tempfile
from collections.abc import Iterator, Sequence

import fields
from cli import flags
from errors import UserError
from evaluation.reports.tables import cell, low_middle_high, table
from fields import field
from storage import packages

SAME, DIFFERENT = "same", "DIFFERENT"
TOLERANCE = 0.005
HEADER = ("metric", "published", "measured", "verdict")


@fields.options()
class PublishedOptions:
    """Options of the measurement."""

    names: str = field("", "names of packages, separated by commas; default: all", group="weights")

    def __post_init__(self):
        fields.check(self)


def compare(stored: dict, measured: dict) -> Iterator[list[str]]:
    """Yield metric, published value, measured value and verdict of each published metric.

    Args:
        stored: metrics of the package, name -> value and protocol.
        measured: the same, of the new measurement.
    """
    for name, entry in stored.items():
        if entry["value"] is None:
            continue
        again = measured.get(name, {"value": None, "protocol": {}})
        low, value, high = low_middle_high(entry)
        found = again["value"]
        if cell(again) == cell(entry):
            verdict = SAME
        elif found is not None and (
            low <= found <= high or abs(found - value) <= TOLERANCE * abs(value)
        ):
            verdict = "in range"
        else:
            verdict = DIFFERENT
        yield [name, cell(entry), cell(again), verdict]


def main(argv: Sequence[str]) -> int:
    """Run the command line `argv`; return the exit code."""
    if flags.wants_help(argv):
        print(f"{__doc__.strip()}\n\n{flags.describe(PublishedOptions)}")
        return 0
    options = PublishedOptions(**flags.given(argv, PublishedOptions))
    from evaluation.options import published_values
    from evaluation.record import saved_record
    from training.evaluating import EvaluateOptions, evaluate_all

    if not packages.index():
        raise UserError("there are no shipped weights in assets/weights/")
    names, different = fields.listed(options.names) or list(packages.index()), 0
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            request = EvaluateOptions(**published_values(), pretrained=name, outdir=folder)
            evaluate_all(request)
            measured = saved_record(pathlib.Path(folder)).get("metrics", {})
        rows = list(compare(packages.find(name).read_config()["metrics"], measured))
        different += sum(row[-1] == DIFFERENT for row in rows)
        print(name, table(HEADER, rows), "", sep="\n", flush=True)
    return int(different > 0)


if __name__ == "__main__":
    if code := flags.run_script(main):
        sys.exit(code)
