"""Trainings that are killed and stopped at random, compared with uninterrupted ones.

    python -m benchmarks.soak [--minutes=60] [--seed=0] [--models=dcgan,vae] [--folder=DIR]
                              [--record=FILE]

Trains each of the models once without interruption. Then trains it again and interrupts it 20 to 60
seconds after each start, until the run is finished, and the next model, until the minutes have
passed. A third of the interruptions are stops with SIGTERM. The others kill the process with
SIGKILL: strace draws one of the system calls that change files and a number N, and kills a thread's
N-th such call; without strace, or if none follows within 30 seconds, the process is killed at once.
Each run must equal the uninterrupted one: weights bit for bit, records and summaries but for times,
pictures. Writes a JSON record with each interruption; the exit code is 1 if a run differs or ends
with an error.
"""

import argparse
import contextlib
import dataclasses
import itertools
import json
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from benchmarks.same_run import differences
from storage.files import write_json

ROOT = pathlib.Path(__file__).resolve().parents[1]
SMALL = "--dataset=MNIST --log_every=10 --sample_every=100"
MODELS = {
    "dcgan": "--model=dcgan --width=8 --batch_size=16 --steps=2000 --checkpoint_every=40",
    "wgan_gp": "--model=wgan_gp --width=8 --batch_size=8 --steps=600 --checkpoint_every=20",
    "infogan": "--model=infogan --width=8 --batch_size=16 --steps=1200 --checkpoint_every=40",
    "vae": "--model=vae --width=8 --batch_size=32 --steps=2000 --checkpoint_every=40",
    "stylegan2_ada": "--model=stylegan2 --width=4 --batch_size=4 --augment=ada --steps=300 "
    "--checkpoint_every=15",
}
# System calls that change files -> largest N. strace counts each call of each thread on its own.
CALLS = {
    **dict.fromkeys(("rename", "fsync", "unlink", "mkdir", "rmdir", "ftruncate"), 5),
    **dict.fromkeys(("write", "pwrite64", "openat", "close"), 30),
}
STOPS = 1 / 3  # share of the interruptions
AFTER = (20, 60)  # seconds from a start to its interruption
TO_THE_CALL, TO_THE_END = 30, 300  # seconds for a drawn system call, and for a stop
STOPPED = 128 + signal.SIGTERM
EXPECTED = {  # exit codes of an interrupted training; -SIGTERM: before its first step
    "SIGTERM": (STOPPED, -signal.SIGTERM),
    "SIGKILL": (-signal.SIGKILL,),
}


@dataclasses.dataclass
class Outcome:
    """Run that was interrupted again and again.

    Attributes:
        interruptions: signal, exit code and circumstances of each.
        seconds: duration of the run with all its starts.
        code: exit code of the last start.
    """

    interruptions: list[dict] = dataclasses.field(default_factory=list)
    seconds: float = 0.0
    code: int = 0


def command(model: str, outdir: pathlib.Path) -> list[str]:
    """Return the command of a training."""
    flags = f"{MODELS[model]} {SMALL}".split()
    return [sys.executable, "train.py", *flags, f"--outdir={outdir}"]


def interrupt(process: subprocess.Popen, chance: random.Random) -> dict:
    """Stop or kill a process; return the circumstances. A stop that does not end it is killed."""
    name = chance.choice(list(CALLS))
    call, tracer = {"call": name, "number": chance.randint(1, CALLS[name])}, None
    stops = chance.random() < STOPS
    try:
        with contextlib.suppress(subprocess.TimeoutExpired):
            if stops:
                process.send_signal(signal.SIGTERM)
                process.wait(TO_THE_END)
            elif shutil.which("strace"):
                tracer = trace(process, **call)
                process.wait(TO_THE_CALL)
        if stops:
            return {"signal": "SIGTERM"}
        return {"signal": "SIGKILL", **call, "at_call": process.returncode == -signal.SIGKILL}
    finally:
        for started in filter(None, (process, tracer)):
            started.kill()
            started.wait()


def trace(process: subprocess.Popen, call: str, number: int) -> subprocess.Popen:
    """Start strace, which kills a process at the given call of a name in one of its threads."""
    traced = ["strace", "-f", "-qq", "-o", "/dev/null", "-p", str(process.pid)]
    traced += ["-e", f"trace={call}", "-e", f"inject={call}:signal=SIGKILL:when={number}"]
    return subprocess.Popen(traced, stderr=subprocess.DEVNULL)


def soak(model: str, outdir: pathlib.Path, chance: random.Random, log) -> Outcome:
    """Train a model, interrupting it again and again, until it is finished or fails."""
    outcome, began = Outcome(), time.perf_counter()
    while True:
        before = half_written(outdir)
        process = subprocess.Popen(command(model, outdir), cwd=ROOT, stdout=log, stderr=log)
        try:
            process.wait(chance.uniform(*AFTER))
        except subprocess.TimeoutExpired:
            found = interrupt(process, chance)
            found["in_checkpoint"] = bool(half_written(outdir) - before)
            outcome.interruptions.append({**found, "code": process.returncode})
            expected = EXPECTED[found["signal"]]
        else:
            expected = ()
        outcome.seconds, outcome.code = round(time.perf_counter() - began, 1), process.returncode
        if process.returncode not in expected:
            return outcome


def half_written(outdir: pathlib.Path) -> set[str]:
    """Return the temporary files of checkpoints."""
    return {path.name for path in (outdir / "checkpoints").glob(".*.tmp.*")}


def record_of(runs: list[dict]) -> dict:
    """Return the record of runs: the sums, then each run."""
    everything = [found for run in runs for found in run["interruptions"]]
    kills = [found for found in everything if found["code"] == -signal.SIGKILL]
    return {
        "minutes": round(sum(run["seconds"] for run in runs) / 60, 1),
        "stops": sum(found["code"] == STOPPED for found in everything),
        "kills": len(kills),
        "at_calls": sum(found.get("at_call", False) for found in kills),
        "in_checkpoints": sum(found["in_checkpoint"] for found in kills),
        "differing_runs": sum(bool(run["differs"]) for run in runs),
        "runs": runs,
    }


def main() -> int:
    """Run the command line; return the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--models", default=",".join(MODELS))
    parser.add_argument("--folder", type=pathlib.Path, help="default: a temporary folder")
    parser.add_argument("--record", type=pathlib.Path, default=ROOT / "benchmarks" / "soak.json")
    options = parser.parse_args()
    folder = options.folder or pathlib.Path(tempfile.mkdtemp(prefix="soak-"))
    folder.mkdir(parents=True, exist_ok=True)
    chance, runs = random.Random(options.seed), []
    with (folder / "log.txt").open("a") as log:
        for turn, model in enumerate(itertools.cycle(options.models.split(","))):
            whole, interrupted = folder / model / "whole", folder / model / f"interrupted-{turn}"
            if not whole.exists():
                subprocess.run(command(model, whole), cwd=ROOT, stdout=log, stderr=log, check=True)
            outcome = soak(model, interrupted, chance, log)
            if outcome.code:
                differs = [f"ended with code {outcome.code}"]
            else:
                differs = list(differences(interrupted, whole))
            runs.append({"model": model, **dataclasses.asdict(outcome), "differs": differs})
            print(json.dumps(runs[-1]), flush=True)
            record = record_of(runs)
            write_json(options.record, record)
            if record["minutes"] > options.minutes:
                return int(record["differing_runs"] > 0)


if __name__ == "__main__":
    sys.exit(main())
