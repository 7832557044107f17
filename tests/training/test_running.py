"""Start of a training: imports, and the images loaded beside them."""

import os
import signal
import subprocess
import sys

import pytest

import data
from training import running

IMPORTS = """
import sys
from training.running import without_wrappers
with without_wrappers():
    import keras
print("sklearn" in sys.modules)
import sklearn.neighbors
print("sklearn" in sys.modules)
"""


@pytest.mark.slow
def test_import_of_keras_skips_its_wrappers_and_leaves_scikit_learn(python):
    assert python("-c", IMPORTS).out == "False\nTrue\n"


def test_wrappers_of_an_imported_keras_are_left_alone(monkeypatch):
    import sklearn

    with running.without_wrappers():
        assert running.sys.modules["sklearn"] is sklearn


def test_tfds_sets_are_those_without_path_and_not_embedded(tmp_path):
    (tmp_path / "x.npz").write_bytes(b"")
    assert not data.of_tfds("mnist")
    assert not data.of_tfds(str(tmp_path))
    assert not data.of_tfds(str(tmp_path / "x.npz"))
    assert data.of_tfds("cifar-10")
    assert data.of_tfds("oxford_flowers102")


@pytest.mark.parametrize("of_tfds", [False, True])
def test_error_of_the_images_is_one_line(call, tmp_path, monkeypatch, of_tfds):
    """Of images that are loaded beside the imports, and of those loaded after them."""
    path = tmp_path / "images.npz"
    path.write_bytes(b"no archive")
    monkeypatch.setattr(data, "of_tfds", lambda name: of_tfds)
    done = call("train", "--model=gan", f"--dataset={path}", f"--outdir={tmp_path / 'run'}")
    assert str(path) in done.refusal()


INTERRUPTED = """
import signal, sys, time
import data
import train
from cli import flags

signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background ignores it

def slow(**arguments):
    print("loading", flush=True)
    time.sleep(60)

data.load = slow
sys.exit(flags.run_script(train.main, sys.argv[1:]))
"""


def test_sigint_while_images_are_loaded_ends_at_once(tmp_path, root):
    command = [sys.executable, "-c", INTERRUPTED, "--model=gan", f"--outdir={tmp_path / 'run'}"]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "loading\n"
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 130
