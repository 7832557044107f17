"""Runs that the tests of faults damage, and full disks."""

import contextlib
import pathlib
import shutil
import subprocess
import types

import pytest

from storage.checkpoint_files import DATA, INDEX
from tests.train.cases import steps_saved

SCHEDULE = (
    "--seed=5", "--checkpoint_every=2", "--log_every=3", "--sample_every=3", "--steps=9",
)  # fmt: skip


@pytest.fixture(scope="session")
def short(digits):
    """The flags of a training of 9 steps with checkpoints every 2 steps."""
    small = ("--model=gan", "--width=4", "--depth=1", "--noise_dim=4", "--batch_size=4")
    return (*small, f"--dataset={digits}", *SCHEDULE)


@contextlib.contextmanager
def light_ends():
    """Skip the export and the pictures of latents at the end of trainings, which take seconds."""
    from training import finishing

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(finishing, "export", lambda network, folder: None)
        patch.setattr(finishing, "save_traversals", lambda *_: [])
        yield


@pytest.fixture(scope="session")
def all_saved(tmp_path_factory, call, short):
    """The uninterrupted run of 9 steps with all its checkpoints, read-only."""
    path = tmp_path_factory.mktemp("faults") / "all"
    with light_ends():
        done = call("train", *short, "--keep_checkpoints=5", f"--outdir={path}")
    assert done.code == 0, done
    assert steps_saved(path) == [2, 4, 6, 8, 9]
    return path


def delete_checkpoints(path, steps):
    for step in steps:
        for suffix in (INDEX, DATA):
            (path / "checkpoints" / f"ckpt-{step}{suffix}").unlink()


@pytest.fixture(scope="session")
def end(tmp_path_factory, all_saved):
    """The uninterrupted run with its last three checkpoints, read-only."""
    path = pathlib.Path(shutil.copytree(all_saved, tmp_path_factory.mktemp("faults") / "end"))
    delete_checkpoints(path, (2, 4))
    return path


@pytest.fixture(scope="session")
def stopped(tmp_path_factory, all_saved):
    """The same run as if it had been stopped at step 6, read-only."""
    path = pathlib.Path(shutil.copytree(all_saved, tmp_path_factory.mktemp("faults") / "stopped"))
    delete_checkpoints(path, (8, 9))
    (path / "status.json").write_text('{"checkpoint": 2, "finished": null}')
    lines = (path / "metrics.jsonl").read_text().splitlines(keepends=True)
    (path / "metrics.jsonl").write_text("".join(lines[:2]))
    for name in ("curves.png", "progress.gif", "samples.png", "samples/step-0000009.png"):
        (path / name).unlink()
    return path


@pytest.fixture
def run(stopped, tmp_path):
    """A copy of the stopped run that a test may damage."""
    return pathlib.Path(shutil.copytree(stopped, tmp_path / "run"))


@pytest.fixture
def finished(end, tmp_path):
    """A copy of the uninterrupted run that a test may damage."""
    return pathlib.Path(shutil.copytree(end, tmp_path / "finished"))


@pytest.fixture
def light_end():
    """Make the trainings of a test end without export and pictures of latents."""
    with light_ends():
        yield


@pytest.fixture
def resume(call, short, light_end):
    """resume(run, *flags) -> Outcome of train.py with the flags of the run."""

    def resume(run, *flags):
        return call("train", *short, f"--outdir={run}", *flags)

    return resume


@pytest.fixture(scope="session")
def assert_same_end(end, assert_same_bits):
    """assert_same_end(run): its last checkpoint and its records are those of `end`."""
    from storage.checkpoints import read
    from tests.train.cases import records, timeless

    expected = read(end / "checkpoints" / "ckpt-9").tensors
    lines = [timeless(line) for line in records(end)]

    def assert_same_end(run, from_step=0):
        assert_same_bits(read(run / "checkpoints" / "ckpt-9").tensors, expected)
        found = [timeless(line) for line in records(run)]
        assert found == [line for line in lines if line["step"] > from_step]

    return assert_same_end


@pytest.fixture(scope="session")
def warnings_of():
    """warnings_of(outcome) -> its warnings, after checking that it ended well without traceback."""

    def warnings_of(outcome: types.SimpleNamespace) -> list[str]:
        assert outcome.code == 0, outcome
        lines = outcome.err.splitlines()
        assert all(line.startswith("warning: ") for line in lines), outcome.err
        return [line.removeprefix("warning: ") for line in lines]

    return warnings_of


@pytest.fixture
def small_disk(tmp_path):
    """small_disk(kilobytes) -> the folder of a file system of this size."""
    mounted = []

    def small_disk(kilobytes: int):
        path = tmp_path / f"disk-{len(mounted)}"
        path.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(path)]
        try:
            done = subprocess.run(command, capture_output=True, text=True)
        except OSError as error:
            pytest.skip(f"no file system can be mounted: {error}")
        if done.returncode:
            pytest.skip(f"no file system can be mounted: {done.stderr.strip()}")
        mounted.append(path)
        return path

    yield small_disk
    for path in mounted:
        subprocess.run(["umount", "-l", str(path)], capture_output=True)


@pytest.fixture
def at_step(monkeypatch):
    """at_step(k, function) calls a function with the path of the run after step k of trainings."""
    from training import callbacks

    after_step = callbacks.Log.after_step

    def at_step(k, function):
        def acting(log):
            after_step(log)
            if log.step == k:
                function(log.run.path)

        monkeypatch.setattr(callbacks.Log, "after_step", acting)

    return at_step
