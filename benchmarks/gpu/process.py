"""Process of a stage: it prints each result as a line of JSON, and ends at its time limit."""

import contextlib
import importlib
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence

from benchmarks.compare.worker import ROOT, last_line, prepare_process
from benchmarks.gpu.stages import Stage
from cli.failures import first_line
from errors import one_line
from training.stopping import Interrupted

DONE, FAILED, TIMED_OUT, INTERRUPTED = "done", "failed", "timed out", "interrupted"
STOPPED = "stopped by a signal"
LOG_LENGTH = 2000  # characters of the log of a stage that is kept


def run(stage: Stage, seconds: float, hear: Callable[[dict], None]) -> dict:
    """Run a stage in a process; end it, and all processes that it started, after `seconds`.

    Args:
        stage: the stage.
        seconds: its time limit.
        hear: function that is called with each result at once.

    Returns:
        "status", "reason" in one line (empty if it is done), "seconds" and "results" of the stage,
        and the end of its "log" if it is not done. The results before a failure are kept.
    """
    start = time.monotonic()
    results, status, reason, log = [], DONE, "", ""
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", __name__, stage.measure, json.dumps(dict(stage.arguments))],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            start_new_session=True,
        )
        try:
            for line in lines_until(process.stdout, start + seconds):
                results.append(json.loads(line))
                hear(results[-1])
            code = process.wait(max(0.0, start + seconds - time.monotonic()))
            if code:
                status = FAILED
                cause = f"{signal.Signals(-code).name}: " if code < 0 else ""
                reason = one_line(cause + last_line(errors))
        except (TimeoutError, subprocess.TimeoutExpired):
            status, reason = TIMED_OUT, f"not finished within {seconds:.0f} s"
        except Interrupted:
            status, reason = INTERRUPTED, STOPPED
        finally:
            end(process)
        if status != DONE:
            errors.seek(0)
            log = errors.read()[-LOG_LENGTH:]
    found = {"status": status, "reason": reason, "seconds": time.monotonic() - start}
    return {**found, "results": results, "log": log}


def lines_until(stream, deadline: float):
    """Yield the lines of a stream of a process.

    Raises:
        TimeoutError: the stream is not at its end at the deadline.
    """
    lines = queue.SimpleQueue()

    def read() -> None:
        for line in stream:
            lines.put(line)
        lines.put(None)

    threading.Thread(target=read, daemon=True).start()
    while True:
        try:
            line = lines.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            raise TimeoutError from None
        if line is None:
            return
        yield line


def end(process: subprocess.Popen) -> None:
    """Kill a process and those that it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    process.stdin.close()


def end_with_parent() -> None:
    """Kill this process and those that it started at the end of its standard input.

    The parent writes nothing, so the input ends with the parent, even if that is killed.
    """

    def wait() -> None:
        os.read(0, 1)
        os.killpg(0, signal.SIGKILL)

    threading.Thread(target=wait, daemon=True).start()


def main(argv: Sequence[str]) -> None:
    """Print the results of the measure `argv[0]` ("module:function") with arguments `argv[1]`."""
    answers = prepare_process()
    end_with_parent()
    try:
        module, function = argv[0].split(":")
        measure = getattr(importlib.import_module(module), function)
        for result in measure(**json.loads(argv[1])):
            print(json.dumps(result), file=answers, flush=True)
    except Exception as error:
        print(in_one_line(error), file=sys.stderr, flush=True)
        os._exit(1)
    os._exit(0)  # without TensorFlow's clean-up, which may wait for the device


def in_one_line(error: Exception) -> str:
    """Return the class and the first line of the message of an error."""
    return one_line(f"{type(error).__name__}: {first_line(error)}")


if __name__ == "__main__":
    main(sys.argv[1:])
