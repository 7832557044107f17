"""Cells that run a script: its output, its pictures while it runs, and how it ends.

A stopped cell sends the script one SIGINT, and waits until it has ended. Harmless lines of
TensorFlow are printed only if the script fails.
"""

import contextlib
import html
import math
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from IPython.display import Image, display

from notebooks.startup_lines import StartupLines
from notebooks.terminal import ERR, OUT, Lines, Script

REFRESH = 60.0  # seconds between two updates of the pictures
LINE_REFRESH = 1.0  # seconds between two updates of the progress line
STOPS = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)
STOP_CODES = (*(128 + number for number in STOPS), *(-number for number in STOPS))
STOPPING = "already stopping; stop again to end without a checkpoint"


class CellError(Exception):
    """Error of a cell, shown in one line without a traceback."""

    prefix = "error: "

    def _render_traceback_(self) -> list[str]:
        return [f"{self.prefix}{self}"]


class CellStopped(CellError):
    """The cell was stopped. It is an error so that the cells after it do not run."""

    prefix = ""


class UpdatedDisplay:
    """Display of a cell that is updated in its place; it appears with the first update."""

    def __init__(self):
        self.handle = None

    def update(self, content) -> None:
        """Show content instead of what was shown."""
        if self.handle is None:
            self.handle = display(content, display_id=True)
        else:
            self.handle.update(content)


class WrappedText:
    """Text that wraps at the width of the cell."""

    def __init__(self, text: str):
        self.text = text

    def __repr__(self):
        return self.text

    def _repr_html_(self) -> str:
        style = "white-space: pre-wrap; font-family: monospace; margin: 0"
        return f'<pre style="{style}">{html.escape(self.text)}</pre>'


class ProgressLine:
    """The lines that the streams of a script update, at most once per LINE_REFRESH.

    Args:
        name: name of the script.
    """

    def __init__(self, name: str):
        self.idle, self.time = f"{name} is running", -LINE_REFRESH
        self.text, self.shown = self.idle, UpdatedDisplay()
        self.shown.update(WrappedText(self.text))

    def update(self, streams: Sequence[Lines], now: float) -> None:
        """Show the progress of each stream, or the name of the script if there is none."""
        text = "\n".join(lines.progress for lines in streams if lines.progress) or self.idle
        if text != self.text and now - self.time >= LINE_REFRESH:
            self.text, self.time = text, now
            self.shown.update(WrappedText(text))

    def end(self, last: str) -> None:
        """Show the last progress, such as the last step."""
        self.shown.update(WrappedText(last))


class Pictures:
    """Pictures of files, which are updated at most once per REFRESH.

    Args:
        paths: PNG files, which may not exist yet.
    """

    def __init__(self, paths: Sequence[Path]):
        self.pictures = {path: UpdatedDisplay() for path in paths}
        self.versions: dict[Path, int] = {}
        self.times = dict.fromkeys(paths, -REFRESH)

    def update(self, now: float) -> None:
        """Show the files that are new or have changed; infinity for the last update."""
        for path, shown in self.pictures.items():
            with contextlib.suppress(OSError):  # it does not exist
                version = path.stat().st_mtime_ns
                due = now - self.times[path] >= REFRESH
                if due and version != self.versions.get(path):
                    shown.update(Image(data=path.read_bytes(), format="png"))
                    self.versions[path], self.times[path] = version, now


@contextlib.contextmanager
def interrupts(stop: Callable[[], None]) -> Iterator[None]:
    """Context in which the stop of the cell calls a function instead of raising an error."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, lambda *_: stop())
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def run(
    *command: str,
    pictures: Sequence[Path] = (),
    minutes: float = 0.0,
    after_end: str = "",
    after_stop: str = "",
    show: Callable[[str], None] = print,
) -> None:
    """Run a script in a process of its own, and show its output.

    Args:
        *command: arguments of Python, such as "train.py", "--model=gan".
        pictures: PNG files that are shown, and updated while the script runs; not if it fails
            before its progress line.
        minutes: time after which the script is stopped as by a stop of the cell; 0: never.
        after_end: how to go on after the end.
        after_stop: how to go on after a stop or a signal.
        show: function that shows a line of stdout.

    Raises:
        CellError: the script failed or was killed; everything that it logged is shown.
        CellStopped: the cell was stopped.
    """
    name = Path(command[command[0] == "-m"]).name
    harmless, gallery = StartupLines(), Pictures(pictures)
    progress = ProgressLine(name)
    streams = {OUT: Lines(), ERR: Lines()}

    def take(stream: str, lines: Sequence[str]) -> None:
        for line in lines:
            if stream == OUT:
                show(line)
            elif not harmless.hides(line):
                print(line, file=sys.stderr)

    end, noted = time.monotonic() + (60 * minutes or math.inf), False
    with Script(command) as script, interrupts(script.stop):
        for stream, text in script.output():
            if stream:
                take(stream, streams[stream].feed(text))
            now = time.monotonic()
            progress.update(list(streams.values()), now)
            if streams[OUT].updated:  # after the lines about the start
                gallery.update(now)
            if now > end:
                script.stop_at_limit()
            if script.at_limit and script.stops and not noted:
                noted = True
                print(STOPPING, file=sys.stderr)
        for stream, lines in streams.items():
            take(stream, lines.end())
        progress.end(streams[OUT].updated or f"{name} has ended")
        if script.code in (0, *STOP_CODES) or streams[OUT].updated:
            gallery.update(math.inf)
    ending = f". {after_stop}" if after_stop else ""
    if script.code == 0:
        print(after_end, end="\n" * bool(after_end))
    elif script.code in STOP_CODES and script.at_limit and script.stops <= 1:
        print(f"the limit of {minutes:g} minutes is reached{ending}")
    elif script.code in STOP_CODES or script.stops > 2:
        raise CellStopped(f"{name} was stopped{ending}")
    else:
        for line in ("lines that were not shown:", *harmless.hidden) if harmless.hidden else ():
            print(line, file=sys.stderr)
        raise CellError(f"{name} {reason(script.code)}{ending * (script.code < 0)}")


def reason(code: int) -> str:
    """Return how a script failed, by its exit code or the negative number of a signal."""
    if code == -signal.SIGKILL:
        return (
            "was killed, probably because the machine has too little memory: use smaller networks, "
            "images or batches"
        )
    if code < 0:
        return f"was ended by {signal.Signals(-code).name}; its messages are above"
    return f"failed with exit code {code}; its messages are above"


def show_picture(line: str) -> None:
    """Show the picture that a line names, or the line."""
    path = Path(line)
    if path.suffix in (".png", ".gif") and path.is_file():
        display(Image(data=path.read_bytes(), format=path.suffix[1:]))
    else:
        print(line)
