"""Commands and code blocks of README.md and docs/ are valid, and run on tiny data."""

import ast
import re

import numpy as np
import pytest

import fields
from evaluation.reports import pages
from tests.docs.cases import NOT_RUN, blocks, commands, commands_of, program
from training import options

SCRIPTS = ("train.py", "evaluate.py", "generate.py", "study.py", "train_classifier.py")
TINY = {"width": 2, "dense_units": 4, "w_dim": 4, "mapping_depth": 1, "joint_units": 4, "latent_dim": 8}
TRAININGS = sorted({" ".join(argv) for argv in commands_of("train.py")})


def test_commands_run_scripts_or_are_listed_as_not_run():
    programs = {program(words) for words in commands()}
    assert len(NOT_RUN) <= 8
    run = {*SCRIPTS, "docs.address", "evaluation.reports"}
    assert programs - run - set(NOT_RUN) == set()


@pytest.mark.parametrize("command", TRAININGS)
def test_train_command_is_valid(command):
    options.parse(command.split())


def test_study_commands_name_existing_flagfiles():
    from training.studying import StudyOptions

    argvs = commands_of("study.py")
    assert argvs
    for argv in argvs:
        for word in argv:
            name, _, value = word.lstrip("-").partition("=")
            assert name == "flagfile" or name in StudyOptions.__dataclass_fields__, word
            if name in ("flagfile", "configs"):
                assert all((pages.ROOT / f).is_file() for f in fields.listed(value)), word


@pytest.mark.parametrize(("page", "text"), blocks("python"))
def test_python_block_parses(page, text):
    ast.parse(text)


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """Return .npz files of gray and of coloured images, by number of channels."""
    folder = tmp_path_factory.mktemp("images")
    random = np.random.default_rng(0)
    for side, channels in ((28, 1), (32, 3)):
        x = random.integers(0, 256, (120, side, side, channels)).astype(np.uint8)
        y = np.arange(120) % 10
        np.savez(folder / f"{channels}.npz", x_train=x, y_train=y, x_test=x[:40], y_test=y[:40])
    return folder


def tiny(argv, images):
    """Return the flags that make a training command tiny."""
    config = options.parse(argv)
    gray = config.options.dataset in ("MNIST", "FASHION_MNIST")
    small = {k: v for k, v in TINY.items() if getattr(config.hp, k, None) is not None}
    data = images / ("1.npz" if gray else "3.npz")
    flags = {"dataset": data, "batch_size": 4, "steps": 2, "mixed_precision": "off", **small}
    return [*(f"--{name}={value}" for name, value in flags.items()), "--noimage_size"][:-1]


@pytest.mark.slow
@pytest.mark.parametrize("command", TRAININGS)
def test_train_command_runs(command, call, images, tmp_path):
    argv = [w for w in command.split() if not w.startswith("--image_size")]
    argv = [w for k, w in enumerate(argv) if not (k and argv[k - 1] == "--image_size")]
    argv = [w for w in argv if w != "--image_size"]
    done = call("train", *argv, *tiny(argv, images), f"--outdir={tmp_path}")
    assert done.code == 0, done
    assert (tmp_path / "samples.png").exists()
