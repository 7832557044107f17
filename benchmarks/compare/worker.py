"""Process of one contestant: it builds it, warms up, then runs steps on request.

The parent writes commands, one per line; the process answers each with a line of JSON:

    run N    {"seconds": seconds of N steps}
    memory   {"peak_memory": peak resident memory, "anonymous_memory": present one without files}

Memory is in MiB; anonymous memory is null on systems other than Linux.

Before, it writes {"first_step": true} after its first step, and the facts of the contestant after
more steps. The contestant is the JSON argument of the process.
"""

import contextlib
import dataclasses
import json
import math
import os
import pathlib
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from typing import Any, TextIO

from benchmarks.compare.contestants import Built, Contestant

ROOT = pathlib.Path(__file__).resolve().parents[2]
WARM_UP = 3  # steps


class WorkerError(Exception):
    """A process ended; the message has the contestant and the last line of its errors."""


class Worker:
    """Process of a contestant, seen from the parent.

    Args:
        contestant: the contestant.

    Attributes:
        facts: facts of the contestant, after `wait_until_warm`.
    """

    def __init__(self, contestant: Contestant):
        self.contestant, self.facts, self.steps = contestant, {}, 1
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115, closed by `close`
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__, json.dumps(dataclasses.asdict(contestant))],
            cwd=ROOT,
            env={**os.environ, **contestant.environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )

    def wait_until_first_step(self) -> None:
        """Return after the first step."""
        self._answer()

    def wait_until_warm(self) -> None:
        """Return when the process is warm and waits for commands."""
        self.facts = self._answer()

    def run(self, steps: int) -> float:
        """Return the seconds of a number of steps."""
        return self._ask(f"run {steps}")["seconds"]

    def calibrate(self, seconds: float) -> None:
        """Set the steps per turn so that a turn takes about `seconds`."""
        multiple = self.facts["multiple"]
        once = self.run(multiple)
        self.steps = multiple * max(1, math.ceil(seconds / once))

    def seconds_per_step(self) -> float:
        """Take a turn; return the seconds per step."""
        return self.run(self.steps) / self.steps

    def memory(self) -> dict[str, float | None]:
        """Return the memory of the process, see the command."""
        return self._ask("memory")

    def close(self) -> None:
        """End the process."""
        with contextlib.suppress(BrokenPipeError):  # of a process that has ended
            self._process.stdin.close()
        self._process.stdout.close()
        self._process.terminate()
        self._process.wait()
        self._errors.close()

    def _ask(self, command: str) -> dict[str, Any]:
        with contextlib.suppress(BrokenPipeError):  # `_answer` reports that it has ended
            self._process.stdin.write(f"{command}\n")
            self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        line = self._process.stdout.readline()
        if line:
            return json.loads(line)
        self._process.wait()
        raise WorkerError(f"{self.contestant.name}: {last_line(self._errors)}")


def last_line(errors: TextIO) -> str:
    """Return the last line of a file of errors."""
    errors.seek(0)
    return (errors.read().strip().splitlines() or ["no message"])[-1]


def serve(built: Built, commands: TextIO, answers: TextIO) -> None:
    """Answer commands until their end."""

    def answer(**values) -> None:
        print(json.dumps(values), file=answers, flush=True)

    built.run(built.multiple)
    answer(first_step=True)
    built.run(built.multiple * max(1, WARM_UP // built.multiple))
    answer(
        images=built.images,
        multiplications=built.multiplications,
        multiple=built.multiple,
        parts=dict(built.parts),
    )
    for line in commands:
        command, *arguments = line.split()
        if command == "run":
            start = time.perf_counter()
            built.run(int(arguments[0]))
            answer(seconds=time.perf_counter() - start)
        elif command == "memory":
            answer(**memory())
        else:
            raise ValueError(f"expected run N or memory, got {command}")


def memory() -> dict[str, float | None]:
    """Return the memory of this process in MiB."""
    unit = 2**20 if sys.platform == "darwin" else 2**10
    status = pathlib.Path("/proc/self/status")
    found = re.search(r"RssAnon:\s+(\d+)", status.read_text()) if status.exists() else None
    return {
        "peak_memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit,
        "anonymous_memory": int(found[1]) / 2**10 if found else None,
    }


def prepare_process() -> TextIO:
    """Return a stream of the standard output; what libraries print goes to stderr."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    return answers


def main(argv: Sequence[str]) -> None:
    """Serve the contestant `argv[0]` on the standard streams."""
    answers = prepare_process()
    serve(Contestant(**json.loads(argv[0])).load(), sys.stdin, answers)


if __name__ == "__main__":
    main(sys.argv[1:])
