"""Copies on another drive: a run resumes from them, and no fault of the drive stops a training."""

import errno
import os
import shutil
import threading
import time

import pytest

from storage.run_directory import RunDirectory
from tests.train.cases import SCHEDULE, files, records, saved_config, steps_saved, timeless
from training import copying

COPIED = {"config.json", "metrics.jsonl", "status.json", "samples.png", "real.png", "curves.png"}


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch):
    monkeypatch.setattr(copying, "PAUSE", 0.01)


@pytest.fixture
def drive(tmp_path):
    path = tmp_path / "drive"
    path.mkdir()
    return path


@pytest.fixture
def train(call, tiny, tmp_path, drive):
    """train(*argv) -> Outcome of the training of 24 steps, with copies on the drive."""

    def train(*argv):
        ends = (f"--outdir={tmp_path / 'run'}", f"--copy_to={drive}")
        return call("train", *tiny, *SCHEDULE, *ends, *argv)

    return train


def is_whole(copy) -> bool:
    """Return whether no temporary file is left in a copy."""
    return not [name for name in files(copy) if ".tmp" in name or "_temp" in name]


def assert_equal_runs(run, whole, checkpoint, assert_same_bits):
    """Assert that a run ended as the uninterrupted one: weights, records and pictures."""
    ends = [checkpoint(path / "checkpoints" / "ckpt-24") for path in (run, whole)]
    assert_same_bits(*ends)
    expected = [timeless(line) for line in records(whole)]
    assert [timeless(line) for line in records(run)] == expected
    assert files(run / "samples") == files(whole / "samples")
    assert (run / "progress.gif").read_bytes() == (whole / "progress.gif").read_bytes()


def test_copy_of_a_finished_run_has_its_essentials(train, tmp_path, drive):
    done = train()
    assert (done.code, done.err) == (0, "")
    run, copy = tmp_path / "run", drive / "run"
    copied = files(copy)
    assert COPIED | {"progress.gif"} <= set(copied)
    assert steps_saved(copy) == steps_saved(run) == [15, 20, 24]
    assert is_whole(copy)
    here = files(run)
    assert {name: here[name] for name in copied} == copied


def test_resume_from_the_copy_after_the_run_was_deleted_gives_the_same_bits(
    train, tmp_path, drive, whole, checkpoint, assert_same_bits
):
    assert train("--epochs=1", "--sample_every=6").code == 0
    shutil.rmtree(tmp_path / "run")
    done = train()
    assert done.code == 0, done
    assert f"step 12 is copied back from {drive / 'run'}" in done.out
    assert "steps 12 to 24" in done.out
    assert_equal_runs(tmp_path / "run", whole, checkpoint, assert_same_bits)
    assert len(saved_config(tmp_path / "run")["commands"]) == 2


def test_resume_must_accepts_a_copy_and_never_raises(train, tmp_path, drive):
    assert train("--steps=5").code == 0
    shutil.rmtree(tmp_path / "run")
    before = files(drive)
    assert "--resume: resume=never requires" in train("--steps=6", "--resume=never").refusal()
    assert files(drive) == before
    assert not (tmp_path / "run").exists()
    assert train("--steps=6", "--resume=must").code == 0


def test_resume_uses_the_newer_of_run_and_copy(train, tmp_path, drive):
    assert train("--steps=5").code == 0
    shutil.copytree(drive / "run", tmp_path / "early")
    assert train("--steps=6").code == 0
    run = tmp_path / "run"
    shutil.rmtree(run)
    shutil.copytree(tmp_path / "early", run)  # the run is at step 5, the copy at step 6
    assert "steps 6 to 7" in train("--steps=7").out
    shutil.rmtree(drive / "run")
    shutil.copytree(tmp_path / "early", drive / "run")  # the run is at step 7, the copy at step 5
    done = train("--steps=8")
    assert "copied back" not in done.out
    assert "steps 7 to 8" in done.out
    assert steps_saved(drive / "run") == steps_saved(run)


def test_copy_of_another_configuration_is_one_line_and_stays_unchanged(train, tmp_path, drive):
    assert train("--steps=2").code == 0
    shutil.rmtree(tmp_path / "run")
    before = files(drive)
    refusal = train("--steps=2", "--seed=9").refusal()
    assert refusal.startswith(f"--copy_to: {drive / 'run'} is the copy of a run of another conf")
    assert "seed was 0, is 9" in refusal
    assert files(drive) == before


def test_copy_of_other_images_is_one_line_and_leaves_the_run_unchanged(train, tmp_path, drive):
    assert train("--steps=2").code == 0
    copy = drive / "run" / "config.json"
    print_of_data = saved_config(tmp_path / "run")["data"]["fingerprint"]
    copy.write_text(copy.read_text().replace(print_of_data, "0" * 64))
    before = files(tmp_path / "run")
    assert "its images differ" in train("--steps=3").refusal()
    assert files(tmp_path / "run") == before


@pytest.mark.parametrize("folder", ["missing", "drive/../run", "."])
def test_copy_to_a_missing_or_overlapping_folder_is_one_line(call, tiny, tmp_path, drive, folder):
    ends = (f"--outdir={tmp_path / 'run'}", f"--copy_to={tmp_path / folder}")
    done = call("train", *tiny, "--steps=1", *ends)
    assert done.refusal().startswith("--copy_to: ")
    assert not (tmp_path / "run").exists()


@pytest.fixture
def run(tmp_path, tiny_run):
    """A locked copy of the tiny run, with checkpoints of the steps 4 and 6."""
    shutil.copytree(tiny_run.path, tmp_path / "run")
    with RunDirectory(tmp_path / "run") as run:
        yield run


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


def test_full_drive_is_one_warning_and_the_run_is_complete(
    train, small_disk, tmp_path, whole, checkpoint, assert_same_bits
):
    done = train(f"--copy_to={small_disk(64)}")
    assert done.code == 0, done
    first, last = done.err.splitlines()
    assert "no copy, tried again after each checkpoint (disk full: " in first
    assert "the copy is empty, the run is at step 24" in last
    assert_equal_runs(tmp_path / "run", whole, checkpoint, assert_same_bits)


def test_drive_removed_in_mid_training_is_one_warning_and_not_created_again(
    train, drive, tmp_path, monkeypatch, whole, checkpoint, assert_same_bits
):
    from training import callbacks

    after_step = callbacks.Log.after_step

    def removing(log, scalars):
        after_step(log, scalars)
        if log.step == 12:
            shutil.rmtree(drive)

    monkeypatch.setattr(callbacks.Log, "after_step", removing)
    done = train()
    assert done.code == 0, done
    first, last = done.err.splitlines()
    assert "no copy, tried again after each checkpoint (" in first
    assert f"{drive / 'run'}: the copy is " in last
    assert not drive.exists()
    assert_equal_runs(tmp_path / "run", whole, checkpoint, assert_same_bits)


def test_unmounted_drive_is_not_written_to_the_disk_below(run, small_disk, capsys):
    disk = small_disk(8192)
    with copying.Copies(run, disk / "run") as copies:
        os.system(f"umount {disk}")
        copies.request()
    assert "is not mounted any more" in capsys.readouterr().err
    assert list(disk.iterdir()) == []
