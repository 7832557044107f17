"""Runs that the tests of train.py share."""

import pathlib
import shutil
import signal
import types

import pytest

from tests.train.cases import EVALUATION, SCHEDULE, STOPPED, steps_saved


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("resume")


@pytest.fixture(scope="session")
def whole(call, tiny, folder):
    """An uninterrupted run of 24 steps."""
    done = call("train", *tiny, *SCHEDULE, f"--outdir={folder / 'whole'}")
    assert done.code == 0, done
    return folder / "whole"


@pytest.fixture(scope="session")
def killed(python, tiny, folder):
    """The same run, killed in step 13, in the middle between the checkpoints 10 and 15."""
    argv = [*tiny, *SCHEDULE, f"--outdir={folder / 'killed'}"]
    done = python("-c", STOPPED, 13, int(signal.SIGKILL), *argv)
    assert done.code == -signal.SIGKILL, done
    assert steps_saved(folder / "killed") == [5, 10]
    return folder / "killed"


@pytest.fixture(scope="session")
def resumed(call, tiny, folder, killed):
    """The killed run, resumed after adding everything that a kill can leave behind."""
    path = pathlib.Path(shutil.copytree(killed, folder / "resumed"))
    leftover = path / "checkpoints" / "ckpt-15_temp"
    leftover.mkdir()
    (leftover / "part-00000-of-00001.data-00000-of-00001").write_bytes(b"half")
    with (path / "metrics.jsonl").open("a") as log:
        log.write('{"step": 13, "epo')
    done = call("train", *tiny, *SCHEDULE, f"--outdir={path}")
    assert done.code == 0, done
    return types.SimpleNamespace(path=path, outcome=done)


@pytest.fixture(scope="module")
def measured(call, tiny, folder, cache):
    """The uninterrupted run with evaluation: path and outcome."""
    done = call("train", *tiny, *SCHEDULE, *EVALUATION, f"--outdir={folder / 'measured'}")
    assert done.code == 0, done
    return types.SimpleNamespace(path=folder / "measured", outcome=done)
