"""Resident memory of a long training.

    python -m benchmarks.memory [--training=records] [--steps=40000] [--first=10000]
                                [--record=FILE]

Trains a tiny gan with a record every 10 steps, without or with pictures and checkpoints, and reads
the resident memory at ten steps from `first` to the last one. Writes a JSON record, in which the
other training is kept; the exit code is 1 if the memory of a training without pictures grows by
more than MOST after `first`. Reads /proc, so it runs on Linux only.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile

from storage.files import write_json

ROOT = pathlib.Path(__file__).resolve().parents[1]
MOST = 5.0  # MiB
TINY = (
    "--model=gan", "--dataset=MNIST", "--width=8", "--depth=1", "--batch_size=16", "--log_every=10",
)  # fmt: skip
NEVER = ("--sample_every=1000000", "--checkpoint_every=1000000", "--checkpoint_minutes=10000")
TRAININGS = {"records": (*TINY, *NEVER), "pictures": TINY}  # pictures: every epoch of 3,750 steps
# The training prints its resident memory at given steps.
MEASURED = """
import os, pathlib, sys
import train
from cli import flags
from training import callbacks

steps = set(map(int, sys.argv[1].split(",")))
after_step = callbacks.Log.after_step

def measuring(log, scalars):
    after_step(log, scalars)
    if log.step in steps:
        pages = int(pathlib.Path("/proc/self/statm").read_text().split()[1])
        print("resident", log.step, pages * os.sysconf("SC_PAGE_SIZE"), flush=True)

callbacks.Log.after_step = measuring
if code := flags.run_script(train.main, sys.argv[2:]):
    sys.exit(code)
"""


def measure(training: str, first: int, last: int) -> dict[int, float]:
    """Return the resident memory in MiB by step, of a training in a temporary folder.

    Raises:
        subprocess.CalledProcessError: the training ends with an error.
    """
    steps = ",".join(str(first + (last - first) * k // 9) for k in range(10))
    with tempfile.TemporaryDirectory() as folder:
        argv = [steps, *TRAININGS[training], f"--steps={last}", f"--outdir={folder}/run"]
        done = subprocess.run(
            [sys.executable, "-c", MEASURED, *argv],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
    found = (line.split() for line in done.stdout.splitlines() if line.startswith("resident "))
    return {int(step): round(int(size) / 2**20, 2) for _, step, size in found}


def main() -> int:
    """Run the command line; return the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--training", choices=TRAININGS, default="records")
    parser.add_argument("--steps", type=int, default=40_000)
    parser.add_argument("--first", type=int, default=10_000)
    parser.add_argument("--record", type=pathlib.Path, default=ROOT / "benchmarks" / "memory.json")
    options = parser.parse_args()
    resident = measure(options.training, options.first, options.steps)
    grown = round(max(resident.values()) - resident[options.first], 2)
    record = json.loads(options.record.read_text()) if options.record.exists() else {}
    record[options.training] = {
        "flags": " ".join(TRAININGS[options.training]),
        "steps": options.steps,
        "grown_mib": grown,
        "resident_mib": resident,
    }
    write_json(options.record, record)
    print(f"{grown} MiB more than at step {options.first:,}")
    return int(options.training == "records" and grown > MOST)


if __name__ == "__main__":
    sys.exit(main())
