"""Copies on another drive: a run resumes from them, and no fault of the drive stops a training."""

import errno
import json
import os
import shutil
import signal
import threading
import time

import pytest

from errors import UserError
from storage.run_directory import RunDirectory
from tests.train.cases import (
    events_in,
    files,
    records,
    saved_config,
    steps_saved,
    tensors,
    timeless,
)
from training import copying, options, resume

ESSENTIALS = {
    *("config.json", "metrics.jsonl", "status.json", "samples.png", "real.png", "curves.png"),
    *("progress.gif", "samples/step-0000004.png", "checkpoints/ckpt-6.index"),
}


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch):
    monkeypatch.setattr(copying, "PAUSE", 0.01)


@pytest.fixture
def drive(tmp_path):
    path = tmp_path / "drive"
    path.mkdir()
    return path


@pytest.fixture
def train(call, tiny_run, tmp_path, drive):
    """train(*argv) -> Outcome of the training of the tiny run, with copies on the drive."""

    def train(*argv):
        ends = (f"--outdir={tmp_path / 'run'}", f"--copy_to={drive}")
        return call("train", *tiny_run.argv, *ends, *argv)

    return train


@pytest.fixture
def assert_equals_tiny_run(tiny_run, checkpoint, assert_same_bits):
    """assert_equals_tiny_run(path): weights, records and pictures of the uninterrupted run."""

    def assert_equals_tiny_run(path):
        whole = tiny_run.path
        assert_same_bits(*(checkpoint(p / "checkpoints" / "ckpt-6") for p in (path, whole)))
        expected = [timeless(line) for line in records(whole)]
        assert [timeless(line) for line in records(path)] == expected
        assert files(path / "samples") == files(whole / "samples")
        assert (path / "progress.gif").read_bytes() == (whole / "progress.gif").read_bytes()

    return assert_equals_tiny_run


@pytest.mark.slow
def test_resume_from_the_copy_after_the_run_was_deleted_gives_the_same_bits(
    train, at_step, tmp_path, drive, assert_equals_tiny_run
):
    at_step(4, lambda path: os.kill(os.getpid(), signal.SIGTERM))
    assert train().code == 128 + signal.SIGTERM
    shutil.rmtree(tmp_path / "run")
    done = train()
    assert done.code == 0, done
    device, copied, *_ = done.out.splitlines()
    assert device.startswith("device: ")
    assert copied == f"{tmp_path / 'run'}: step 4 is copied back from {drive / 'run'}"
    text = tensors(events_in(tmp_path / "run"), "config", "text")[0].item().decode()
    assert '"commands"' in text  # a run that is copied back has no event files
    assert "steps 4 to 6" in done.out
    assert_equals_tiny_run(tmp_path / "run")
    assert len(saved_config(tmp_path / "run")["commands"]) == 2
    run, copied = files(tmp_path / "run"), files(drive / "run")
    assert {name: run[name] for name in copied} == copied
    assert steps_saved(drive / "run") == [4, 6]


@pytest.fixture
def run(tmp_path, tiny_run):
    """A locked copy of the tiny run, with checkpoints of the steps 4 and 6."""
    shutil.copytree(tiny_run.path, tmp_path / "run")
    with RunDirectory(tmp_path / "run") as run:
        yield run


@pytest.fixture
def config(run, drive, tiny_run):
    """config(*argv) -> the configuration of the tiny run, with copies on the drive."""

    def config(*argv):
        ends = (f"--outdir={run.path}", f"--copy_to={drive}")
        return options.parse([*tiny_run.argv, *ends, *argv])

    return config


def set_step(run, old: int, new: int):
    """Rename a checkpoint of a run, as if it had been written later."""
    for file in run.checkpoints.glob(f"ckpt-{old}.*"):
        file.rename(file.with_name(file.name.replace(f"-{old}.", f"-{new}.")))


def test_slow_drive_never_blocks_and_the_newest_request_wins(run, drive, monkeypatch):
    copy, started, release, calls = copying.copy, threading.Event(), threading.Event(), []

    def slow(run, *rest):
        calls.append(steps_saved(run.path)[-1])
        started.set()
        release.wait(30)
        return copy(run, *rest)

    monkeypatch.setattr(copying, "copy", slow)
    with copying.Copies(run, drive / "run") as copies:
        copies.request()
        assert started.wait(30)
        start = time.monotonic()
        for step in (7, 8, 9):
            set_step(run, step - 1, step)
            copies.request()
        assert time.monotonic() - start < 1
        release.set()
    assert calls == [6, 9]
    assert steps_saved(drive / "run") == [4, 9]


def test_drive_that_hangs_is_waited_for_and_named(run, drive, monkeypatch, capsys):
    release = threading.Event()
    monkeypatch.setattr(copying, "LONGEST_WAIT", 0.2)
    monkeypatch.setattr(copying, "copy_file", lambda *_: release.wait(30))
    with copying.Copies(run, drive / "run") as copies:
        copies.request()
    release.set()
    out, err = capsys.readouterr()
    assert out == f"waiting for the copy in {drive / 'run'}, at most 0 s\n"
    assert err == f"warning: {drive / 'run'}: the copy is empty, the run is at step 6\n"


def fail_from(monkeypatch, end: str, error: int):
    """Let each copy of a file whose name has this end fail."""
    copy_file = copying.copy_file

    def failing(file, target, known):
        if target.name.endswith(end):
            raise OSError(error, os.strerror(error), str(target))
        copy_file(file, target, known)

    monkeypatch.setattr(copying, "copy_file", failing)


def test_failed_last_copy_is_named_with_the_newest_complete_step_of_the_copy(
    run, drive, monkeypatch, capsys
):
    copying.copy(run, drive / "run", {})
    set_step(run, 6, 9)
    fail_from(monkeypatch, "ckpt-9.index", errno.ENOSPC)
    with copying.Copies(run, drive / "run") as copies:
        copies.request()
    reason = f"disk full: {drive}/run/checkpoints/ckpt-9.index: No space left on device"
    assert capsys.readouterr().err.splitlines() == [
        f"warning: {drive}/run: no copy, tried again after each checkpoint ({reason})",
        f"warning: {drive}/run: the copy is at step 6, the run is at step 9",
    ]


def test_copy_that_fails_after_the_last_checkpoint_is_named_as_not_complete(
    run, drive, monkeypatch, capsys
):
    fail_from(monkeypatch, "status.json", errno.EIO)
    with copying.Copies(run, drive / "run") as copies:
        copies.request()
    last = capsys.readouterr().err.splitlines()[-1]
    assert last == f"warning: {drive}/run: the copy of step 6 is not complete"


def test_copy_on_a_drive_that_vanished_is_named_with_its_last_known_step(run, drive, capsys):
    copying.copy(run, drive / "run", {})
    set_step(run, 6, 9)
    with copying.Copies(run, drive / "run") as copies:
        while copies.steps is None:
            time.sleep(0.01)
        shutil.rmtree(drive)
        copies.request()
    last = capsys.readouterr().err.splitlines()[-1]
    assert last == f"warning: {drive}/run: the copy is at step 6, the run is at step 9"


def test_second_training_with_the_same_copy_is_warned_of_once(run, drive, tmp_path, capsys):
    other = RunDirectory(shutil.copytree(run.path, tmp_path / "other"))
    with copying.Copies(run, drive / "run") as copies:
        for step in (7, 8):
            copies.request()
            with copies._changed:
                copies._changed.wait_for(lambda: not (copies._wanted or copies._busy), 30)
            set_step(other, step - 1, step)
            copying.copy(other, drive / "run", {})
        copies.request()
    (warning,) = capsys.readouterr().err.splitlines()
    assert warning == (
        f"warning: {drive}/run: another training copies to this folder as well, and each deletes "
        "the checkpoints of the other. Stop one, or give it an outdir of another name"
    )


def test_keyboard_interrupt_does_not_wait_for_the_copy(run, drive, monkeypatch, capsys):
    started, release = threading.Event(), threading.Event()

    def hanging(*_):
        started.set()
        release.wait(30)

    monkeypatch.setattr(copying, "copy_file", hanging)

    def stopped():
        with copying.Copies(run, drive / "run") as copies:
            copies.request()
            assert started.wait(30)
            raise KeyboardInterrupt

    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        stopped()
    assert time.monotonic() - start < 10
    release.set()
    assert "waiting for the copy" not in capsys.readouterr().out


def test_second_signal_of_a_notebook_stop_does_not_interrupt_the_last_copy(
    train, at_step, monkeypatch, tmp_path, drive
):
    copy_file, slowly = copying.copy_file, threading.Event()

    def slow(*arguments):
        if slowly.is_set():
            time.sleep(0.3)
        copy_file(*arguments)

    def stop(path):
        slowly.set()
        os.kill(os.getpid(), signal.SIGINT)

    class Waiting(copying.Copies):
        def __exit__(self, *error):
            later = threading.Timer(0.2, lambda: os.kill(os.getpid(), signal.SIGINT))
            later.start()
            super().__exit__(*error)
            assert not later.is_alive()

    monkeypatch.setattr(copying, "copy_file", slow)
    monkeypatch.setattr("training.loop.Copies", Waiting)
    at_step(3, stop)
    done = train()
    assert done.code == 130, done
    assert "stopped by SIGINT at step 3; run the same command to resume" in done.out
    assert steps_saved(drive / "run") == steps_saved(tmp_path / "run") == [2, 3]


def test_checkpoint_deleted_during_its_copy_is_copied(run, drive, monkeypatch):
    copy_file = copying.copy_file

    def deleting(file, target, known):
        if file.name.endswith("ckpt-6.data-00000-of-00001"):
            for gone in run.checkpoints.glob("ckpt-6.*"):
                gone.unlink()
        copy_file(file, target, known)

    monkeypatch.setattr(copying, "copy_file", deleting)
    assert copying.copy(run, drive / "run", {}) == 6
    assert steps_saved(drive / "run") == [4, 6]


def test_older_checkpoints_of_the_copy_stay_until_the_new_one_is_complete(run, drive, monkeypatch):
    copying.copy(run, drive / "run", {})
    set_step(run, 4, 8)
    set_step(run, 6, 9)

    def full(file, target, known):
        if file.name.endswith(".index"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        copy_file(file, target, known)

    copy_file = copying.copy_file
    with monkeypatch.context() as patch:
        patch.setattr(copying, "copy_file", full)
        with pytest.raises(OSError, match="No space"):
            copying.copy(run, drive / "run", {})
    assert steps_saved(drive / "run") == [4, 6]
    copying.copy(run, drive / "run", {})
    assert steps_saved(drive / "run") == [8, 9]


def test_copy_of_an_unchanged_file_is_not_repeated(run, drive, monkeypatch):
    copying.copy(run, drive / "run", {})
    monkeypatch.setattr(shutil, "copyfileobj", None)
    copying.copy(run, drive / "run", {})


def test_drive_without_times_gets_each_file_once(run, drive, monkeypatch):
    def no_times(*_, **__):
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    known = {}
    monkeypatch.setattr(os, "utime", no_times)
    copying.copy(run, drive / "run", known)
    monkeypatch.setattr(shutil, "copyfileobj", None)
    copying.copy(run, drive / "run", known)


@pytest.mark.slow
def test_full_drive_is_one_warning_and_the_run_is_complete(
    train, small_disk, tmp_path, assert_equals_tiny_run
):
    done = train(f"--copy_to={small_disk(64)}")
    assert done.code == 0, done
    first, last = done.err.splitlines()
    assert "no copy, tried again after each checkpoint (disk full: " in first
    assert "the copy is empty, the run is at step 6" in last
    assert_equals_tiny_run(tmp_path / "run")


@pytest.mark.slow
def test_drive_removed_in_mid_training_is_one_warning_and_not_created_again(
    train, at_step, drive, tmp_path, assert_equals_tiny_run
):
    at_step(3, lambda path: drive.rename(tmp_path / "removed"))
    done = train()
    assert done.code == 0, done
    first, last = done.err.splitlines()
    assert "no copy, tried again after each checkpoint (" in first
    assert f"{drive / 'run'}: the copy is " in last
    assert not drive.exists()
    assert_equals_tiny_run(tmp_path / "run")


def test_unmounted_drive_is_not_written_to_the_disk_below(run, small_disk, capsys):
    disk = small_disk(8192)
    with copying.Copies(run, disk / "run") as copies:
        os.system(f"umount {disk}")
        copies.request()
    assert "is not mounted any more" in capsys.readouterr().err
    assert list(disk.iterdir()) == []


def test_copy_of_a_run_has_its_essentials(run, drive):
    copying.copy(run, drive / "run", {})
    copied, here = files(drive / "run"), files(run.path)
    assert set(copied) >= ESSENTIALS
    assert steps_saved(drive / "run") == steps_saved(run.path) == [4, 6]
    assert {name: here[name] for name in copied} == copied


def test_take_back_without_a_run_gives_the_copy(run, config, drive):
    copying.copy(run, drive / "run", {})
    before = files(drive)
    shutil.rmtree(run.path)
    with RunDirectory(run.path) as empty:
        line = f"{run.path}: step 6 is copied back from {drive / 'run'}"
        assert copying.take_back(config(), empty) == [line]
        resume.check(config("--resume=must"), empty)
    copied = files(run.path)
    copied.pop(".lock")
    assert copied == files(drive / "run")
    assert files(drive) == before


def test_take_back_of_a_newer_copy_keeps_the_checkpoints_of_the_run(run, config, drive):
    copying.copy(run, drive / "run", {})
    set_step(run, 6, 5)
    copying.take_back(config(), run)
    assert steps_saved(run.path) == [4, 5, 6]


def damage(run, step):
    """Change a byte of a checkpoint's data; size and time stay as they are."""
    file = run.checkpoints / f"ckpt-{step}.data-00000-of-00001"
    times, content = file.stat(), bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))


def test_take_back_replaces_a_damaged_newest_checkpoint(run, config, drive):
    copying.copy(run, drive / "run", {})
    expected = files(run.checkpoints)
    damage(run, 6)
    (line,) = copying.take_back(config(), run)
    assert line == f"{run.path}: step 6 is copied back from {drive / 'run'}"
    assert files(run.checkpoints) == expected


def test_take_back_of_a_step_between_an_intact_and_a_damaged_checkpoint(run, config, drive):
    copying.copy(run, drive / "run", {})
    set_step(run, 6, 9)
    damage(run, 9)
    before = files(run.checkpoints)
    copying.take_back(config(), run)
    assert steps_saved(run.path) == [4, 6, 9]
    assert files(run.checkpoints).items() >= before.items()


@pytest.mark.parametrize("damaged", [(6,), (4, 6)])
def test_take_back_of_a_damaged_copy_changes_nothing(run, config, drive, damaged):
    copying.copy(run, drive / "run", {})
    for step in damaged:
        damage(RunDirectory(drive / "run"), step)
    set_step(run, 6, 5)
    before = files(run.path)
    copying.take_back(config(), run)
    assert files(run.path) == before


def test_take_back_of_damaged_checkpoints_only_does_not_start_a_new_run(run, config, drive):
    copying.copy(run, drive / "run", {})
    for step in (4, 6):
        damage(RunDirectory(drive / "run"), step)
        damage(run, step)
    before = files(run.path)
    copying.take_back(config(), run)
    assert files(run.path) == before
    shutil.rmtree(run.checkpoints)
    copying.take_back(config(), run)
    assert steps_saved(run.path) == [4, 6]  # restoring them is an error


def test_copy_deletes_temporary_files_of_interrupted_copies_only(run, drive):
    copying.copy(run, drive / "run", {})
    expected = files(drive / "run")
    others = ("samples/.01234567.tmp.x.png", ".01234567.tmp.evaluation.json")
    left = ("samples/.01234567.tmp.step-0000004.png", "checkpoints/.01234567.tmp.ckpt-4.index")
    for name in (*others, *left, ".01234567.tmp.config.json"):
        (drive / "run" / name).touch()
    copying.copy(run, drive / "run", {})
    assert files(drive / "run") == expected | dict.fromkeys(others, b"")


def test_take_back_of_an_older_copy_changes_nothing(run, config, drive):
    copying.copy(run, drive / "run", {})
    set_step(run, 6, 7)
    before = files(run.path)
    copying.take_back(config(), run)
    assert files(run.path) == before


def test_take_back_stopped_before_the_end_is_repeated(run, config, drive, monkeypatch):
    copying.copy(run, drive / "run", {})
    copy_file = copying.copy_file

    def stopped(file, target, known):
        if file.name.endswith(".index"):
            raise KeyboardInterrupt
        copy_file(file, target, known)

    shutil.rmtree(run.path)
    with RunDirectory(run.path) as empty:
        with monkeypatch.context() as patch:
            patch.setattr(copying, "copy_file", stopped)
            with pytest.raises(KeyboardInterrupt):
                copying.take_back(config(), empty)
        assert not empty.has_checkpoints
        copying.take_back(config(), empty)
        assert steps_saved(run.path) == [4, 6]


def other_images(copy):
    saved = saved_config(copy)
    saved["data"]["fingerprint"] = "0" * 64
    (copy / "config.json").write_text(json.dumps(saved))


@pytest.mark.parametrize(
    ("argv", "change", "message"),
    [
        (["--seed=9"], None, "is the copy of a run of another configuration: seed was 5, is 9"),
        ([], other_images, "its images differ from those of"),
        (["--resume=never"], None, "resume=never requires a new directory, the copy"),
        ([], lambda copy: (copy / "config.json").write_text("{"), "config.json: cannot be read"),
    ],
)
def test_take_back_of_another_run_raises_and_changes_nothing(
    run, config, drive, argv, change, message
):
    copying.copy(run, drive / "run", {})
    if change:
        change(drive / "run")
    elif argv == ["--seed=9"]:
        shutil.rmtree(run.checkpoints)
    before = files(run.path), files(drive)
    with pytest.raises(UserError, match=message):
        copying.take_back(config(*argv), run)
    assert (files(run.path), files(drive)) == before


@pytest.mark.parametrize("folder", ["missing", ".", "run", "run/samples"])
def test_take_back_with_a_missing_or_overlapping_folder_raises(run, config, tmp_path, folder):
    with pytest.raises(UserError, match=r"^copy_to: .*(no such folder|overlap)"):
        copying.take_back(config(f"--copy_to={tmp_path / folder}"), run)


@pytest.mark.parametrize("place", ["drive", "drive/run"])
def test_take_back_from_a_file_raises(run, config, drive, place):
    argv = config("--copy_to=" + str(drive))
    path = drive.parent / place
    if place == "drive":
        drive.rmdir()
    path.write_text("")
    with pytest.raises(UserError) as error:
        copying.take_back(argv, run)
    assert str(error.value) == f"copy_to: {path}: is a file, not a folder. Choose another folder"
