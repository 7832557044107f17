"""The line of progress, a request to stop, and which curves are drawn."""

import contextlib
import io
import json
import re
import signal
import threading
import time
import types

import pytest

from storage.run_directory import RunDirectory
from training import callbacks


class Terminal(io.StringIO):
    def isatty(self):
        return True


class Clock:
    """Stands for the module time in callbacks: a clock that a test moves."""

    strftime, gmtime = time.strftime, time.gmtime

    def __init__(self):
        self.now = 100.0

    def perf_counter(self):
        return self.now


@pytest.fixture
def progress(monkeypatch):
    """progress(total, seconds_per_step, ...) -> what the line of progress printed."""

    def progress(total, seconds, *, first=0, last=None, live=False, loss=lambda step: 1.0):
        out = Terminal() if live else io.StringIO()
        clock = Clock()
        with monkeypatch.context() as patch:
            patch.setattr(callbacks, "time", clock)
            patch.setattr("sys.stdout", out)
            patch.delitem(callbacks.sys.modules, "ipykernel", raising=False)
            batches = types.SimpleNamespace(steps_per_epoch=937, images_per_step=64)
            line = callbacks.Progress(total, batches)
            line.set_model(types.SimpleNamespace(step=first))
            line.on_train_begin()
            for step in range(first + 1, (last or total) + 1):
                clock.now += seconds
                scalars = {"d_loss": loss(step), "g_loss": 0.6931, "d_accuracy_real": 0.5}
                line.on_train_batch_end(step, scalars)
            line.on_train_end()
        return out.getvalue()

    return progress


def test_a_log_gets_a_line_each_half_minute_and_one_at_the_end(progress):
    lines = progress(10, 10).splitlines()
    assert [line.split()[1] for line in lines] == ["3/10", "6/10", "9/10", "10/10"]


def test_a_line_has_step_epoch_losses_speed_and_the_time_left(progress):
    lines = progress(2000, 10, last=1000).splitlines()
    assert lines[-1] == (
        "step 999/2000  epoch 2  d_loss 1.000  g_loss 0.693  6 images/s  02:46:50 left"
    )


def test_a_terminal_gets_its_line_rewritten_twice_a_second(progress):
    text = progress(20, 0.125, live=True)
    steps = re.findall(r"\rstep (\d+)/20", text)
    assert steps == ["4", "8", "12", "16", "20"]
    assert text.count("\n") == 1
    assert text.endswith("\n")


def test_the_kernel_of_a_notebook_counts_as_a_terminal(progress, monkeypatch):
    monkeypatch.setitem(callbacks.sys.modules, "ipykernel", types.ModuleType("ipykernel"))
    monkeypatch.setattr("sys.stdout", io.StringIO())
    batches = types.SimpleNamespace(steps_per_epoch=1, images_per_step=1)
    assert callbacks.Progress(1, batches).live
    monkeypatch.delitem(callbacks.sys.modules, "ipykernel")
    assert not callbacks.Progress(1, batches).live


def test_the_pace_is_that_of_the_steps_since_the_run_went_on(progress):
    (line,) = progress(1010, 3, first=1000).splitlines()
    assert line.startswith("step 1010/1010  epoch 2  ")
    assert "  21 images/s  00:00:00 left" in line


def test_the_time_left_may_be_more_than_a_day(progress):
    line = progress(100_030, 1, last=30).splitlines()[-1]
    assert re.search(r"(27:46:40|1 ?d\w*,? 0?3:46:40) left$", line), line


def shown(text, columns):
    """The lines that a terminal of so many columns shows in the end."""
    lines, row, column = [""], 0, 0
    for character in re.findall(r"\x1b\[0?K|.|\n|\r", text):
        if character == "\r":
            column = 0
        elif character.endswith("K") and len(character) > 1:  # erases the rest of the line
            lines[row] = lines[row][:column]
        elif character == "\n":
            row, column = row + 1, 0
        else:
            if column == columns:
                row, column = row + 1, 0
            lines += [""] * (row + 1 - len(lines))
            lines[row] = lines[row][:column].ljust(column) + character + lines[row][column + 1 :]
            column += 1
    return [line.rstrip() for line in lines]


@pytest.mark.parametrize("columns", [80, 200])
def test_a_rewritten_line_leaves_nothing_of_the_one_before_on_the_screen(
    progress, columns, monkeypatch
):
    monkeypatch.setenv("COLUMNS", str(columns))
    text = progress(28110, 0.5, last=12, live=True, loss=lambda step: 10.0 ** (6 - step))
    last = text.rstrip("\n").rsplit("\r", 1)[1].replace("\x1b[K", "").rstrip()
    assert len(text.split("\r")) > 10
    assert shown(text, columns) == [last]


@contextlib.contextmanager
def handled(number, handler):
    """Within it, a signal of this process has that handler."""
    before = signal.signal(number, handler)
    try:
        yield
    finally:
        signal.signal(number, before)


def test_a_stop_is_asked_for_once_and_then_the_old_handler_acts():
    calls = []

    def own(*_):
        calls.append("old")

    with handled(signal.SIGTERM, own):
        with callbacks.StopRequest() as stop:
            assert stop.received is None
            signal.raise_signal(signal.SIGTERM)
            assert stop.received is signal.SIGTERM
            assert calls == []
            signal.raise_signal(signal.SIGTERM)
            assert calls == ["old"]
        assert signal.getsignal(signal.SIGTERM) is own


def test_ctrl_c_once_only_asks_and_twice_interrupts():
    interrupts = handled(signal.SIGINT, signal.default_int_handler)
    with interrupts, callbacks.StopRequest() as stop:
        signal.raise_signal(signal.SIGINT)
        assert stop.received is signal.SIGINT
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_in_a_thread_signals_are_left_alone():
    handlers = [signal.getsignal(signal.SIGINT)]

    def enter():
        with callbacks.StopRequest() as stop:
            handlers.append(signal.getsignal(signal.SIGINT))
            assert stop.received is None

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert len(handlers) == 2
    assert handlers[0] is handlers[1]


@pytest.fixture
def panels(monkeypatch):
    """panels(run directory) -> those of its curves.png, of which nothing is drawn."""

    def panels(run):
        drawn = []
        with monkeypatch.context() as patch:
            patch.setattr(callbacks.plotting, "save_curves", lambda *given: drawn.append(given))
            callbacks.draw_curves(run)
        ((path, panels, x_label),) = drawn
        assert path == run.path / "curves.png"
        assert x_label == "step"
        return panels

    return panels


def test_each_logged_scalar_has_its_panel(tiny_run, panels):
    drawn = panels(RunDirectory(tiny_run.path))
    assert {panel.title: sorted(panel.series) for panel in drawn} == {
        "losses": ["d_loss", "g_loss"],
        "D's loss terms": ["fake", "real"],
        "D's accuracy": ["fake", "real"],
        "gradient norms": ["discriminator", "generator"],
        "learning rates": ["discriminator", "generator"],
        "images a second": ["images"],
    }
    text = (tiny_run.path / "metrics.jsonl").read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    (losses,) = [panel for panel in drawn if panel.title == "losses"]
    steps, d_loss = losses.series["d_loss"]
    assert list(steps) == [line["step"] for line in lines]
    assert list(d_loss) == [line["d_loss"] for line in lines]


def test_the_balance_of_began_is_logged_and_drawn(call, tiny, tmp_path, panels):
    """K and the convergence measure M = L(x) + |gamma L(x) - L(G(z))|, at each step."""
    small = ("--network=mlp", "--initializer=normal", "--lambda_k=0.1")
    small += ("--steps=3", "--log_every=1")
    outcome = call("train", *tiny, "--model=began", *small, f"--outdir={tmp_path / 'began'}")
    assert outcome.code == 0, outcome
    run = RunDirectory(tmp_path / "began")
    lines = [json.loads(line) for line in (run.path / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2, 3]
    assert all(0 <= line["k"] <= 1 for line in lines)
    assert len({line["k"] for line in lines}) > 1
    assert all(line["convergence"] > line["d_loss_real"] > 0 for line in lines)
    (others,) = [panel for panel in panels(run) if panel.title == "others"]
    assert others.series == {
        name: ((1, 2, 3), tuple(line[name] for line in lines)) for name in ("k", "convergence")
    }


def test_without_a_log_there_are_no_curves(tmp_path):
    callbacks.draw_curves(RunDirectory(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_distances_have_a_logarithmic_panel_of_their_own(tmp_path, panels):
    run = RunDirectory(tmp_path)
    run.log({"step": 4, "g_loss": 1.0})
    run.log({"step": 4, "metric_fid": 30.0})
    run.log({"step": 8, "g_loss": 2.0})
    run.log({"step": 8, "metric_fid": 20.0, "metric_cluster_loss": 0.5})
    assert [(panel.title, panel.log_y, panel.series) for panel in panels(run)] == [
        ("distances of samples", True, {"fid": ((4, 8), (30.0, 20.0))}),
        ("shares and scores", False, {"cluster_loss": ((8,), (0.5,))}),
        ("losses", False, {"g_loss": ((4, 8), (1.0, 2.0))}),
    ]


@pytest.fixture
def evaluator(tmp_path, capsys):
    """evaluator(every, values, first=0, last=12) -> records and what was printed."""
    import tensorflow as tf

    def evaluator(every, values, first=0, last=12, players=None, stop=False):
        run = RunDirectory(tmp_path)
        log = types.SimpleNamespace(place=lambda: {"step": measuring.step, "seconds": 1.5})
        with contextlib.closing(tf.summary.create_file_writer(str(tmp_path))) as writer:
            measuring = callbacks.Evaluator(run, writer, log, every, lambda: dict(values))
            model = types.SimpleNamespace(step=first, players=lambda: players or {})
            model.stop_training = stop
            measuring.set_model(model)
            measuring.on_train_begin()
            for step in range(first, last):
                measuring.on_train_batch_end(step, {})
            measuring.on_train_end()
        return run.records(), capsys.readouterr().out

    return evaluator


def test_samples_are_measured_each_so_many_steps_of_the_run(evaluator):
    lines, _ = evaluator(5, {"metric_fid": 3.0}, first=3, last=21)
    steps = (5, 10, 15, 20, 21)
    assert lines == [{"step": step, "seconds": 1.5, "metric_fid": 3.0} for step in steps]
    lines, _ = evaluator(5, {"metric_fid": 3.0}, first=21, last=23, stop=True)
    assert len(lines) == len(steps)


def test_each_measurement_is_told(evaluator):
    _, out = evaluator(4, {"metric_fid": 31.23456, "test_loss": 0.5})
    assert out == "".join(f"step {step}: fid 31.23  test_loss 0.5\n" for step in (4, 8, 12))


def test_weights_that_are_no_numbers_are_not_measured(evaluator, tmp_path):
    import tensorflow as tf

    weight = types.SimpleNamespace(value=tf.constant([1.0, float("nan")]))
    players = {"generator": types.SimpleNamespace(variables=[weight])}
    with pytest.raises(callbacks.DivergedError, match="step 5: weights of the generator"):
        evaluator(5, {"metric_fid": 3.0}, players=players)
    assert RunDirectory(tmp_path).records() == []
