"""Checkpoints: the newest undamaged one is restored completely."""

import pathlib
import re
import shutil

import numpy as np
import pytest
import tensorflow as tf

from errors import UserError
from storage.checkpoints import Checkpoints
from training import loading, options


def build():
    config = options.parse(["--model=gan", "--width=4", "--depth=1", "--noise_dim=5"])
    loading.prepare(config)
    return loading.build_model(config, (8, 8, 1), num_classes=0)


@pytest.fixture(scope="module")
def model():
    """A compiled model, whose variables each test sets."""
    model = build()
    model.compile()
    return model


def checkpoints_of(model, folder, keep=3):
    return Checkpoints(model.state(), model.step, folder, keep, complete=model.compiled)


def fill(model, step):
    """Sets each variable of the model to the step plus a number of its own."""
    for k, variable in enumerate(tf.nest.flatten(model.state())):
        variable.assign(np.full(variable.shape, step + k / 1000).astype(variable.dtype.name))
    model.step.assign(step)


def values(model):
    """Copies of all variables that training changes."""
    return [v.numpy().copy() for v in tf.nest.flatten(model.state())]


def same(a, b):
    return all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


@pytest.fixture(scope="module")
def three(model, tmp_path_factory):
    """A folder with the checkpoints of the steps 8, 9 and 10."""
    folder = tmp_path_factory.mktemp("three") / "checkpoints"
    checkpoints = checkpoints_of(model, folder, keep=3)
    for step in (8, 9, 10):
        fill(model, step)
        checkpoints.save()
    return folder


@pytest.fixture
def folder(three, tmp_path):
    """A copy of the three that a test may damage."""
    return pathlib.Path(shutil.copytree(three, tmp_path / "checkpoints"))


def test_restore_without_a_checkpoint_returns_none_and_makes_no_folder(model, tmp_path):
    checkpoints = checkpoints_of(model, tmp_path / "new")
    assert checkpoints.found() == []
    assert checkpoints.restore() is None
    assert not (tmp_path / "new").exists()


def test_restore_takes_the_newest_with_all_variables(model, folder, capsys):
    fill(model, 10)
    expected = values(model)
    fill(model, 0)
    assert not same(values(model), expected)
    assert checkpoints_of(model, folder).restore() == 10
    assert same(values(model), expected)
    assert capsys.readouterr().err == ""


def test_found_lists_the_newest_first(model, folder):
    names = [pathlib.Path(path).name for path in checkpoints_of(model, folder).found()]
    assert names == ["ckpt-10", "ckpt-9", "ckpt-8"]


@pytest.mark.parametrize("content", [None, "", "garbage {"])
def test_found_without_the_checkpoint_file_lists_all(model, folder, content):
    (folder / "checkpoint").unlink()
    if content is not None:
        (folder / "checkpoint").write_text(content)
    assert checkpoints_of(model, folder).restore() == 10


def data_of(folder, step):
    return folder / f"ckpt-{step}.data-00000-of-00001"


def index_of(folder, step):
    return folder / f"ckpt-{step}.index"


def flip(file):
    """Turns one bit in the middle of a file."""
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


DAMAGE = {
    "truncated data": lambda f, s: data_of(f, s).write_bytes(data_of(f, s).read_bytes()[:-9]),
    "empty data": lambda f, s: data_of(f, s).write_bytes(b""),
    "missing data": lambda f, s: data_of(f, s).unlink(),
    "flipped byte in the data": lambda f, s: flip(data_of(f, s)),
    "truncated index": lambda f, s: index_of(f, s).write_bytes(index_of(f, s).read_bytes()[:-9]),
    "empty index": lambda f, s: index_of(f, s).write_bytes(b""),
    "flipped byte in the index": lambda f, s: flip(index_of(f, s)),
    "missing index": lambda f, s: index_of(f, s).unlink(),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_restore_with_a_damaged_newest_checkpoint_warns_and_takes_the_previous(
    model, folder, capsys, damage
):
    fill(model, 9)
    expected = values(model)
    fill(model, 0)
    DAMAGE[damage](folder, 10)
    assert checkpoints_of(model, folder).restore() == 9
    assert same(values(model), expected)
    warning = capsys.readouterr().err
    assert re.fullmatch(r"warning: \S+/ckpt-10 is damaged \(.+\); skipped\n", warning)


@pytest.mark.parametrize("damage", DAMAGE)
def test_restore_with_damaged_checkpoints_only_raises(model, folder, capsys, damage):
    for step in (8, 9, 10):
        DAMAGE[damage](folder, step)
    with pytest.raises(UserError, match="no checkpoint can be read") as error:
        checkpoints_of(model, folder).restore()
    assert str(folder) in str(error.value)
    assert "\n" not in str(error.value)
    assert capsys.readouterr().err.count("warning: ") == 3


@pytest.mark.parametrize(
    "error",
    [tf.errors.ResourceExhaustedError, tf.errors.PermissionDeniedError, tf.errors.UnavailableError],
)
def test_restore_with_an_error_of_the_machine_raises_it(model, folder, monkeypatch, capsys, error):
    def failing(state):
        raise error(None, None, "out of memory")

    checkpoints = checkpoints_of(model, folder)
    monkeypatch.setattr("storage.checkpoints.checkpoint_of", failing)
    with pytest.raises(error):
        checkpoints.restore()
    assert capsys.readouterr().err == ""


def test_save_replaces_a_damaged_checkpoint_of_the_same_step(model, folder):
    flip(data_of(folder, 10))
    checkpoints = checkpoints_of(model, folder, keep=3)
    assert checkpoints.restore() == 9
    fill(model, 10)
    checkpoints.save()
    expected = values(model)
    fill(model, 0)
    assert checkpoints_of(model, folder).restore() == 10
    assert same(values(model), expected)


@pytest.mark.parametrize("keep", [1, 2])
def test_save_keeps_the_last_checkpoints(model, tmp_path, keep):
    checkpoints = checkpoints_of(model, tmp_path, keep)
    for step in (1, 2, 3, 4):
        fill(model, step)
        checkpoints.save()
    kept = sorted(path.stem for path in tmp_path.glob("*.index"))
    assert kept == [f"ckpt-{step}" for step in (1, 2, 3, 4)[-keep:]]


def test_save_counts_checkpoints_of_an_earlier_process(model, folder):
    checkpoints = checkpoints_of(model, folder, keep=2)
    assert checkpoints.restore() == 10
    fill(model, 11)
    checkpoints.save()
    assert sorted(path.stem for path in folder.glob("*.index")) == ["ckpt-10", "ckpt-11"]


def test_save_removes_unfinished_checkpoints(model, folder):
    leftover = folder / "ckpt-11_temp"
    leftover.mkdir()
    (leftover / "part-00000-of-00001.data-00000-of-00001").write_bytes(b"half")
    checkpoints = checkpoints_of(model, folder)
    assert checkpoints.restore() == 10
    fill(model, 11)
    checkpoints.save()
    assert not list(folder.glob("*_temp"))
    assert checkpoints_of(model, folder).restore() == 11


def test_restore_of_an_uncompiled_model_ignores_optimizers(model, folder):
    other = build()
    assert checkpoints_of(other, folder).restore() == 10
    fill(model, 10)
    for name, part in other.state().items():
        expected = tf.nest.flatten(model.state()[name])
        for a, b in zip(tf.nest.flatten(part), expected, strict=True):
            np.testing.assert_array_equal(a, b)


def test_restore_of_other_networks_raises(folder):
    config = options.parse(["--model=gan", "--width=5", "--depth=1", "--noise_dim=5"])
    wider = loading.build_model(config, (8, 8, 1), num_classes=0)
    with pytest.raises(UserError, match="of another model"):
        checkpoints_of(wider, folder).restore()


# Layouts, with variables of no model.


def variables(value):
    """A state of a network and of two variables of one shape, all with one value."""
    step, mean, *weights = (tf.Variable(float(value)) for _ in range(4))
    return {"network": weights, "own": {"step": step, "mean": mean}}


def checkpoints_with(state, folder, complete=True):
    return Checkpoints(state, state["own"]["step"], folder, complete=complete)


def write_by_position(folder):
    """Writes the old layout, in which own variables are a list: a step of 7, and a mean of 5."""
    state = variables(3.0)
    state["own"]["step"].assign(7.0)
    state["own"]["mean"].assign(5.0)
    positional = tf.train.Checkpoint(**{**state, "own": list(state["own"].values())})
    tf.train.CheckpointManager(positional, str(folder), 3).save(checkpoint_number=7)


def stored(folder, step):
    """The names of the own variables in a checkpoint."""
    names = tf.train.load_checkpoint(str(folder / f"ckpt-{step}")).get_variable_to_shape_map()
    return {name.split("/")[1] for name in names if name.startswith("own/")}


def test_save_stores_own_variables_by_name(tmp_path):
    checkpoints_with(variables(3.0), tmp_path).save()
    assert stored(tmp_path, 3) == {"step", "mean"}


@pytest.mark.parametrize("complete", [True, False])
def test_restore_of_an_old_checkpoint_by_position_returns_its_values(tmp_path, complete):
    write_by_position(tmp_path)
    assert stored(tmp_path, 7) == {"0", "1"}
    state = variables(0.0)
    assert checkpoints_with(state, tmp_path, complete).restore() == 7
    assert [float(v) for v in state["network"]] == [3.0, 3.0]
    assert {name: float(v) for name, v in state["own"].items()} == {"step": 7.0, "mean": 5.0}


def test_save_after_restoring_an_old_checkpoint_stores_by_name(tmp_path):
    write_by_position(tmp_path)
    checkpoints = checkpoints_with(state := variables(0.0), tmp_path)
    assert checkpoints.restore() == 7
    state["own"]["step"].assign(8.0)
    checkpoints.save()
    assert stored(tmp_path, 8) == {"step", "mean"}
    again = variables(0.0)
    assert checkpoints_with(again, tmp_path).restore() == 8
    assert float(again["own"]["mean"]) == 5.0


@pytest.mark.parametrize("by_position", [True, False])
def test_restore_of_a_complete_state_without_a_stored_variable_raises(tmp_path, by_position):
    if by_position:
        write_by_position(tmp_path)
    else:
        checkpoints_with(variables(7.0), tmp_path).save()
    state = variables(0.0)
    del state["own"]["mean"]
    with pytest.raises(UserError, match="of another model"):
        checkpoints_with(state, tmp_path).restore()
    assert checkpoints_with(state, tmp_path, complete=False).restore() == 7


@pytest.mark.parametrize("by_position", [True, False])
def test_restore_of_a_state_with_a_variable_that_is_not_stored_raises(tmp_path, by_position):
    if by_position:
        write_by_position(tmp_path)
    else:
        checkpoints_with(variables(7.0), tmp_path).save()
    state = variables(0.0)
    state["own"]["k"] = tf.Variable(0.0)
    for complete in (True, False):
        with pytest.raises(UserError, match="of another model"):
            checkpoints_with(state, tmp_path, complete).restore()
