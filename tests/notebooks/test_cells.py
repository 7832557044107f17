"""Cells that run a script: what they show, and how they end."""

import contextlib
import os
import re
import signal
import threading
import types

import pytest

from notebooks import cells, terminal
from notebooks.cells import CellError, CellStopped

START = "I0000 00:00:1796049248.428962    8581 port.cc:153] oneDNN custom operations are on."
CODE = f"""
import os, signal, sys, time
def say(text):
    print(text, file=sys.stderr, flush=True)
say({START!r})
"""


@pytest.fixture
def shown(monkeypatch):
    """The contents that IPython displays, a list per display; the last one is what is seen."""
    displays = []

    def display(content, display_id):
        displays.append([content])
        return types.SimpleNamespace(update=displays[-1].append)

    monkeypatch.setattr(cells, "display", display)
    return displays


@pytest.fixture
def run(tmp_path, shown):
    """Return run(code, ...), which runs a script with cells.run."""

    def run(code, **options):
        path = tmp_path / "script.py"
        path.write_text(CODE + code)
        cells.run(str(path), "--flag", **options)

    return run


def test_cell_shows_the_output_without_harmless_lines(run, capsys):
    run("print(sys.argv[1]); say('warning: w'); print('end', end='')", after_end="Go on.")
    out, err = capsys.readouterr()
    assert out == "--flag\nend\nGo on.\n"
    assert err == "warning: w\n"


def test_cell_of_a_script_that_fails_shows_everything(run, capsys):
    with pytest.raises(CellError, match=r"script\.py failed with exit code 2; its mess") as caught:
        run("say('error: --width: wrong'); sys.exit(2)", after_end="Go on.")
    assert caught.value._render_traceback_() == [f"error: {caught.value}"]
    out, err = capsys.readouterr()
    assert out == ""
    assert err == f"error: --width: wrong\nlines that were not shown:\n{START}\n"


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (
            "os.kill(os.getpid(), 9)",
            "was killed, probably because the machine has too little memory: use smaller networks, "
            "images or batches. Again.",
        ),
        ("os.abort()", "was ended by SIGABRT; its messages are above. Again."),
        ("1 / 0", "failed with exit code 1; its messages are above"),
        ("sys.exit(2)", "failed with exit code 2; its messages are above"),
    ],
)
def test_cell_names_how_a_script_failed_and_after_a_signal_how_to_go_on(run, code, message):
    with pytest.raises(CellError) as caught:
        run(code, after_stop="Again.")
    assert str(caught.value) == f"script.py {message}"
    assert not isinstance(caught.value, CellStopped)


def test_cell_of_a_missing_script_fails(shown, capsys):
    with pytest.raises(CellError, match=r"missing\.py failed with exit code 2"):
        cells.run("missing.py")
    assert "can't open file" in capsys.readouterr().err


WAITS = """
def stop(number, frame):
    say("stopping")
    time.sleep(0.3)
    sys.exit(130)
signal.signal(signal.SIGINT, stop)
print("ready", flush=True)
time.sleep(60)
"""


def test_stopped_cell_sends_one_sigint_and_waits_for_the_script(run, capsys):
    def show(line):
        assert line == "ready"
        for _ in range(3):  # as the stop button of Colab
            signal.raise_signal(signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(CellStopped) as caught:
        run(WAITS, show=show, after_end="Go on.", after_stop="Again.")
    assert caught.value._render_traceback_() == ["script.py was stopped. Again."]
    assert capsys.readouterr() == ("", "stopping\n")
    assert signal.getsignal(signal.SIGINT) is before


def test_cell_with_a_limit_stops_the_script_and_ends_without_an_error(run, capsys, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(cells, "time", types.SimpleNamespace(monotonic=lambda: now[0]))

    def show(line):
        assert line == "ready"
        now[0] += 91.0

    run(WAITS, show=show, minutes=1.5, after_stop="Again.")
    expected = "the limit of 1.5 minutes is reached. Again.\n"
    assert capsys.readouterr() == (expected, "stopping\n")


@pytest.mark.parametrize("stops", [1, 2])
def test_first_stop_of_the_user_after_the_limit_is_ignored(run, capsys, monkeypatch, stops):
    now, lines, stopped = [100.0], [], []
    monkeypatch.setattr(cells, "time", types.SimpleNamespace(monotonic=lambda: now[0]))
    monkeypatch.setattr(terminal, "GRACE", 0.0)
    code = """
signal.signal(signal.SIGINT, lambda *_: os.write(1, b"signal\\n"))
for line in ("ready", "saving", "done"):
    print(line, flush=True)
    time.sleep(0.3)
sys.exit(130)
"""

    def show(line):
        lines.append(line)
        now[0] += 91.0  # beyond the limit
        if line != "ready" and len(stopped) < stops:
            stopped.append(line)
            signal.raise_signal(signal.SIGINT)

    is_stopped = pytest.raises(CellStopped) if stops == 2 else contextlib.nullcontext()
    with is_stopped:
        run(code, show=show, minutes=1.5)
    assert lines.count("signal") == stops  # that of the limit, and that of the second stop
    out, err = capsys.readouterr()
    assert out == "the limit of 1.5 minutes is reached\n" * (stops == 1)
    assert err == f"{cells.STOPPING}\n"


def test_cell_outside_the_main_thread_runs_a_script(run, capsys):
    thread = threading.Thread(target=run, args=("print('done')",))
    thread.start()
    thread.join(30)
    assert capsys.readouterr().out == "done\n"


def test_progress_line_is_updated_in_its_place(run, shown, capsys, monkeypatch):
    monkeypatch.setattr(cells, "LINE_REFRESH", 0.0)
    run(
        """
for step in range(3):
    print(f"\\rstep {step}  <b>", end="", flush=True)
    time.sleep(0.3)
print("\\rstep 3  <b>\\ndone")
"""
    )
    ((start, *steps, end),) = shown
    assert repr(start) == "script.py is running"
    assert re.fullmatch(r"step [012]  <b>", repr(steps[0]))  # on a busy machine not each is read
    assert repr(end) == "step 3  <b>"
    assert "step 3  &lt;b&gt;" in end._repr_html_()
    assert "white-space: pre-wrap" in end._repr_html_()
    assert capsys.readouterr().out == "step 3  <b>\ndone\n"


def test_script_without_progress_has_its_name_in_place_of_it(run, shown):
    run("print('done')")
    assert [repr(content) for content in shown[0]] == [
        "script.py is running",
        "script.py has ended",
    ]


def test_progress_line_of_each_stream_is_updated_once_per_period(shown):
    progress = cells.ProgressLine("train.py")
    out, err = types.SimpleNamespace(progress="step 1"), types.SimpleNamespace(progress="")
    progress.update([out, err], 10.0)
    out.progress, err.progress = "step 2", "decoding"
    progress.update([out, err], 10.0 + cells.LINE_REFRESH / 2)
    progress.update([out, err], 10.0 + cells.LINE_REFRESH)
    progress.update([out, err], 20.0)
    out.progress = err.progress = ""
    progress.update([out, err], 30.0)
    assert [repr(content) for content in shown[0]] == [
        "train.py is running",
        "step 1",
        "step 2\ndecoding",
        "train.py is running",
    ]


def test_pictures_are_shown_when_they_exist_and_updated_once_per_minute(shown, tmp_path):
    samples, curves = tmp_path / "samples.png", tmp_path / "curves.png"
    pictures = cells.Pictures([samples, curves])
    pictures.update(0.0)
    assert shown == []

    def write(path, content):
        times = path.stat().st_mtime_ns if path.exists() else 0
        path.write_bytes(content)
        os.utime(path, ns=(times + 10**9, times + 10**9))

    write(samples, b"one")
    pictures.update(5.0)
    assert [[image.data for image in each] for each in shown] == [[b"one"]]
    write(samples, b"two")
    write(curves, b"curves")
    pictures.update(64.0)
    assert [[image.data for image in each] for each in shown] == [[b"one"], [b"curves"]]
    pictures.update(65.0)
    pictures.update(500.0)
    assert [image.data for image in shown[0]] == [b"one", b"two"]
    write(samples, b"three")
    write(curves, b"curves")
    pictures.update(66.0)
    assert len(shown[0]) == 2
    pictures.update(float("inf"))
    assert [len(each) for each in shown] == [3, 2]
    assert shown[0][-1].data == b"three"


def test_cell_shows_pictures_from_the_first_step_on_and_at_the_end(run, shown, tmp_path):
    path = tmp_path / "samples.png"
    path.write_bytes(b"of an earlier run")
    seen = []

    def show(line):
        seen.append(len(shown))

    run(
        f"""
print("device", flush=True)
time.sleep(0.5)
print("model", flush=True)
print("\\rstep 1", end="", flush=True)
time.sleep(0.5)
open({str(path)!r}, "wb").write(b"end")
print("\\ndone", flush=True)
""",
        pictures=[path],
        show=show,
    )
    assert seen[:2] == [1, 1]  # the progress line alone
    assert shown[1][-1].data == b"end"


def test_cell_of_a_script_that_fails_at_its_start_shows_no_earlier_pictures(run, shown, tmp_path):
    path = tmp_path / "samples.png"
    path.write_bytes(b"of an earlier run")
    with pytest.raises(CellError):
        run("print('device'); sys.exit(2)", pictures=[path])
    assert len(shown) == 1  # the progress line


def test_show_picture_shows_files_and_prints_other_lines(tmp_path, monkeypatch, capsys):
    seen = []
    monkeypatch.setattr(cells, "display", seen.append)
    film = tmp_path / "film.gif"
    film.write_bytes(b"GIF89a")
    for line in (str(film), f"{tmp_path}/missing.png", "64 images in x"):
        cells.show_picture(line)
    assert [(image.data, image.format) for image in seen] == [(b"GIF89a", "gif")]
    assert capsys.readouterr().out == f"{tmp_path}/missing.png\n64 images in x\n"
