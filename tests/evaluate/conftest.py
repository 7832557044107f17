"""Runs and a feature network that the tests of evaluate.py share."""

import pathlib
import shutil

import numpy as np
import pytest

from tests.evaluate.cases import evaluation_of


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """A .keras file of a network that takes coloured images of any size, without classes."""
    import keras

    keras.utils.set_random_seed(1)
    image = keras.Input((None, None, 3))
    x = keras.layers.Conv2D(6, 5, strides=2, activation="relu")(image)
    path = tmp_path_factory.mktemp("network") / "My-Net.keras"
    keras.Model(image, keras.layers.GlobalAveragePooling2D()(x)).save(path)
    return path


@pytest.fixture(scope="module")
def run(tiny_run, tmp_path_factory):
    """A copy of the tiny run that is evaluated, but not changed otherwise."""
    return pathlib.Path(shutil.copytree(tiny_run.path, tmp_path_factory.mktemp("run") / "tiny"))


@pytest.fixture(scope="module")
def unlabelled(tmp_path_factory, call):
    """A finished run on coloured images without labels, of which none are for testing."""
    folder = tmp_path_factory.mktemp("unlabelled")
    x = np.random.default_rng(0).integers(0, 256, (30, 8, 8, 3)).astype(np.uint8)
    np.savez(folder / "noise.npz", x_train=x)
    argv = ("--model=gan", "--width=4", "--depth=1", "--batch_size=8", "--steps=2")
    done = call("train", *argv, f"--dataset={folder / 'noise.npz'}", f"--outdir={folder / 'run'}")
    assert done.code == 0, done
    return folder / "run"


@pytest.fixture
def evaluate(call, run, tmp_path):
    """evaluate(flags ...) -> outcome, evaluation: of a run that was not evaluated before."""

    def evaluate(*argv):
        folder = tmp_path / f"run-{len(list(tmp_path.iterdir()))}"
        keep = shutil.ignore_patterns("evaluation.json", "neighbours.png")
        shutil.copytree(run, folder, ignore=keep)
        done = call("evaluate", f"--run={folder}", *argv)
        written = (folder / "evaluation.json").exists()
        return done, evaluation_of(folder) if written else None

    return evaluate
