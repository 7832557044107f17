"""Scripts in a process of their own: what a terminal shows, stops, and the end of the kernel."""

import os
import signal
import subprocess
import sys
import time
import types

import pytest

from notebooks import terminal
from notebooks.terminal import ERR, OUT, Lines, Script
from training import stopping


@pytest.mark.parametrize(
    ("pieces", "finished", "progress"),
    [
        (["one\ntwo\n"], ["one", "two"], ""),
        (["on", "e\n\ntw", "o"], ["one", ""], ""),
        (["\rstep 1", "\rstep 2"], [], "step 2"),
        (["\rstep 10 of 10", "\rdone"], [], "done 10 of 10"),
        (["\rstep 1   ", "\n", "end\n"], ["step 1", "end"], ""),
        (["\rloading, 2 s\r", "\r            \r", "warning\n"], ["warning"], ""),
        (["\rloading, 2 s\r", "\r            \r"], [], ""),
        (["\rloading\r", "WARNING: of C++\n"], ["WARNING: of C++"], ""),
        (["\rloading\r       \r\n"], [], ""),
        (["\x1b[1mDownloading\x1b[0m 5 %\x1b[K\n"], ["Downloading 5 %"], ""),
        (["one\x1b", "[1", "mtwo\x1b[", "0m\n"], ["onetwo"], ""),
        (["\rstep 1\x1b[", "K"], [], "step 1"),
    ],
)
def test_lines_are_those_that_a_terminal_shows(pieces, finished, progress):
    lines = Lines()
    assert [done for piece in pieces for done in lines.feed(piece)] == finished
    assert lines.progress == progress


def test_lines_at_the_end_have_what_is_not_finished():
    lines = Lines()
    assert lines.feed("one\n") == ["one"]
    assert lines.updated == ""
    assert lines.feed("\rstep 2") == []
    assert lines.end() == ["step 2"]
    assert (lines.end(), lines.progress, lines.updated) == ([], "", "step 2")


def test_nested_progress_bars_are_updated_in_their_rows():
    up = "\x1b[A"
    lines = Lines()
    done = lines.feed(f"start\n\rfiles 0\n\rbytes 0{up}")
    assert done == ["start", "files 0"]  # before it is known that the bars are nested
    for count in range(1, 4):
        assert lines.feed(f"\rfiles {count}\n\rbytes {count}0") == []
        assert lines.progress == f"files {count}\nbytes {count}0"
        assert lines.feed(up) == []
    assert lines.feed("\n\n") == []
    assert lines.feed("prepared\n") == ["files 3", "bytes 30", "prepared"]
    assert lines.feed("\rstep 1\nend\n") == ["step 1", "end"]


def script(tmp_path, code):
    path = tmp_path / "script.py"
    path.write_text(code)
    return Script([str(path)])


def text_of(script, act=lambda text: None):
    """Run a script to its end, calling act(text so far) after each piece; return its output."""
    text = {OUT: "", ERR: ""}
    with script:
        for stream, piece in script.output():
            if stream:
                text[stream] += piece
            act(text[OUT])
    return text


def test_script_writes_to_terminals_of_a_width_in_a_session_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "91")
    code = """
import os, shutil, sys
print(sys.stdout.isatty(), sys.stderr.isatty(), shutil.get_terminal_size().columns)
print(os.get_terminal_size(1).columns, os.getcwd(), os.getsid(0) == os.getpgid(0) == os.getpid())
print("dünn", end="", file=sys.stderr)
sys.exit(3)
"""
    run = script(tmp_path, code)
    assert run.code is None
    text = text_of(run)
    assert text == {OUT: f"True True 91\n91 {terminal.ROOT} True\n", ERR: "dünn"}
    assert run.code == 3
    monkeypatch.delenv("COLUMNS")
    assert f" {terminal.COLUMNS}\n" in text_of(script(tmp_path, code))[OUT]


def test_script_that_writes_much_and_ends_loses_nothing(tmp_path):
    text = text_of(script(tmp_path, "for k in range(20_000): print(k)"))
    assert text[OUT].split() == [str(k) for k in range(20_000)]


WAITS = """
import os, signal, time
def stop(number, frame):
    os.write(1, f"got {number}\\n".encode())  # at once: a second signal may interrupt a print
signal.signal(signal.SIGINT, stop)
print("ready", flush=True)
while True:
    time.sleep(0.05)
"""


def test_stops_within_seconds_are_one_and_the_third_kills(tmp_path, monkeypatch):
    run, now = script(tmp_path, WAITS), [100.0]
    clock = types.SimpleNamespace(monotonic=lambda: now[0], sleep=time.sleep)
    monkeypatch.setattr(terminal, "time", clock)
    asked = []

    def act(text):
        if "ready\n" in text and not asked:
            asked.append(text)
            for seconds in (0, 0.5, 2.9):
                now[0] = 100 + seconds
                run.stop()
        elif text.count("got 2") in (1, 2) and len(asked) == text.count("got 2"):
            asked.append(text)
            now[0] += terminal.GRACE
            run.stop()

    assert text_of(run, act)[OUT].split("\n") == ["ready", "got 2", "got 2", ""]
    assert (run.stops, run.code) == (3, -signal.SIGKILL)
    run.stop()  # of a script that has ended


def test_grace_is_that_of_a_training():
    assert terminal.GRACE == stopping.GRACE


def test_script_gets_sighup_if_its_cell_ends_with_an_error(tmp_path):
    mark = tmp_path / "mark"
    code = f"""
import pathlib, signal, sys, time
def hang_up(number, frame):
    pathlib.Path({str(mark)!r}).write_text(str(number))
    sys.exit(0)
signal.signal(signal.SIGHUP, hang_up)
print("ready", flush=True)
time.sleep(60)
"""

    def fail(text):
        if "ready" in text:
            raise ValueError("display")

    with pytest.raises(ValueError, match="display"):
        text_of(script(tmp_path, code), fail)
    assert await_text(mark) == "1"


KERNEL = """
import sys
from notebooks.terminal import Script
with Script([sys.argv[1]]) as script:
    for stream, text in script.output():
        print(text, end="", flush=True)
"""


def test_script_gets_sighup_if_its_kernel_is_killed(tmp_path):
    mark = tmp_path / "mark"
    (tmp_path / "script.py").write_text(
        "import pathlib, signal, sys, time\n"
        f"signal.signal(signal.SIGHUP, lambda *_: pathlib.Path({str(mark)!r}).write_text('1'))\n"
        "print('ready', flush=True)\n"
        "time.sleep(60)\n"
    )
    kernel = subprocess.Popen(
        [sys.executable, "-c", KERNEL, str(tmp_path / "script.py")],
        cwd=terminal.ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert kernel.stdout.readline() == "ready\n"
    os.kill(kernel.pid, signal.SIGKILL)
    kernel.wait()
    kernel.stdout.close()
    assert await_text(mark) == "1"


def await_text(path):
    deadline = time.monotonic() + 20
    while not (path.exists() and path.read_text()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return path.read_text()
