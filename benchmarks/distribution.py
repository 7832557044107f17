"""Trainings on two replicas: how they differ from those on one device, and their speed.

    python -m benchmarks.distribution [--rounds=3] [--record=benchmarks/distribution.json]

Runs the cases of tests/distribution/steps.py on two CPU devices of a process and on two workers,
and measures the images per second of DCGAN on one device, on two devices and on two workers, which
share the cores of this machine. Writes the record and the tables of docs/distribution.md.
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile

from storage.files import write_atomically, write_json

ROOT = pathlib.Path(__file__).resolve().parents[1]
RECORD, PAGE = ROOT / "benchmarks" / "distribution.json", ROOT / "docs" / "distribution.md"
BEGIN, END = "<!-- measured -->\n", "<!-- /measured -->\n"
STEPS = ("-m", "tests.distribution.steps")
LAUNCH = ("-m", "training.launch", "--workers=2", "--")
OF_WORKERS = ("dcgan without norm", "wgan_gp", "infogan", "bigbigan", "vae")
SPEED = ("train.py", "--model=dcgan", "--steps=60", "--log_every=20", "--sample_every=1000")
ONE = "one device"
COMMANDS = {
    ONE: SPEED,
    "two devices of one process": (*SPEED, "--distribute=mirrored", "--replicas=2"),
    "two processes": (*LAUNCH, *SPEED, "--distribute=multi_worker"),
}


def output(*argv: str) -> list[str]:
    """Return the lines that a process of this Python prints to stdout.

    Raises:
        subprocess.CalledProcessError: it ends with an error.
    """
    done = subprocess.run(
        [sys.executable, *argv], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True
    )
    return done.stdout.splitlines()


def differences(*argv: str) -> list[dict]:
    """Return the results of tests/distribution/steps.py, one per case."""
    lines = [line.removeprefix("0: ") for line in output(*argv)]
    return [json.loads(line) for line in lines if line.startswith("{")]


def images_per_second(argv: tuple[str, ...]) -> float:
    """Return the speed of the last steps of a training."""
    with tempfile.TemporaryDirectory() as folder:
        output(*argv, f"--outdir={folder}/run")
        *_, last = (pathlib.Path(folder) / "run" / "metrics.jsonl").read_text().splitlines()
    return json.loads(last)["images_per_second"]


def measure(rounds: int) -> dict:
    """Return the record."""
    from tests.distribution.steps import CASES
    from training.machine import environment

    speeds = {replicas: [] for replicas in COMMANDS}
    for _ in range(rounds):
        for replicas, argv in COMMANDS.items():
            speeds[replicas].append(round(images_per_second(argv), 1))
    return {
        "environment": environment(),
        "devices": differences(*STEPS, *CASES),
        "workers": differences(*LAUNCH, *STEPS, *OF_WORKERS),
        "images_per_second": speeds,
    }


def tables(record: dict) -> str:
    """Return the tables of a record in Markdown."""
    lines = [
        "## Measured",
        "",
        "The largest difference of a weight or another variable between a training on two",
        "replicas and one on one device, after 5 steps (12 of `dcgan adam`) with equal weights",
        "and images; and the largest difference of a logged value, relative to it. In float32",
        "with SGD, unless the name says otherwise. `norm of each replica` is DCGAN with",
        "`--nosync_batch_norm`, which is meant to differ. `python -m benchmarks.distribution`",
        "repeats it; the cases are in `tests/distribution/steps.py`.",
        "",
        "| case | replicas | weights | logs |",
        "| --- | --- | ---: | ---: |",
    ]
    for kind in ("devices", "workers"):
        lines += [
            f"| {found['case']} | {kind} | {found['weights']:.1e} | {found['logs']:.1e} |"
            for found in record[kind]
        ]
    machine, count = record["environment"]["machine"], len(record["images_per_second"][ONE])
    lines += [
        "",
        f"Images per second of DCGAN with batches of 64 on {machine},",
        f"median of {count} trainings. The replicas share the cores: the figures show the cost of",
        "the communication, not a gain.",
        "",
        "| replicas | images per second | lowest to highest |",
        "| --- | ---: | ---: |",
    ]
    for replicas, found in record["images_per_second"].items():
        median, low, high = statistics.median(found), min(found), max(found)
        lines.append(f"| {replicas} | {median:.0f} | {low:.0f} to {high:.0f} |")
    return "\n".join(lines) + "\n"


def with_tables(page: str, record: dict) -> str:
    """Return a page with the tables of a record between its marks."""
    before, rest = page.split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}\n{tables(record)}\n{END}{after}"


def main() -> None:
    """Measure, and write the record."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--record", type=pathlib.Path, default=RECORD)
    options = parser.parse_args()
    record = measure(options.rounds)
    write_json(options.record, record)
    if options.record == RECORD:
        write_atomically(PAGE, with_tables(PAGE.read_text(), record))


if __name__ == "__main__":
    main()
