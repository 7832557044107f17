"""Runs that were stopped or killed and resumed have the files of an uninterrupted one."""

import json
import os
import pty
import signal
import subprocess
import sys

import pytest

from tests.faults.stopping_cases import (
    KILLED,
    KILLED_BEFORE_EVENTS,
    SCHEDULE,
    assert_same_run,
    signalled,
)
from tests.train.cases import records, steps_saved


@pytest.fixture(scope="module")
def uninterrupted(call, tiny, tmp_path_factory):
    path = tmp_path_factory.mktemp("stops") / "uninterrupted"
    done = call("train", *tiny, *SCHEDULE, f"--outdir={path}")
    assert done.code == 0, done
    return path


@pytest.fixture
def resumes(call, tiny, tmp_path, uninterrupted):
    """Return resumes(), which resumes the run in tmp_path and compares it."""

    def resumes():
        done = call("train", *tiny, *SCHEDULE, f"--outdir={tmp_path}")
        assert done.code == 0, done
        assert done.err == ""
        assert_same_run(tmp_path, uninterrupted)

    return resumes


@pytest.mark.slow
@pytest.mark.parametrize(  # within an interval, and where everything is due
    ("name", "step"), [("SIGINT", 10), ("SIGHUP", 10), ("SIGTERM", 12)]
)
def test_stopped_run_resumes_without_a_trace(
    call, tiny, tmp_path, resumes, name, step, monkeypatch
):
    from training import stopping
    from training.callbacks import Saver

    number = signal.Signals[name]
    monkeypatch.setattr(stopping, "is_ignored", lambda number: False)  # as under nohup
    with signalled(Saver, "after_step", step, number):
        done = call("train", *tiny, *SCHEDULE, f"--outdir={tmp_path}")
    assert done.code == 128 + number, done
    assert f"stopped by {name} at step {step}; run the same command to resume" in done.out
    assert step in steps_saved(tmp_path)
    resumes()


@pytest.mark.slow
@pytest.mark.parametrize("point", ["Evaluator", "Log"])
def test_run_stopped_before_an_output_of_its_step_catches_up(call, tiny, tmp_path, resumes, point):
    from training import callbacks

    with signalled(getattr(callbacks, point), "after_step", 12, signal.SIGTERM):
        done = call("train", *tiny, *SCHEDULE, f"--outdir={tmp_path}")
    assert done.code == 143, done
    assert "stopped by SIGTERM at step 12" in done.out
    resumes()


@pytest.mark.slow
def test_stop_within_an_evaluation_ends_it_and_the_resumed_run_evaluates(
    call, tiny, tmp_path, resumes
):
    from evaluation import runner
    from training import callbacks

    measure, calls = runner.measure, []

    def interrupted(*arguments):
        calls.append(arguments)
        if len(calls) == 2:  # the first one is the trial before the training
            signal.raise_signal(signal.SIGINT)
            pytest.fail("the evaluation goes on")
        return measure(*arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(callbacks.time, "monotonic", lambda: 0.0)
        patch.setattr(runner, "measure", interrupted)
        done = call("train", *tiny, *SCHEDULE, f"--outdir={tmp_path}")
    assert done.code == 130, done
    assert steps_saved(tmp_path) == [6, 12]
    assert not any("metric_pixel_mean" in record for record in records(tmp_path))
    resumes()


def is_finished(path):
    return json.loads((path / "status.json").read_text())["finished"] == 24


@pytest.mark.slow
@pytest.mark.parametrize("point", ["Evaluator", "Saver"])
def test_run_stopped_at_its_last_step_is_not_finished(call, tiny, tmp_path, resumes, point):
    from training import callbacks

    with signalled(getattr(callbacks, point), "after_step", 24, signal.SIGINT):
        done = call("train", *tiny, *SCHEDULE, f"--outdir={tmp_path}")
    assert done.code == 130, done
    assert "stopped by SIGINT at step 24; run the same command to resume" in done.out
    assert steps_saved(tmp_path)[-1] == 24
    assert not is_finished(tmp_path)
    resumes()
    assert is_finished(tmp_path)


@pytest.mark.slow
def test_run_stopped_during_its_last_outputs_is_finished(call, tiny, tmp_path, monkeypatch):
    from training import finishing

    export = finishing.export

    def stopped(*arguments):
        os.kill(os.getpid(), signal.SIGINT)
        export(*arguments)

    monkeypatch.setattr(finishing, "export", stopped)
    done = call("train", *tiny, *SCHEDULE, f"--outdir={tmp_path}")
    assert done.code == 130, done
    assert done.out.endswith("stopped by SIGINT at step 24; the run is finished\n")
    assert is_finished(tmp_path)


@pytest.mark.slow
def test_run_stopped_again_before_the_outputs_of_its_last_step_is_not_finished(
    call, tiny, tmp_path, resumes
):
    from training.callbacks import Evaluator, Log

    for kind, method in ((Evaluator, "after_step"), (Evaluator, "begin"), (Log, "begin")):
        with signalled(kind, method, 24, signal.SIGTERM):
            done = call("train", *tiny, *SCHEDULE, f"--outdir={tmp_path}")
        assert done.code == 143, done
        assert "stopped by SIGTERM at step 24" in done.out
        assert not is_finished(tmp_path)
    resumes()
    assert is_finished(tmp_path)


@pytest.mark.slow
def test_notebook_stop_of_three_signals_saves_a_checkpoint(call, tiny, tmp_path, resumes):
    from training.callbacks import Log

    with signalled(Log, "after_step", 9, *[signal.SIGINT] * 3):
        done = call("train", *tiny, *SCHEDULE, f"--outdir={tmp_path}")
    assert done.code == 130, done
    assert steps_saved(tmp_path) == [6, 9]
    resumes()


SAVER = "training.callbacks.Saver.act"
POINTS = [
    ("training.callbacks.Evaluator.act", "after", 12),
    (SAVER, "after", 12),
    (SAVER, "before", 6),
    (SAVER, "after", 24),
]


@pytest.mark.parametrize(
    "point",
    [
        pytest.param(point, marks=() if point[:2] == (SAVER, "before") else pytest.mark.slow)
        for point in POINTS
    ],
    ids=lambda point: f"{point[1]} {point[0].split('.')[-2]} {point[2]}",
)
def test_killed_run_resumes_without_a_trace(python, tiny, tmp_path, resumes, point):
    argv = [*tiny, *SCHEDULE, f"--outdir={tmp_path}"]
    done = python("-c", KILLED, *point, int(signal.SIGKILL), *argv)
    assert done.code == -signal.SIGKILL, done
    resumes()


@pytest.mark.slow
@pytest.mark.parametrize("output", ["Evaluator", "Pictures"])
def test_kill_after_a_file_of_the_catch_up_loses_no_summary(
    python, call, tiny, tmp_path, resumes, output
):
    from training.callbacks import Evaluator

    argv = [*tiny, *SCHEDULE, f"--outdir={tmp_path}"]
    with signalled(Evaluator, "after_step", 12, signal.SIGTERM):
        assert call("train", *argv).code == 143
    done = python("-c", KILLED_BEFORE_EVENTS, f"training.callbacks.{output}.act", *argv)
    assert done.code == -signal.SIGKILL, done
    resumes()


@pytest.mark.slow
def test_run_killed_before_its_first_checkpoint_starts_anew_with_other_options(
    python, call, tiny, tmp_path
):
    argv = [*tiny, "--steps=24", "--log_every=4", f"--outdir={tmp_path}"]
    done = python("-c", KILLED, SAVER, "before", 20, int(signal.SIGKILL), *argv,
                  "--checkpoint_every=20")  # fmt: skip
    assert done.code == -signal.SIGKILL, done
    assert records(tmp_path)[-1]["step"] == 20
    done = call("train", *argv, "--checkpoint_every=5", "--seed=3")
    assert done.code == 0, done
    assert "steps 0 to 24" in done.out
    assert [record["step"] for record in records(tmp_path)] == [4, 8, 12, 16, 20, 24]


@pytest.mark.slow
def test_training_goes_on_when_the_reader_of_its_output_or_its_terminal_is_gone(tiny, tmp_path):
    script = [sys.executable, "train.py", *tiny, "--steps=6"]
    reader, writer = os.pipe()
    os.close(reader)
    gone = subprocess.run([*script, f"--outdir={tmp_path / 'pipe'}"], stdout=writer, stderr=writer)
    os.close(writer)
    assert gone.returncode == 0
    assert steps_saved(tmp_path / "pipe") == [6]

    main, side = pty.openpty()
    process = subprocess.Popen([*script, f"--outdir={tmp_path / 'pty'}"], stdout=side, stderr=side)
    os.close(side)
    os.read(main, 1)
    os.close(main)  # without SIGHUP, as the process has another controlling terminal
    assert process.wait(120) == 0
    assert steps_saved(tmp_path / "pty") == [6]
