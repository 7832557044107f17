"""Line of progress, requests to stop, and evaluations in training."""

import contextlib
import errno
import io
import json
import math
import os
import re
import signal
import sys
import threading
import time
import types

import pytest
import tensorflow as tf

from models import adversarial  # noqa: F401, declares the losses
from models.means import RunningMean
from storage.run_directory import RunDirectory
from training import callbacks, stopping
from training.events import Events
from training.progress import Progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


class Clock:
    """Replacement of the module time in callbacks: a clock that a test sets."""

    strftime, gmtime = time.strftime, time.gmtime

    def __init__(self):
        self.now = 100.0

    def perf_counter(self):
        return self.now


class Steps(types.SimpleNamespace):
    """Model of which a test sets the running means."""

    optimizers, means, jit_compile = {}, {}, False

    def running_means(self):
        return self.means

    def restore_means(self, means):
        self.means = dict(means)


@pytest.fixture
def progress(monkeypatch):
    """Return progress(total, seconds_per_step, ...) -> output of the line of progress."""

    def progress(total, seconds, *, first=0, last=None, live=False, loss=lambda step: 1.0):
        out = Terminal() if live else io.StringIO()
        clock = Clock()
        with monkeypatch.context() as patch:
            patch.setattr("training.progress.time", clock)
            patch.setattr("sys.stdout", out)
            patch.delitem(sys.modules, "ipykernel", raising=False)
            batches = types.SimpleNamespace(steps_per_epoch=937, images_per_step=64)
            model = Steps(step=tf.constant(first))
            log = types.SimpleNamespace(latest=model.running_means)
            line = Progress(total, batches, log)
            line.set_model(model)
            line.set_params({"steps": total - first})
            line.on_train_begin()
            for batch, step in enumerate(range(first + 1, (last or total) + 1)):
                line.on_train_batch_begin(batch)
                clock.now += seconds(step) if callable(seconds) else seconds
                scalars = {"d_loss": loss(step), "g_loss": 0.6931, "d_accuracy_real": 0.5}
                model.means = {n: RunningMean(3.0 * v, 3, 3) for n, v in scalars.items()}
                line.on_train_batch_end(batch)
            line.on_train_end()
        return out.getvalue()

    return progress


def test_progress_in_a_file_has_a_line_every_half_minute_and_at_the_end(progress):
    lines = progress(10, 10).splitlines()
    assert [line.split()[1] for line in lines] == ["3/10", "6/10", "9/10", "10/10"]


def test_progress_line_has_step_epoch_losses_speed_and_time_left(progress):
    lines = progress(2000, 10, last=1000).splitlines()
    assert lines[-1] == (
        "step 999/2000  epoch 2  d_loss 1.000  g_loss 0.693  6 images/s  02:46:50 left"
    )


def test_progress_at_a_terminal_is_rewritten_twice_per_second(progress):
    text = progress(20, 0.125, live=True)
    steps = re.findall(r"\rstep (\d+)/20", text)
    assert steps == ["4", "8", "12", "16", "20"]
    assert text.count("\n") == 1
    assert text.endswith("\n")


def test_progress_in_a_notebook_is_live(progress, monkeypatch):
    monkeypatch.setitem(sys.modules, "ipykernel", types.ModuleType("ipykernel"))
    monkeypatch.setattr("sys.stdout", io.StringIO())
    batches = types.SimpleNamespace(steps_per_epoch=1, images_per_step=1)
    assert Progress(1, batches, None).live
    monkeypatch.delitem(sys.modules, "ipykernel")
    assert not Progress(1, batches, None).live


def test_progress_of_a_resumed_run_has_the_speed_of_its_own_steps(progress):
    (line,) = progress(1010, 3, first=1000).splitlines()
    assert line.startswith("step 1010/1010  epoch 2  ")
    assert "  21 images/s  00:00:00 left" in line


def test_progress_estimates_the_time_left_after_the_first_step_and_a_warm_up(progress):
    text = progress(1000, lambda step: 60.0 if step == 1 else 0.25, last=30, live=True)
    lines = [line.strip() for line in text.split("\r")[1:]]
    assert lines[0] == "step 1/1000  epoch 1  d_loss 1.000  g_loss 0.693  estimating the time left"
    estimated = [line.split("  ")[-1] for line in lines]
    after = next(k for k, line in enumerate(estimated) if "estimating" not in line)
    assert estimated[:after] == ["estimating the time left"] * after
    assert lines[after].startswith("step 13/1000  ")  # 3 s after the first step
    assert lines[after].endswith("256 images/s  00:04:07 left")


def test_progress_of_a_single_step_has_no_estimate(progress):
    assert progress(1, 40).splitlines() == [
        "step 1/1  epoch 1  d_loss 1.000  g_loss 0.693  2 images/s  00:00:00 left"
    ]


@pytest.mark.parametrize(
    ("columns", "line"),
    [
        (100, "step 999/2000  epoch 2  d_loss 1.000  g_loss 0.693  64 images/s  00:16:41 left"),
        (77, "step 999/2000  epoch 2  d_loss 1.000  64 images/s  00:16:41 left"),
        (51, "step 999/2000  epoch 2  64 images/s  00:16:41 left"),
        (21, "step 999/2000  epoch"),
    ],
)
def test_progress_line_without_its_last_losses_fits_a_terminal(
    progress, monkeypatch, columns, line
):
    monkeypatch.setenv("COLUMNS", str(columns))
    last = progress(2000, 1.0, last=999, live=True).rstrip("\n").rsplit("\r", 1)[1]
    assert last == line.ljust(columns - 1)


def test_progress_with_more_than_a_day_left_has_all_hours(progress):
    line = progress(100_030, 1, last=30).splitlines()[-1]
    assert re.search(r"(27:46:40|1 ?d\w*,? 0?3:46:40) left$", line), line


def shown(text, columns):
    """Return the lines that a terminal of some columns shows in the end."""
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
def test_progress_line_overwrites_a_longer_one_completely(progress, columns, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(columns))
    text = progress(28110, 0.5, last=12, live=True, loss=lambda step: 10.0 ** (6 - step))
    last = text.rstrip("\n").rsplit("\r", 1)[1].replace("\x1b[K", "").rstrip()
    assert len(text.split("\r")) > 10
    assert shown(text, columns) == [last]


@contextlib.contextmanager
def handled(number, handler):
    """Install a handler of a signal of this process."""
    before = signal.signal(number, handler)
    try:
        yield
    finally:
        signal.signal(number, before)


@pytest.fixture
def at(monkeypatch):
    """Return at(seconds), which sets the clock of stop requests."""
    return lambda seconds: monkeypatch.setattr(stopping.time, "monotonic", lambda: seconds)


def test_stop_request_takes_signals_of_three_seconds_as_one_and_restores_the_handler(at):
    calls = []

    def own(*_):
        calls.append("own")

    with handled(signal.SIGTERM, own):
        with stopping.StopRequest() as stop:
            assert stop.received is None
            for seconds in (100.0, 100.2, 102.9):
                at(seconds)
                signal.raise_signal(signal.SIGTERM)
                assert stop.received is signal.SIGTERM
                assert calls == []
            at(103.1)
            signal.raise_signal(signal.SIGTERM)
            assert calls == ["own"]
        assert signal.getsignal(signal.SIGTERM) is own


def test_stop_request_with_a_late_second_ctrl_c_interrupts(at):
    interrupts = handled(signal.SIGINT, signal.default_int_handler)
    with interrupts, stopping.StopRequest() as stop:
        at(0.0)
        signal.raise_signal(signal.SIGINT)
        assert stop.received is signal.SIGINT
        at(3.5)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT, signal.SIGTERM])
def test_stop_request_takes_a_signal_unless_it_is_ignored(number):
    with handled(number, signal.SIG_DFL), stopping.StopRequest() as stop:
        signal.raise_signal(number)
        assert stop.received is number
    with handled(number, signal.SIG_IGN):
        with stopping.StopRequest() as stop:
            signal.raise_signal(number)
            assert stop.received is None
        assert signal.getsignal(number) is signal.SIG_IGN


def test_stop_request_replaces_a_handler_from_outside_python_by_the_default_one(monkeypatch):
    install = signal.signal

    def of_c(number, handler):
        before = install(number, handler)
        return None if before is signal.SIG_DFL else before

    with handled(signal.SIGTERM, signal.SIG_DFL):
        monkeypatch.setattr(stopping.signal, "signal", of_c)
        with stopping.StopRequest():
            assert callable(signal.getsignal(signal.SIGTERM))
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_stop_request_ends_an_interruptible_block_at_once():
    with stopping.StopRequest() as stop:
        with stop.interruptible():
            signal.raise_signal(signal.SIGTERM)
            pytest.fail("the block goes on")
        assert stop.received is signal.SIGTERM


class Broken(io.StringIO):
    """Stream of a terminal that is gone."""

    def __init__(self, number):
        super().__init__()
        self.number, self.tries = number, 0

    def write(self, text):
        self.tries += 1
        raise OSError(self.number, os.strerror(self.number))

    flush = write


@pytest.mark.parametrize("number", [errno.EIO, errno.EPIPE])
def test_unbreakable_stream_discards_output_after_an_error(number):
    broken = Broken(number)
    with contextlib.redirect_stdout(broken), stopping.unbreakable_output():
        print("one", flush=True)
        print("two", flush=True)
    assert broken.tries == 1


def test_stop_request_in_a_thread_leaves_the_handlers():
    handlers = [signal.getsignal(signal.SIGINT)]

    def enter():
        with stopping.StopRequest() as stop:
            handlers.append(signal.getsignal(signal.SIGINT))
            assert stop.received is None

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert len(handlers) == 2
    assert handlers[0] is handlers[1]


@pytest.fixture
def evaluator(tmp_path, capsys):
    """Return evaluator(every, values, first=0, last=12) -> records and output."""

    def evaluator(every, values, first=0, last=12, total=None, bad=None, stop=None):
        run = RunDirectory(tmp_path)
        with run, Events(tmp_path, first) as events:
            total = last if total is None else total
            outputs = callbacks.Outputs(run, events, total, stop or stopping.StopRequest())
            measuring = callbacks.Evaluator(
                outputs,
                every,
                None,
                values if callable(values) else lambda: dict(values),
                "metric_",
            )
            measuring.log = types.SimpleNamespace(
                position=lambda step: {"step": step, "seconds": 1.5}, check_means=lambda step: None
            )
            measuring.set_model(
                types.SimpleNamespace(step=tf.constant(first), non_finite=lambda: bad)
            )
            measuring.set_params({"steps": last - first})
            measuring.on_train_begin()
            for step in range(first, last):
                measuring.on_train_batch_end(step - first)
            measuring.on_train_end()
        return run.records(), capsys.readouterr().out

    return evaluator


def test_evaluator_measures_every_n_steps_and_at_the_last(evaluator):
    lines, _ = evaluator(5, {"metric_fid": 3.0}, first=3, last=21)
    steps = (5, 10, 15, 20, 21)
    assert lines == [{"step": step, "seconds": 1.5, "metric_fid": 3.0} for step in steps]
    lines, _ = evaluator(5, {"metric_fid": 3.0}, first=21, last=23, total=40)
    assert len(lines) == len(steps)


def test_evaluator_at_the_start_measures_what_is_due_and_lacking(evaluator):
    lines, _ = evaluator(5, {"metric_fid": 3.0}, first=10, last=12, total=40)
    assert [line["step"] for line in lines] == [10]
    lines, _ = evaluator(5, {"metric_fid": 3.0}, first=10, last=12, total=40)
    assert [line["step"] for line in lines] == [10]


def test_evaluator_interrupted_by_a_stop_writes_no_record(evaluator):
    def interrupted():
        signal.raise_signal(signal.SIGTERM)
        return {"metric_fid": 3.0}

    with stopping.StopRequest() as stop:
        assert evaluator(5, interrupted, stop=stop) == ([], "")


def test_evaluator_prints_each_measurement(evaluator):
    _, out = evaluator(4, {"metric_fid": 31.23456, "test_loss": 0.5})
    assert out == "".join(f"step {step}: fid 31.23  test_loss 0.5\n" for step in (4, 8, 12))


def test_evaluator_with_a_nan_in_the_state_raises_before_measuring(evaluator, tmp_path):
    with pytest.raises(callbacks.DivergedError, match="step 5: generator/bias is not finite"):
        evaluator(5, {"metric_fid": 3.0}, bad="generator/bias")
    assert RunDirectory(tmp_path).records() == []


def test_evaluator_without_values_writes_no_record(evaluator):
    assert evaluator(4, {}) == ([], "")


@pytest.fixture
def log(tmp_path):
    """Return log(step, saved={}, every=5) -> the log of a model at a step, and the model."""
    run = RunDirectory(tmp_path)

    def log(step, saved=None, every=5):
        events = types.SimpleNamespace(scalars=lambda step, values: None)
        outputs = callbacks.Outputs(run, events, 20, stopping.StopRequest())
        batches = types.SimpleNamespace(steps_per_epoch=10, images_per_step=4)
        made = callbacks.Log(outputs, every, batches, saved or {})
        model = Steps(step=tf.constant(step))
        made.set_model(model)
        made.set_params({"steps": 20 - step})
        return made, model

    return log


def test_log_writes_means_and_continues_those_of_a_checkpoint(log):
    first, model = log(0)
    first.on_train_begin()
    first.on_epoch_begin(0)
    for step in (1, 2, 3):
        first.on_train_batch_begin(step)
        model.means = {"loss": RunningMean(float(step), step, step)}
        first.on_train_batch_end(step - 1)
    state = json.loads(json.dumps(first.state()))
    assert first.run.records() == []

    second, model = log(3, state)
    second.on_train_begin()
    second.on_epoch_begin(0)
    assert model.means == {"loss": RunningMean(3.0, 3, 3)}
    for step in (4, 5):
        model.means = {"loss": RunningMean(12.5, step, step)}
        second.on_train_batch_end(step - 4)
    (record,) = second.run.records()
    assert (record["step"], record["epoch"], record["kimg"]) == (5, 0.5, 0.02)
    assert record["loss"] == 2.5
    assert record["seconds"] >= round(state["seconds"], 3)
    assert model.means == {}
    assert second.latest() == {"loss": RunningMean(12.5, 5, 5)}
    model.means = {"loss": RunningMean(1.0, 1, 1), "norm": RunningMean(0.0, 0, 1)}
    assert second.latest() == {"loss": RunningMean(1.0, 1, 1)}


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan])
def test_log_with_a_mean_that_is_not_finite_names_the_first_step(log, value):
    made, model = log(10)
    made.on_train_begin()
    model.means = {
        "g_loss": RunningMean(value, 5, 3.0),
        "d_loss": RunningMean(value, 5, 2.0),
        "d_accuracy": RunningMean(1.0, 5, 5.0),
    }
    with pytest.raises(callbacks.DivergedError, match=r"step 13: d_loss is -?(inf|nan); "):
        made.on_train_batch_end(4)
    (record,) = made.run.records()
    assert record["step"] == 15
    assert math.isnan(record["d_loss"])


def test_saver_saves_by_the_clock_and_at_steps_to_keep(tmp_path, monkeypatch):
    saved, clock = [], [0.0]
    monkeypatch.setattr(callbacks.time, "monotonic", lambda: clock[0])
    run = types.SimpleNamespace(require=lambda: None, note_checkpoint=lambda step: None)
    events = types.SimpleNamespace(flush=lambda: None)
    outputs = callbacks.Outputs(run, events, 10, stopping.StopRequest())
    log = types.SimpleNamespace(check_means=lambda step: None, state=dict)
    model = types.SimpleNamespace(step=tf.constant(0), non_finite=lambda: None)
    checkpoints = types.SimpleNamespace(save=lambda notes: saved.append(saver.step), keep_every=7)
    saver = callbacks.Saver(outputs, 100, log, checkpoints, minutes=2.0)
    saver.set_model(model)
    saver.set_params({"steps": 10})
    saver.on_train_begin()
    for step in range(1, 11):
        clock[0] += 50.0
        saver.on_train_batch_end(step - 1)
    assert saved == [3, 6, 7, 10]
