"""Lock, configuration and log of a run directory."""

import json
import os
import signal
import subprocess
import sys

import pytest

from errors import UserError
from storage.run_directory import RunDirectory

CONFIG = {"options": {"seed": 1}, "hyperparameters": {"epochs": 2}}


def test_directory_is_made_and_locked_until_exit(tmp_path):
    path = tmp_path / "a" / "b"
    with RunDirectory(path):
        assert path.is_dir()
        with pytest.raises(UserError, match="another process trains in it") as error:
            RunDirectory(path).__enter__()
        assert str(path) in str(error.value)
        with RunDirectory(tmp_path / "c"):
            pass
    with RunDirectory(path):
        pass


def test_empty_directory_is_removed_on_exit(tmp_path):
    with RunDirectory(tmp_path / "empty"), RunDirectory(tmp_path / "used") as used:
        used.log({"step": 1})
    assert os.listdir(tmp_path) == ["used"]
    assert used.records() == [{"step": 1}]


def test_error_inside_unlocks_the_directory(tmp_path):
    with pytest.raises(KeyboardInterrupt), RunDirectory(tmp_path):
        raise KeyboardInterrupt
    with RunDirectory(tmp_path):
        pass


HOLD = """
import sys, time
from storage.run_directory import RunDirectory
with RunDirectory(sys.argv[1]):
    print("held", flush=True)
    time.sleep(600)
"""


def test_directory_locked_by_another_process_raises_until_it_is_killed(tmp_path, root):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], cwd=root, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout.readline() == "held\n"
        with pytest.raises(UserError, match="another process trains in it"):
            RunDirectory(tmp_path).__enter__()
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
    with RunDirectory(tmp_path):
        pass


def test_directory_without_lock_support_is_entered(tmp_path, monkeypatch):
    fcntl = pytest.importorskip("fcntl")

    def unsupported(*_):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(fcntl, "flock", unsupported)
    with RunDirectory(tmp_path):
        assert tmp_path.is_dir()


@pytest.mark.parametrize("below", ["", "below"])
def test_directory_that_cannot_be_made_raises_one_line(tmp_path, below):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot be written") as error:
        RunDirectory(tmp_path / "file" / below).__enter__()
    assert "\n" not in str(error.value)


def test_read_config_of_a_missing_run_raises_and_creates_nothing(tmp_path):
    run = RunDirectory(tmp_path / "new")
    assert run.records() == []
    with pytest.raises(UserError, match=r"no run found \(config.json is missing\)"):
        run.read_config()
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("content", ["", "{", "[1,", "\x00", "{}", "[]"])
def test_damaged_config_json_raises_one_line(tmp_path, content):
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(UserError, match=r"config.json: cannot be read") as error:
        RunDirectory(tmp_path).read_config()
    assert "\n" not in str(error.value)


def test_write_config_of_a_resumed_run_appends_its_command(tmp_path):
    run, longer = RunDirectory(tmp_path), {**CONFIG, "hyperparameters": {"epochs": 3}}
    run.write_config(CONFIG, {"name": "a"}, {"python": "3"}, "nothing saved", 10)
    run.write_config(CONFIG, {"name": "a"}, {"python": "3"}, "first", 10)
    run.checkpoints.mkdir()
    (run.checkpoints / "ckpt-5.index").touch()
    run.write_config(longer, {"name": "b"}, {"python": "4"}, "second", 20)
    saved = run.read_config()
    assert saved["commands"] == ["first", "second"]
    assert saved["hyperparameters"] == {"epochs": 3}
    assert (saved["data"], saved["environment"]) == ({"name": "b"}, {"python": "4"})
    assert saved["total_steps"] == 20


def test_records_skip_a_line_cut_off(tmp_path):
    run = RunDirectory(tmp_path)
    for step in (1, 2):
        run.log({"step": step, "loss": 0.5 * step})
    with (tmp_path / "metrics.jsonl").open("a") as log:
        log.write('{"step": 3, "lo')
    assert run.records() == [{"step": 1, "loss": 0.5}, {"step": 2, "loss": 1.0}]


def test_forget_after_removes_later_lines_and_pictures(tmp_path):
    run = RunDirectory(tmp_path)
    run.samples.mkdir()
    for step in (1, 2, 3):
        run.log({"step": step})
        (run.samples / f"step-{step:07}.png").touch()
    (run.samples / "step-12345678.png").touch()
    run.planes.mkdir()
    for step in (2, 3):
        (run.planes / f"span-1-step-{step:07}.png").touch()
    with (tmp_path / "metrics.jsonl").open("a") as log:
        log.write('{"step": 4')
    run.forget_after(2)
    assert (tmp_path / "metrics.jsonl").read_text() == '{"step": 1}\n{"step": 2}\n'
    assert sorted(os.listdir(run.samples)) == ["step-0000001.png", "step-0000002.png"]
    assert os.listdir(run.planes) == ["span-1-step-0000002.png"]
    run.log({"step": 3})
    lines = (tmp_path / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [1, 2, 3]


def test_forget_after_without_a_log_does_nothing(tmp_path):
    run = RunDirectory(tmp_path)
    run.forget_after(0)
    assert run.records() == []


def test_path_with_a_tilde_is_in_the_home_directory(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert RunDirectory("~/runs/x").config == tmp_path / "runs" / "x" / "config.json"


@pytest.mark.parametrize(
    ("error", "reason"),
    [(KeyError("x"), "it lacks the entry 'x'"), (TypeError("x"), "x"), (UserError("x"), "x")],
)
def test_parsed_config_of_another_version_names_the_file(tmp_path, error, reason):
    run = RunDirectory(tmp_path)
    run.write_config(CONFIG, {}, {}, "command", 1)
    assert run.parsed_config(lambda saved: saved["options"]) == {"seed": 1}

    def parse(saved):
        raise error

    with pytest.raises(UserError) as raised:
        run.parsed_config(parse)
    assert str(raised.value) == f"{run.config}: written by another version of the code ({reason})"
