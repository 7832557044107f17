"""Local workers of a distributed training: python -m training.launch --workers 2 -- train.py ...

    python -m training.launch --workers 2 -- train.py --model dcgan --distribute multi_worker

Starts the script once for each worker, with the TF_CONFIG of a cluster on free ports of this
machine. Each line of output begins with the number of its worker; worker 0 is the chief. A signal
is passed on to all workers. The exit code is that of the first worker that fails. Flags, with their
defaults in brackets:
"""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence

import fields
from cli import flags
from errors import UserError
from fields import field
from training.cluster import VARIABLE, WORKER
from training.stopping import unbreakable_output

SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")


@fields.options()
class LaunchOptions:
    """Options of the launcher."""

    workers: int = field(2, "number of processes", group="launch", at_least=1)

    def __post_init__(self):
        fields.check(self)


def free_addresses(count: int) -> list[str]:
    """Return addresses "127.0.0.1:port" of different free ports."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [f"127.0.0.1:{one.getsockname()[1]}" for one in sockets]


def launch(command: Sequence[str], workers: int) -> int:
    """Run a script once for each worker; return the exit code of the first one that fails, or 0.

    Args:
        command: path and arguments of the script.
        workers: number of workers.
    """
    cluster = {WORKER: free_addresses(workers)}
    processes, codes, printing = [], [], threading.Lock()

    def follow(index: int, process: subprocess.Popen) -> None:
        def show(line: str) -> None:
            with printing:
                print(f"{index}: {line}", flush=True)

        for line in process.stdout:
            show(line.removesuffix("\n"))
        if code := process.wait():
            codes.append(code if code > 0 else 128 - code)
            show(f"ended with exit code {code}" if code > 0 else f"ended by signal {-code}")

    def pass_on(number, frame) -> None:
        for process in processes:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(number)

    handlers = {
        number: signal.signal(number, pass_on)
        for number in (getattr(signal, name, None) for name in SIGNALS)
        if number and signal.getsignal(number) != signal.SIG_IGN
    }
    try:
        for index in range(workers):
            task = {"cluster": cluster, "task": {"type": WORKER, "index": index}}
            processes.append(
                subprocess.Popen(
                    [sys.executable, *command],
                    env={**os.environ, VARIABLE: json.dumps(task), "PYTHONUNBUFFERED": "1"},
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    text=True,
                    errors="replace",
                    start_new_session=True,  # a terminal's Ctrl-C comes from `pass_on` alone
                )
            )
        followers = [
            threading.Thread(target=follow, args=pair, daemon=True) for pair in enumerate(processes)
        ]
        for thread in followers:
            thread.start()
        for thread in followers:
            while thread.is_alive():
                thread.join(0.2)  # handlers of signals run in between
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        for process in processes:
            if process.poll() is None:
                process.kill()
    return codes[0] if codes else 0


def main(argv: Sequence[str]) -> int:
    """Run the launcher; return the exit code of the workers."""
    at = list(argv).index("--") if "--" in argv else len(argv)
    own, command = argv[:at], argv[at + 1 :]
    if flags.wants_help(own):
        print(__doc__ + "\n" + flags.describe(LaunchOptions))
        return 0
    if not command:
        raise UserError("expected a command after --, such as: -- train.py --model dcgan")
    options = LaunchOptions(**flags.given(own, LaunchOptions))
    with unbreakable_output():
        return launch(command, options.workers)


if __name__ == "__main__":
    if code := flags.run_script(main):
        sys.exit(code)
