"""A script in a process of its own, whose output is read as a terminal shows it; not on Windows."""

import codecs
import contextlib
import dataclasses
import fcntl
import os
import pty
import re
import selectors
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
COLUMNS = 120  # width of lines that are updated where the environment has no COLUMNS
GRACE = 3.0  # seconds in which further stops count as one, as in a training
TICK = 0.2  # seconds between two looks at a script without output
OUT, ERR = "stdout", "stderr"

# Makes stdout the controlling terminal: the script gets SIGHUP when the kernel ends.
START = """
import fcntl, os, sys, termios
fcntl.ioctl(1, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""
PIECE = re.compile(r"[\r\n]|\x1b\[[0-9;?]*[A-Za-z]|[^\r\n\x1b]+|\x1b")
INCOMPLETE = re.compile(r"\x1b(\[[0-9;?]*)?\Z")  # escape sequence without its end
UP = re.compile(r"\x1b\[([0-9]*)A")


@dataclasses.dataclass
class Row:
    """Row of a terminal; `updated` is True if it has carriage returns, as a progress line has."""

    text: str = ""
    updated: bool = False


class Lines:
    """Text of a stream as the lines that a terminal shows.

    Nested progress bars move the cursor up: then their rows are finished by the next plain line.

    Attributes:
        updated: the last line that was updated, such as the progress line of the last step.
    """

    def __init__(self):
        self._rows, self._row, self._column, self._nested = [Row()], 0, 0, False
        self._incomplete = ""
        self.updated = ""

    @property
    def progress(self) -> str:
        """The lines that are updated, such as progress lines; empty if there are none."""
        return "\n".join(
            row.text.rstrip() for row in self._rows if row.updated and row.text.strip()
        )

    def feed(self, text: str) -> list[str]:
        """Take text; return the lines that it finishes."""
        finished = []
        text = self._incomplete + text
        cut = INCOMPLETE.search(text)
        self._incomplete = cut[0] if cut else ""
        for piece in PIECE.findall(text.removesuffix(self._incomplete)):
            row = self._rows[self._row]
            if piece == "\n":
                self._row, self._column = self._row + 1, 0
                if self._row == len(self._rows):
                    self._rows.append(Row())
                finished += self._finished()
            elif piece == "\r":
                self._column, row.updated = 0, True
            elif up := UP.fullmatch(piece):
                self._row = max(0, self._row - int(up[1] or 1))
                self._nested = True
            elif piece[0] != "\x1b":
                end = self._column + len(piece)
                row.text = row.text[: self._column] + piece + row.text[end:]
                self._column = end
                if row.updated and row.text.strip():
                    self.updated = row.text.rstrip()
        return finished

    def end(self) -> list[str]:
        """Return the lines that are left at the end."""
        rows, self._rows = self._rows, [Row()]
        self._row = self._column = 0
        return [row.text.rstrip() for row in rows if row.text.strip()]

    def _finished(self) -> list[str]:
        """Remove the rows that are finished; return their lines, without those that were erased."""
        above = self._rows[: self._row]
        if self._nested:
            plain = [k for k, row in enumerate(above, 1) if row.text.strip() and not row.updated]
            above = above[: max(plain, default=0)]
            self._nested = not above
        del self._rows[: len(above)]
        self._row -= len(above)
        return [row.text.rstrip() for row in above if row.text.strip() or not row.updated]


class Script:
    """A script that runs in its own session and process group; a context manager.

    Its stdout and stderr are pseudo-terminals, so that it updates its progress line. If the kernel
    ends, or the context ends with an error, the script gets SIGHUP, at which a training saves a
    checkpoint and stops.

    Args:
        command: arguments of Python, such as ["train.py", "--model=gan"], relative to ROOT.

    Attributes:
        code: the exit code; negative for a signal, None while the script runs.
        at_limit: whether it was stopped because a limit of time is reached.
        stops: number of times that the user has stopped it.
    """

    def __init__(self, command: Sequence[str]):
        self.command = list(command)
        self.code: int | None = None
        self.at_limit, self.stops, self._stopped = False, 0, -GRACE
        self._process: subprocess.Popen | None = None
        self._terminals: dict[str, int] = {}

    def __enter__(self) -> "Script":
        columns = os.environ.get("COLUMNS", "")
        columns = int(columns) if columns.isdigit() and int(columns) else COLUMNS
        slaves = []
        try:
            for stream in (OUT, ERR):
                self._terminals[stream], slave = pty.openpty()
                slaves.append(slave)
                attributes = termios.tcgetattr(slave)
                attributes[1] &= ~termios.OPOST  # line feeds without carriage returns
                termios.tcsetattr(slave, termios.TCSANOW, attributes)
                size = struct.pack("HHHH", 24, columns, 0, 0)
                fcntl.ioctl(slave, termios.TIOCSWINSZ, size)
            self._process = subprocess.Popen(
                [sys.executable, "-ESc", START, sys.executable, *self.command],
                stdin=subprocess.DEVNULL,
                stdout=slaves[0],
                stderr=slaves[1],
                cwd=ROOT,
                env={**os.environ, "COLUMNS": str(columns)},
                start_new_session=True,
            )
        except BaseException:
            self._close()
            raise
        finally:
            for slave in slaves:
                os.close(slave)
        return self

    def __exit__(self, *_) -> None:
        self._close()

    def _close(self) -> None:
        for terminal in self._terminals.values():
            os.close(terminal)
        self._terminals = {}

    def stop(self) -> None:
        """Stop the script as Ctrl-C does; a later stop does it again, and the third one kills it.

        Stops within GRACE seconds of the last one count as one: a stop button sends up to three.
        The first one after the limit sends no signal: the script is already stopping.
        """
        now = time.monotonic()
        if self._process is None or now - self._stopped < GRACE:
            return
        self._stopped = now
        self.stops += 1
        if self.stops > 1 or not self.at_limit:
            self._send(signal.SIGINT if self.stops <= 2 else signal.SIGKILL)

    def stop_at_limit(self) -> None:
        """Stop the script as Ctrl-C does, once, unless the user has stopped it."""
        if not self.at_limit and not self.stops:
            self.at_limit = True
            self._send(signal.SIGINT)

    def _send(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):  # it has ended
            os.killpg(self._process.pid, number)

    def output(self) -> Iterator[tuple[str, str]]:
        """Yield the output until the script ends: (OUT or ERR, text), or ("", "") after a TICK."""
        decoders = {
            stream: codecs.getincrementaldecoder("utf-8")("replace") for stream in self._terminals
        }
        with selectors.DefaultSelector() as selector:
            for stream, terminal in self._terminals.items():
                selector.register(terminal, selectors.EVENT_READ, stream)
            while True:
                ended = self._process.poll() is not None
                ready = selector.select(0 if ended else TICK) if selector.get_map() else []
                for key, _ in ready:
                    if content := read(key.fd):
                        yield key.data, decoders[key.data].decode(content)
                    else:
                        selector.unregister(key.fd)
                if ended and not ready:
                    break
                if not ready:
                    if not selector.get_map():  # it has closed its output and is about to end
                        time.sleep(TICK)
                    yield "", ""
        self.code = self._process.returncode


def read(terminal: int) -> bytes:
    """Return what a terminal has to read; nothing if no process writes to it any more."""
    try:
        return os.read(terminal, 2**16)
    except OSError:
        return b""
