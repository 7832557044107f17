"""Training by train.py for a given time, until it is stopped and has saved its samples."""

import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence

from benchmarks.compare.worker import ROOT, last_line
from storage.run_directory import RunDirectory

STEPS = 10_000_000  # more than a GPU takes in the given time
SAMPLES = "samples.png"


def training(
    command: Sequence[str], seconds: float, folder: str, sample_every: int = 100
) -> Iterator[dict]:
    """Train for some seconds, start included, and until the first picture; then stop and save.

    Yields the steps, the speed and the path of the picture.

    Args:
        command: flags of train.py.
        seconds: time until the training is stopped.
        folder: folder to which the picture is copied.
        sample_every: steps between two pictures of samples.

    Raises:
        RuntimeError: the training ended by itself.
    """
    with tempfile.TemporaryDirectory() as temporary, tempfile.TemporaryFile("w+") as output:
        path = pathlib.Path(temporary, "run")
        every = [f"--steps={STEPS}", f"--sample_every={sample_every}", "--log_every=20"]
        start = time.monotonic()
        process = subprocess.Popen(
            [sys.executable, "train.py", *command, *every, f"--outdir={path}"],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        while process.poll() is None:
            if time.monotonic() > start + seconds and (path / SAMPLES).exists():
                break
            time.sleep(0.1)
        process.send_signal(signal.SIGTERM)
        code = process.wait()
        taken = time.monotonic() - start
        if code != 128 + signal.SIGTERM:
            raise RuntimeError(f"train.py ended with code {code}: {last_line(output)}")
        run = RunDirectory(path)
        picture = pathlib.Path(folder).resolve() / SAMPLES
        picture.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path / SAMPLES, picture)
        records = list(run.records())
        yield {
            "steps": run.status()["checkpoint"],
            "seconds": taken,
            "images_per_second": records[-1]["images_per_second"] if records else None,
            "picture": str(picture),
        }
