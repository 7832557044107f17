"""Trainings that are killed at random system calls, compared with uninterrupted ones.

    python -m benchmarks.soak [--minutes=60] [--seed=0] [--folder=DIR] [--record=FILE]

Trains each model of MODELS once without interruption. Then trains it again and kills the process
with SIGKILL again and again, 20 to 60 seconds after its start, at a random one of the system calls
that change files (with strace; without it at a random time), until the run is finished, and the
next model, until the minutes have passed. Each run must equal the uninterrupted one: weights bit
for bit, records and summaries but for times, pictures. Writes a JSON record; the exit code is 1
if a run differs or ends with an error.
"""

import argparse
import dataclasses
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
CALLS = "write,pwrite64,openat,rename,unlink,fsync,mkdir,rmdir,ftruncate,close"
AFTER = (20, 60)  # seconds
UPTO = 60  # system calls after these seconds


@dataclasses.dataclass
class Outcome:
    """Counts of a run: kills, those at a system call, and kills within a checkpoint's write."""

    kills: int = 0
    at_calls: int = 0
    in_checkpoints: int = 0
    seconds: float = 0.0


def command(model: str, outdir: pathlib.Path) -> list[str]:
    """Return the command of a training."""
    flags = f"{MODELS[model]} {SMALL}".split()
    return [sys.executable, "train.py", *flags, f"--outdir={outdir}"]


def start(model: str, outdir: pathlib.Path, log) -> subprocess.Popen:
    """Start a training."""
    return subprocess.Popen(command(model, outdir), cwd=ROOT, stdout=log, stderr=log)


def kill(process: subprocess.Popen, number: int) -> bool:
    """Kill a process at its next but `number` system call; return whether that has worked."""
    traced = ["strace", "-f", "-qq", "-o", "/dev/null", "-p", str(process.pid)]
    traced += ["-e", f"inject={CALLS}:signal=SIGKILL:when={number}"]
    if shutil.which("strace"):
        tracer = subprocess.Popen([*traced, "-e", f"trace={CALLS}"], stderr=subprocess.DEVNULL)
        try:
            process.wait(30)
            return process.returncode == -signal.SIGKILL
        except subprocess.TimeoutExpired:
            return False
        finally:
            tracer.kill()
            tracer.wait()
            if process.poll() is None:
                process.kill()
                process.wait()
    process.kill()
    process.wait()
    return False


def soak(model: str, outdir: pathlib.Path, random: random.Random, log) -> Outcome:
    """Train a model, killing it again and again, until it is finished.

    Raises:
        subprocess.CalledProcessError: it ends with an error.
    """
    outcome, began = Outcome(), time.perf_counter()
    while True:
        process = start(model, outdir, log)
        try:
            process.wait(random.uniform(*AFTER))
        except subprocess.TimeoutExpired:
            outcome.kills += 1
            outcome.at_calls += kill(process, random.randint(1, UPTO))
            remains = (outdir / "checkpoints").glob(".*.tmp.*")
            outcome.in_checkpoints += bool(list(remains))
        if process.returncode == 0:
            outcome.seconds = round(time.perf_counter() - began, 1)
            return outcome
        if process.returncode != -signal.SIGKILL:
            raise subprocess.CalledProcessError(process.returncode, command(model, outdir))


def main() -> int:
    """Run the command line; return the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=pathlib.Path, help="default: a temporary folder")
    parser.add_argument("--record", type=pathlib.Path, default=ROOT / "benchmarks" / "soak.json")
    options = parser.parse_args()
    folder = options.folder or pathlib.Path(tempfile.mkdtemp(prefix="soak-"))
    folder.mkdir(parents=True, exist_ok=True)
    chance = random.Random(options.seed)
    runs, spent, failed = [], 0.0, False
    with (folder / "log.txt").open("a") as log:
        for turn in range(1000):
            model = list(MODELS)[turn % len(MODELS)]
            whole, killed = folder / model / "whole", folder / model / f"killed-{turn}"
            if not whole.exists():
                subprocess.run(command(model, whole), cwd=ROOT, stdout=log, stderr=log, check=True)
            try:
                outcome = soak(model, killed, chance, log)
                differs = list(differences(killed, whole))
            except subprocess.CalledProcessError as error:
                outcome, differs = Outcome(), [f"ended with code {error.returncode}"]
            failed |= bool(differs)
            spent += outcome.seconds
            runs.append({"model": model, **dataclasses.asdict(outcome), "differs": differs})
            print(json.dumps(runs[-1]), flush=True)
            write_json(
                options.record,
                {
                    "minutes": round(spent / 60, 1),
                    "kills": sum(run["kills"] for run in runs),
                    "at_calls": sum(run["at_calls"] for run in runs),
                    "in_checkpoints": sum(run["in_checkpoints"] for run in runs),
                    "differing_runs": sum(bool(run["differs"]) for run in runs),
                    "runs": runs,
                },
            )
            if spent > 60 * options.minutes:
                break
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
