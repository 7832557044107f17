"""Notes on stderr about work that takes long, and text that a terminal can show.

In a terminal or a notebook they are one line that appears after two seconds, is updated, and is
erased at the end of the work; elsewhere they are a new line every 30 seconds.
"""

import contextlib
import dataclasses
import math
import shutil
import sys
import threading
import time
from collections.abc import Iterator
from typing import TextIO

# Seconds before the first note, and between two, where a line can be updated and elsewhere.
PATIENCE = {True: 2.0, False: 30.0}
PERIOD = {True: 0.5, False: 30.0}


def printable(text: str) -> str:
    """Return a text with control characters, such as those of a stranger's file name, escaped.

    Line ends are escaped as well, and bytes of a file name that are no UTF-8.
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


@dataclasses.dataclass(eq=False)  # two works of one title differ
class Work:
    """Work in progress.

    Attributes:
        title: what is done.
        total: number of its parts; 0 if they are not counted.
        done: number of parts that are done; set by the work itself.
    """

    title: str
    total: int = 0
    done: int = 0

    def __post_init__(self):
        self.title = printable(self.title)
        self.since, self.noted = time.monotonic(), -math.inf

    def note(self, now: float) -> str:
        """Return the line about the work: title, parts, seconds, and an estimate of those left."""
        seconds, left = now - self.since, ""
        if self.total and self.done:
            left = f", {seconds * (self.total - self.done) / self.done:.0f} s left"
        return f"{self}, {seconds:.0f} s{left}"

    def __str__(self):
        return f"{self.title}, {self.done:,} of {self.total:,}" if self.total else self.title

    def end(self) -> None:
        """End the work before its context does."""
        _notes.remove(self)


class Notes:
    """Work in progress, and a thread that writes the notes about it while there is some."""

    def __init__(self):
        self.works: list[Work] = []
        self.changed = threading.Condition(threading.RLock())
        self.thread: threading.Thread | None = None
        self.shown = 0  # columns of the present line

    def add(self, work: Work) -> None:
        """Begin to write notes about some work."""
        with self.changed:
            self.works.append(work)
            if self.thread is None:
                self.thread = threading.Thread(target=self._write, name="notes", daemon=True)
                self.thread.start()

    def remove(self, work: Work) -> None:
        """Write no more notes about some work; erase the present line."""
        with self.changed:
            if work in self.works:
                self.works.remove(work)
                self.erase()
                self.changed.notify_all()

    def erase(self) -> None:
        """Erase the present line."""
        if self.shown:
            _print("\r" + " " * self.shown + "\r")
            self.shown = 0

    def _write(self) -> None:
        with self.changed:
            while self.works:
                self.changed.wait(PERIOD[True] / 2)
                self.write(time.monotonic())
            self.thread = None

    def write(self, now: float) -> None:
        """Write the notes that are due."""
        live = is_live(sys.stderr)
        late = [work for work in self.works if now - work.since >= PATIENCE[live]]
        due = [work for work in late if now - work.noted >= PERIOD[live]]
        if not due:
            return
        if live:
            width = shutil.get_terminal_size().columns - 1
            line = "; ".join(work.note(now) for work in late)[:width]
            self.shown = max(width, self.shown)  # columns that may have a progress line
            _print("\r" + line.ljust(self.shown) + "\r")  # the next text overwrites it
        else:
            _print("".join(f"{work.note(now)}\n" for work in due))
        for work in due:
            work.noted = now


def _print(text: str) -> None:
    with contextlib.suppress(OSError, ValueError):  # of a terminal that is gone, a closed stream
        print(text, end="", file=sys.stderr, flush=True)


_notes = Notes()


@contextlib.contextmanager
def waiting(title: str, total: int = 0, *, announced: bool = False) -> Iterator[Work]:
    """Context of work about which there are notes if it takes long.

    Args:
        title: what is done, such as "decoding the images of birds".
        total: number of its parts, which `done` counts; 0 if they are not counted.
        announced: whether there is a note at once where a line cannot be updated.
    """
    work = Work(title, total)
    if announced and not is_live(sys.stderr):
        _print(f"{work}\n")
    _notes.add(work)
    try:
        yield work
    finally:
        work.end()


@contextlib.contextmanager
def cleared() -> Iterator[None]:
    """Context in which no note is shown, so that other text can be printed."""
    with _notes.changed:
        _notes.erase()
        yield


def is_live(stream: TextIO | None = None) -> bool:
    """Return whether a line of a stream (stdout) can be updated: in a terminal or a notebook."""
    return (stream or sys.stdout).isatty() or "ipykernel" in sys.modules
