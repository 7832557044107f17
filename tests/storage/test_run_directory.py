"""Lock, configuration and log of a run directory."""

import json
import math
import os
import shutil
import signal
import subprocess
import sys

import pytest

from errors import UserError
from storage.checkpoint_files import DATA, INDEX
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


def test_empty_directory_is_removed_with_the_folders_that_were_made_for_it(tmp_path):
    (tmp_path / "user").mkdir()
    with RunDirectory(tmp_path / "user" / "a" / "b"):
        assert (tmp_path / "user" / "a" / "b").is_dir()
    assert os.listdir(tmp_path) == ["user"]
    assert os.listdir(tmp_path / "user") == []
    with RunDirectory(tmp_path / "user" / "a" / "b"):
        (tmp_path / "user" / "a" / "other").touch()
    assert os.listdir(tmp_path / "user" / "a") == ["other"]


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
    with pytest.raises(UserError) as error:
        RunDirectory(tmp_path / "file" / below).__enter__()
    expected = f"outdir: {tmp_path / 'file'}: is a file, not a folder. Choose another directory"
    assert str(error.value) == expected


def test_read_config_of_a_missing_run_raises_and_creates_nothing(tmp_path):
    run = RunDirectory(tmp_path / "new")
    assert run.records() == []
    with pytest.raises(UserError, match=r"no run found \(config.json is missing\)"):
        run.read_config()
    assert not (tmp_path / "new").exists()


GOOD = {
    "commands": ["python train.py"],
    "options": {},
    "hyperparameters": {},
    "data": {"name": "a", "fingerprint": "f", "image_shape": [8, 8, 1], "num_classes": 0},
    "total_steps": 3,
}
DAMAGED = {
    **{name: {**GOOD, name: value} for name in GOOD for value in (7.5, "x", None, [])},
    "empty commands": {**GOOD, "commands": []},
    "command that is a number": {**GOOD, "commands": [1]},
    "environment that is a list": {**GOOD, "environment": []},
    **{f"without {name}": {k: v for k, v in GOOD.items() if k != name} for name in GOOD},
}


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[1,", b"\x00", b"{}", b"[]", b"5", b"\xff\xfe", b"[" * 100_000],
    ids=lambda content: str(content[:5]),
)
def test_damaged_config_json_raises_one_line(tmp_path, content):
    (tmp_path / "config.json").write_bytes(content)
    with pytest.raises(UserError, match=r"config.json: cannot be read") as error:
        RunDirectory(tmp_path).read_config()
    assert "\n" not in str(error.value)
    assert str(error.value).endswith("restore it from a copy")


@pytest.mark.parametrize("name", DAMAGED)
def test_config_json_with_an_entry_of_another_type_raises(tmp_path, name):
    (tmp_path / "config.json").write_text(json.dumps(GOOD))
    assert RunDirectory(tmp_path).read_data() == GOOD["data"]
    (tmp_path / "config.json").write_text(json.dumps(DAMAGED[name]))
    with pytest.raises(UserError, match=r"config.json: cannot be read \(") as error:
        RunDirectory(tmp_path).read_config()
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "change",
    [
        {"name": 1},
        {"fingerprint": None},
        {"image_shape": [8, 8]},
        {"image_shape": [8, 8, -1]},
        {"image_shape": [8, 8, 1.0]},
        {"image_shape": "8x8x1"},
        {"num_classes": -1},
        {"num_classes": True},
    ],
    ids=str,
)
def test_config_json_with_invalid_data_raises(tmp_path, change):
    saved = {**GOOD, "data": {**GOOD["data"], **change}}
    (tmp_path / "config.json").write_text(json.dumps(saved))
    with pytest.raises(UserError, match=r"config.json: cannot be read \(data: .*restore it"):
        RunDirectory(tmp_path).read_data()


def make_checkpoint(run, step):
    run.checkpoints.mkdir()
    for suffix in (INDEX, DATA):
        (run.checkpoints / f"ckpt-{step}{suffix}").write_bytes(b"x")


def test_damaged_config_json_beside_checkpoints_may_be_deleted(tmp_path):
    run = RunDirectory(tmp_path)
    make_checkpoint(run, 5)
    run.config.write_text("{")
    with pytest.raises(UserError, match="copy, or delete it and repeat the command of the trainin"):
        run.read_config()


def test_write_config_of_a_resumed_run_appends_its_command(tmp_path):
    run, longer = RunDirectory(tmp_path), {**CONFIG, "hyperparameters": {"epochs": 3}}
    run.write_config(CONFIG, {"name": "a"}, {"python": "3"}, "nothing saved", 10)
    run.write_config(CONFIG, {"name": "a"}, {"python": "3"}, "first", 10)
    make_checkpoint(run, 5)
    run.write_config(longer, {"name": "b"}, {"python": "4"}, "second", 20)
    saved = run.read_config()
    assert saved["commands"] == ["first", "second"]
    assert saved["hyperparameters"] == {"epochs": 3}
    assert (saved["data"], saved["environment"]) == ({"name": "b"}, {"python": "4"})
    assert saved["total_steps"] == 20


@pytest.fixture
def run(tmp_path):
    """Return a locked run directory."""
    with RunDirectory(tmp_path) as run:
        yield run


def test_records_skip_a_line_cut_off(run, tmp_path, capsys):
    for step in (1, 2):
        run.log({"step": step, "loss": 0.5 * step})
    with (tmp_path / "metrics.jsonl").open("a") as log:
        log.write('{"step": 3, "lo')
    assert run.records() == [{"step": 1, "loss": 0.5}, {"step": 2, "loss": 1.0}]
    assert capsys.readouterr().err == ""


NO_RECORDS = {
    "half a line": b'{"step": 2, "lo',
    "empty line": b"",
    "number": b"5",
    "empty object": b"{}",
    "list": b"[1]",
    "NULs": b"\x00" * 512,
    "not UTF-8": b'{"step": 2, "loss\xff": 1}',
    "step as text": b'{"step": "2"}',
    "step that is negative": b'{"step": -1}',
    "step that is true": b'{"step": true}',
    "text": b'{"step": 2, "loss": "low"}',
    "nested": b'{"step": 2, "loss": {}}',
    "integer of 400 digits": b'{"step": 2, "loss": 1' + b"0" * 400 + b"}",
    "integer of 5000 digits": b'{"step": 1' + b"0" * 5000 + b"}",
    "nested without end": b"[" * 100_000,
    "name with a formula": b'{"step": 2, "$x": 1}',
}


@pytest.mark.parametrize("line", NO_RECORDS)
def test_records_name_damaged_lines_once_and_return_the_others(tmp_path, capsys, line):
    good = [b'{"step": 1, "loss": 1.0}', b'{"step": 3, "loss": NaN}']
    (tmp_path / "metrics.jsonl").write_bytes(b"\n".join([good[0], NO_RECORDS[line], good[1], b""]))
    run = RunDirectory(tmp_path)
    for _ in range(2):
        first, last = run.records()
        assert first == {"step": 1, "loss": 1.0}
        assert last["step"] == 3
        assert math.isnan(last["loss"])
    warning = f"warning: {tmp_path}/metrics.jsonl: 1 damaged line is left out (line 2)\n"
    assert capsys.readouterr().err == warning
    run.forget_after(3)
    written = (tmp_path / "metrics.jsonl").read_text()
    assert written == '{"step": 1, "loss": 1.0}\n{"step": 3, "loss": null}\n'
    assert len(run.records()) == 2
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_log_writes_a_number_that_is_not_finite_as_null(run, tmp_path, value):
    run.log({"step": 1, "loss": value, "other": 2.5})
    assert (tmp_path / "metrics.jsonl").read_text() == '{"step": 1, "loss": null, "other": 2.5}\n'
    (record,) = run.records()
    assert math.isnan(record["loss"])
    assert record["other"] == 2.5


STATUS = {"new": {}, "damaged": b"{", "list": b"[1]", "not UTF-8": b"\xff", "empty": b""}


@pytest.mark.parametrize("content", STATUS)
def test_status_that_cannot_be_read_is_empty(tmp_path, content):
    run = RunDirectory(tmp_path)
    if STATUS[content]:
        (tmp_path / "status.json").write_bytes(STATUS[content])
    assert run.status() == {}
    run.set_status(checkpoint=5)
    assert run.status() == {"checkpoint": 5, "finished": None}
    run.set_status(finished=9)
    assert run.status() == {"checkpoint": 5, "finished": 9}


def test_finished_is_read_from_the_status_not_from_the_times_of_files(tmp_path):
    run = RunDirectory(tmp_path)
    run.write_config(CONFIG, GOOD["data"], {}, "command", 10)
    run.set_status(checkpoint=5)
    assert not run.finished
    run.set_status(finished=10)
    assert not run.finished  # without its last checkpoint
    make_checkpoint(run, 10)
    assert run.finished
    run.write_config(CONFIG, GOOD["data"], {}, "longer", 20)
    assert not run.finished


TEMPORARY = {
    "": ("config.json", "status.json", "metrics.jsonl", "samples.png", "plane-3.png", "curves.png"),
    "checkpoints": ("checkpoint", "ckpt-8", "ckpt-8.index", "ckpt-8.data-00000-of-00001"),
    "samples": ("step-0000004.png",),
    "planes": ("span-3-step-0000004.png",),
    "reconstructions": ("step-0000004.png",),
    "traversals": ("code-0-span-2.png", "code-0-span-2.gif"),
    "styles": ("noise.png",),
    "export": ("generator.keras", "saved_model"),
}
OF_OTHERS = (
    *("notes.tmp", ".hidden", ".0123456.tmp.config.json", ".notes.username.tmp", "samples/x.png"),
    *(".01234567.tmp.evaluation.json", ".01234567.tmp.neighbours.png", ".01234567.tmp.notes.txt"),
    *("generated/.01234567.tmp.grid-seed0.png", "evaluation-step-6/.01234567.tmp.evaluation.json"),
    *("dcgan/.01234567.tmp.config.json", "dcgan/checkpoints/.01234567.tmp.ckpt-8/ckpt-8.index"),
    "checkpoints/.01234567.tmp.config.json",
)


def test_sweep_deletes_temporary_files_of_trainings_only(tmp_path):
    for folder, names in TEMPORARY.items():
        (tmp_path / folder).mkdir(exist_ok=True)
        for name in names:
            (tmp_path / folder / f".01234567.tmp.{name}").touch()
            (tmp_path / folder / f".{name}.89abcdef.tmp").mkdir()
            (tmp_path / folder / f".{name}.89abcdef.tmp" / "part").touch()
    for name in OF_OTHERS:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    RunDirectory(tmp_path).sweep()
    left = [str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file()]
    assert sorted(left) == sorted(OF_OTHERS)
    assert not list(tmp_path.rglob("*.89abcdef.tmp"))


def test_log_into_a_removed_directory_raises_one_line(tmp_path):
    with RunDirectory(tmp_path / "x") as run:
        run.log({"step": 1})
        shutil.rmtree(run.path)
        with pytest.raises(UserError, match="the run directory is gone"):
            run.log({"step": 2})
    assert not (tmp_path / "x").exists()


def test_directory_made_again_by_another_training_is_not_written_to(tmp_path):
    first = RunDirectory(tmp_path / "x").__enter__()
    first.log({"step": 1})
    shutil.rmtree(first.path)
    with RunDirectory(tmp_path / "x") as second:
        for write in (
            lambda: first.log({"step": 2}),
            lambda: first.set_status(finished=2),
            lambda: first.write_config(CONFIG, {}, {}, "command", 2),
            lambda: first.optional("pictures").__enter__(),
        ):
            with pytest.raises(UserError, match="the run directory is gone"):
                write()
        first.__exit__()
        assert os.listdir(second.path) == [".lock"]
        second.log({"step": 1})
    assert second.records() == [{"step": 1}]


def test_optional_writes_that_fail_warn_once(tmp_path, capsys):
    with RunDirectory(tmp_path) as run:
        for _ in range(3):
            with run.optional("pictures"):
                raise OSError(28, "No space left on device")
    expected = f"warning: {tmp_path}: pictures cannot be written (No space left on device)\n"
    assert capsys.readouterr().err == expected


def test_pictures_that_cannot_be_drawn_warn_once(tmp_path, capsys):
    with RunDirectory(tmp_path) as run:
        for _ in range(2):
            with run.optional("pictures"):
                raise RuntimeError("latex could not be found")
        with pytest.raises(UserError, match="invalid"), run.optional("pictures"):
            raise UserError("invalid")
    reason = "RuntimeError: latex could not be found"
    assert capsys.readouterr().err == f"warning: {tmp_path}: pictures cannot be drawn ({reason})\n"


def test_forget_after_removes_later_lines_and_pictures(run, tmp_path):
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
    assert os.listdir(tmp_path) == []


def test_path_with_a_tilde_is_in_the_home_directory(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert RunDirectory("~/runs/x").config == tmp_path / "runs" / "x" / "config.json"


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (KeyError("x"), "it lacks the entry 'x'"),
        *((kind("x"), "x") for kind in (TypeError, UserError, ValueError, IndexError)),
    ],
)
def test_parsed_config_of_another_version_names_the_file(tmp_path, error, reason):
    run = RunDirectory(tmp_path)
    run.write_config(CONFIG, {}, {}, "command", 1)
    assert run.parsed_config(lambda saved: saved["options"]) == {"seed": 1}

    def parse(saved):
        raise error

    with pytest.raises(UserError) as raised:
        run.parsed_config(parse)
    assert (
        str(raised.value)
        == f"{run.config}: damaged or written by another version of the code ({reason})"
    )


def test_error_of_a_run_without_checkpoints_depends_on_whether_it_had_one(tmp_path):
    run = RunDirectory(tmp_path)
    missing = (
        f"run: {tmp_path}: its checkpoints are missing. Restore the folder checkpoints/, or move "
        "the run away and train it again"
    )
    untrained = f"run: {tmp_path}: no checkpoint found. Train it first with outdir={tmp_path}"
    assert not run.has_lost_checkpoints()
    assert str(run.without_checkpoints("run")) == untrained
    run.log({"step": 3})  # of an earlier version, without a status
    assert [run.has_lost_checkpoints(every) for every in (2, 3)] == [True, False]
    assert str(run.without_checkpoints("run")) == missing
    run.set_status(checkpoint=None)
    assert not run.has_lost_checkpoints()
    run.set_status(checkpoint=2)
    assert run.has_lost_checkpoints(3)
    assert str(run.without_checkpoints("run")) == missing


def test_file_in_place_of_a_run_directory_raises(tmp_path):
    (tmp_path / "x.safetensors").write_bytes(b"")
    with pytest.raises(UserError, match=r"x\.safetensors: a file, not a run directory"):
        RunDirectory(tmp_path / "x.safetensors").read_config()
