"""Requests to stop a training: signals, and output that nobody reads any more."""

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator

GRACE = 3.0  # seconds in which further signals count as the first one


class Interrupted(Exception):
    """A stop was requested in a block that a stop may interrupt."""


class StopRequest:
    """Context in which SIGINT (Ctrl-C, a notebook's stop), SIGTERM and SIGHUP request a stop.

    A notebook's stop button sends SIGINT up to three times: signals within GRACE seconds of the
    first one count as one. A later signal has its usual effect. A signal that the process ignores
    stays ignored: SIGHUP under nohup, SIGINT of a background job of a shell script.

    Attributes:
        requested: the first signal, or None.
        received: the signal at which the training stops after the present step, or None.
        message: line that is printed to stderr at the first signal.
    """

    requested: signal.Signals | None = None
    message = f"stopping after this step; a signal after {GRACE:.0f} s stops without a checkpoint"

    @property
    def received(self) -> signal.Signals | None:
        return self.requested

    def agree(self) -> None:
        """Agree with the other workers, if there are any, on the signal that is received."""

    def __enter__(self) -> "StopRequest":
        self.handlers = {}
        self._interruptible = False
        if threading.current_thread() is threading.main_thread():
            for name in ("SIGINT", "SIGTERM", "SIGHUP"):
                number = getattr(signal, name, None)  # Windows has no SIGHUP
                if number is None or is_ignored(number):
                    continue
                # None: a handler that was not installed from Python and cannot be restored
                self.handlers[number] = signal.signal(number, self._take) or signal.SIG_DFL
        return self

    def _take(self, number, frame) -> None:
        now = time.monotonic()
        if self.requested is None:
            self.requested, self.since = signal.Signals(number), now
            with contextlib.suppress(OSError):  # of a terminal that is gone
                os.write(2, f"{self.message}\n".encode())
            if self._interruptible:
                raise Interrupted
        elif now - self.since > GRACE:
            signal.signal(number, self.handlers[number])
            signal.raise_signal(number)

    @contextlib.contextmanager
    def interruptible(self) -> Iterator[None]:
        """Context that a stop ends at once, without an error; what it did must not be used."""
        with contextlib.suppress(Interrupted):
            self._interruptible = True
            try:
                yield
            finally:
                self._interruptible = False

    def __exit__(self, *_) -> None:
        for number, handler in self.handlers.items():
            signal.signal(number, handler)


class AgreedStop(StopRequest):
    """Stop request of several workers: `received` is set on all of them after the same step.

    Args:
        first_signal: function that all workers call at once, each with the number of its signal or
            0; it returns the same one of these numbers to all.
    """

    received = None

    def __init__(self, first_signal: Callable[[int], int]):
        self.first_signal = first_signal

    def agree(self) -> None:
        """Set `received` if a worker has a request; all workers call this after each step."""
        if self.received is None and (number := self.first_signal(int(self.requested or 0))):
            self.received = signal.Signals(number)

    def interruptible(self):
        """Context that a stop does not end: the other workers must reach the same step."""
        return contextlib.nullcontext()


def is_ignored(number: int) -> bool:
    """Return whether the process ignores a signal."""
    return signal.getsignal(number) == signal.SIG_IGN


class Unbreakable:
    """Text stream that discards its output once it cannot be written, such as to a closed pipe.

    Args:
        stream: the stream; all other attributes are its own.
    """

    def __init__(self, stream):
        self.stream = stream

    def __getattr__(self, name: str):
        return getattr(self.stream, name)

    def write(self, text: str) -> int:
        with self._discarding():
            self.stream.write(text)
        return len(text)

    def flush(self) -> None:
        with self._discarding():
            self.stream.flush()

    @contextlib.contextmanager
    def _discarding(self) -> Iterator[None]:
        try:
            yield
        except OSError:
            nowhere = open(os.devnull, "w")  # noqa: SIM115, until the process ends
            with contextlib.suppress(OSError):  # what the stream still holds is discarded at exit
                os.dup2(nowhere.fileno(), self.stream.fileno())
            self.stream = nowhere


@contextlib.contextmanager
def unbreakable_output() -> Iterator[None]:
    """Context in which a training goes on if its terminal or the reader of its output is gone."""
    with (
        contextlib.redirect_stdout(Unbreakable(sys.stdout)),
        contextlib.redirect_stderr(Unbreakable(sys.stderr)),
    ):
        yield
