"""Checkpoints: the newest undamaged one is restored completely."""

import json
import os
import pathlib
import re
import shutil

import numpy as np
import pytest
import tensorflow as tf

from errors import UserError
from storage.checkpoints import Checkpoints, is_intact
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


def checkpoints_of(model, folder, keep=3, **more):
    return Checkpoints(
        model.state(), model.step, folder, keep=keep, complete=model.compiled, **more
    )


def restored(checkpoints, step=None):
    """Restore a checkpoint; return its step, or None if there is none."""
    notes = checkpoints.restore(step)
    return None if notes is None else int(checkpoints.step)


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
    assert restored(checkpoints_of(model, folder)) == 10
    assert same(values(model), expected)
    assert capsys.readouterr().err == ""


def test_restore_of_a_step_takes_its_checkpoint(model, folder):
    fill(model, 8)
    expected = values(model)
    fill(model, 0)
    assert restored(checkpoints_of(model, folder), 8) == 8
    assert same(values(model), expected)


def test_restore_of_a_missing_step_raises_with_those_that_exist(model, folder, tmp_path):
    for place, there in (
        (folder, "there are those of 8, 9, 10"),
        (tmp_path / "x", "there are none"),
    ):
        with pytest.raises(UserError) as error:
            checkpoints_of(model, place).restore(7)
        assert error.value.message == f"{place}: no checkpoint of step 7; {there}"
        assert error.value.option == "step"


def test_restore_of_a_damaged_step_raises_and_names_the_others(model, folder):
    flip(data_of(folder, 9))
    reason = r"ckpt-9 is damaged .*; other intact steps: 8, 10$"
    with pytest.raises(UserError, match=reason) as error:
        checkpoints_of(model, folder).restore(9)
    assert error.value.option == "step"


def test_found_lists_the_newest_first(model, folder):
    assert checkpoints_of(model, folder).found() == [10, 9, 8]


STRAY = (
    "ckpt-20 (1).index", "ckpt-.index", "ckpt-x.index", "ckpt--5.index", "ckpt-1e3.index",
    "ckpt-010.index", "ckpt-20.index.bak", ".ckpt-30.index", "ckpt-\u0663.index",
    "ckpt-10 (1).data-00000-of-00001", "model.index", "ckpt-10 conflicted copy.index",
)  # fmt: skip


def test_files_with_unknown_names_are_neither_restored_nor_deleted(model, folder, capsys):
    for name in STRAY:
        shutil.copy(index_of(folder, 10), folder / name)
    (folder / "ckpt-50.index").mkdir()
    checkpoints = checkpoints_of(model, folder, keep=1)
    assert checkpoints.found() == [10, 9, 8]
    assert restored(checkpoints) == 10
    fill(model, 11)
    checkpoints.save()
    assert checkpoints.found() == [11]
    assert set(STRAY) < set(os.listdir(folder))
    assert capsys.readouterr().err == ""


LISTS = {
    "missing": None,
    "empty": b"",
    "not a list": b"garbage {",
    "not UTF-8": b"\xff\x00",
    "absolute paths": b'model_checkpoint_path: "/elsewhere/ckpt-9"\n'
    b'all_model_checkpoint_paths: "/elsewhere/ckpt-9"\n',
}


@pytest.mark.parametrize("content", LISTS)
def test_list_of_checkpoints_is_rebuilt_and_old_ones_are_deleted(model, folder, content):
    (folder / "checkpoint").unlink()
    if LISTS[content] is not None:
        (folder / "checkpoint").write_bytes(LISTS[content])
    checkpoints = checkpoints_of(model, folder)
    assert restored(checkpoints) == 10
    fill(model, 11)
    checkpoints.save()
    assert checkpoints.found() == [11, 10, 9]
    assert tf.train.latest_checkpoint(folder) == str(folder / "ckpt-11")
    assert re.findall(r'"(.*)"', (folder / "checkpoint").read_text()) == [
        "ckpt-11", "ckpt-9", "ckpt-10", "ckpt-11",
    ]  # fmt: skip


def test_list_names_the_saved_step_beside_a_later_checkpoint(model, folder):
    flip(data_of(folder, 10))
    checkpoints = checkpoints_of(model, folder)
    assert restored(checkpoints, 8) == 8
    fill(model, 9)
    checkpoints.save()
    assert tf.train.latest_checkpoint(folder) == str(folder / "ckpt-9")
    assert checkpoints.found() == [10, 9, 8]


def test_list_with_absolute_paths_does_not_delete_outside_of_the_run(model, folder, tmp_path):
    other = pathlib.Path(shutil.copytree(folder, tmp_path / "other"))
    before = sorted(os.listdir(other))
    names = "".join(f'all_model_checkpoint_paths: "{other / f"ckpt-{k}"}"\n' for k in (8, 9, 10))
    (folder / "checkpoint").write_text(f'model_checkpoint_path: "{other / "ckpt-10"}"\n{names}')
    checkpoints = checkpoints_of(model, folder, keep=1)
    restored(checkpoints)
    fill(model, 11)
    checkpoints.save()
    assert sorted(os.listdir(other)) == before


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
    "flipped byte in the data": lambda f, s: flip(data_of(f, s)),
    "truncated index": lambda f, s: index_of(f, s).write_bytes(index_of(f, s).read_bytes()[:-9]),
    "flipped byte in the index": lambda f, s: flip(index_of(f, s)),
}
INCOMPLETE = {
    "empty data": lambda f, s: data_of(f, s).write_bytes(b""),
    "missing data": lambda f, s: data_of(f, s).unlink(),
    "empty index": lambda f, s: index_of(f, s).write_bytes(b""),
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
    assert restored(checkpoints_of(model, folder)) == 9
    assert same(values(model), expected)
    warning = capsys.readouterr().err
    assert re.fullmatch(
        r"warning: \S+/ckpt-10 is damaged \(.+\); skipped, the checkpoint of step 9 is used\n",
        warning,
    )


@pytest.mark.parametrize("damage", DAMAGE)
def test_is_intact_is_false_for_damaged_checkpoints_only(folder, damage):
    DAMAGE[damage](folder, 10)
    assert [is_intact(folder, step) for step in (8, 9, 10)] == [True, True, False]


@pytest.mark.parametrize("damage", DAMAGE)
def test_restore_with_damaged_checkpoints_only_raises(model, folder, capsys, damage):
    for step in (8, 9, 10):
        DAMAGE[damage](folder, step)
    with pytest.raises(UserError, match="no checkpoint can be read") as error:
        checkpoints_of(model, folder).restore()
    assert str(folder) in str(error.value)
    assert "\n" not in str(error.value)
    assert capsys.readouterr().err.count("warning: ") == 3


@pytest.mark.parametrize("damage", INCOMPLETE)
def test_incomplete_checkpoint_counts_as_none_and_is_swept(model, folder, capsys, damage):
    INCOMPLETE[damage](folder, 10)
    checkpoints = checkpoints_of(model, folder)
    assert checkpoints.found() == [9, 8]
    assert restored(checkpoints) == 9
    assert capsys.readouterr().err == ""
    checkpoints.sweep()
    assert not index_of(folder, 10).exists()
    assert not data_of(folder, 10).exists()
    warnings = capsys.readouterr().err.splitlines()
    assert len(warnings) == 2 - damage.startswith("missing")
    ends = [line.endswith(": file of an incomplete checkpoint; deleted") for line in warnings]
    assert all(ends)
    assert all("ckpt-10" in line for line in warnings)
    checkpoints.sweep()
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("damage", INCOMPLETE)
def test_restore_with_incomplete_checkpoints_only_returns_none(model, folder, damage):
    for step in (8, 9, 10):
        INCOMPLETE[damage](folder, step)
    assert checkpoints_of(model, folder).restore() is None


@pytest.mark.parametrize(
    "error",
    [tf.errors.ResourceExhaustedError, tf.errors.PermissionDeniedError, tf.errors.UnavailableError],
)
def test_restore_with_an_error_of_the_machine_raises_it(model, folder, monkeypatch, capsys, error):
    def failing(path):
        raise error(None, None, "out of memory")

    checkpoints = checkpoints_of(model, folder)
    monkeypatch.setattr("storage.checkpoints.read", failing)
    with pytest.raises(error):
        checkpoints.restore()
    assert capsys.readouterr().err == ""


def test_save_replaces_a_damaged_checkpoint_of_the_same_step(model, folder):
    flip(data_of(folder, 10))
    checkpoints = checkpoints_of(model, folder, keep=3)
    assert restored(checkpoints) == 9
    fill(model, 10)
    checkpoints.save()
    expected = values(model)
    fill(model, 0)
    assert restored(checkpoints_of(model, folder)) == 10
    assert same(values(model), expected)


@pytest.mark.parametrize("keep", [1, 2])
def test_save_keeps_the_last_checkpoints(model, tmp_path, keep):
    checkpoints = checkpoints_of(model, tmp_path, keep)
    for step in (1, 2, 3, 4):
        fill(model, step)
        checkpoints.save()
    kept = sorted(path.stem for path in tmp_path.glob("*.index"))
    assert kept == [f"ckpt-{step}" for step in (1, 2, 3, 4)[-keep:]]


def test_save_with_keep_every_never_deletes_multiples_of_it(model, tmp_path):
    checkpoints = checkpoints_of(model, tmp_path, keep=2, keep_every=3)
    for step in range(1, 9):
        fill(model, step)
        checkpoints.save()
    assert checkpoints.found() == [8, 7, 6, 3]


def test_save_does_not_delete_checkpoints_of_later_steps(model, folder):
    checkpoints = checkpoints_of(model, folder, keep=1)
    fill(model, 8)
    checkpoints.save()
    assert checkpoints.found() == [10, 9, 8]


@pytest.mark.parametrize("failing", ["replace", "fsync"])
def test_save_that_fails_leaves_the_earlier_checkpoints_only(model, folder, monkeypatch, failing):
    before = {path.name: path.read_bytes() for path in folder.iterdir()}

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, failing, fail)
    fill(model, 11)
    with pytest.raises(OSError, match="No space left"):
        checkpoints_of(model, folder).save()
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_save_that_cannot_be_read_back_raises_and_keeps_the_earlier(model, folder, monkeypatch):
    def fail(path):
        raise tf.errors.DataLossError(None, None, "checksum")

    monkeypatch.setattr("storage.checkpoints.read", fail)
    fill(model, 11)
    with pytest.raises(tf.errors.DataLossError):
        checkpoints_of(model, folder, keep=1).save()
    assert checkpoints_of(model, folder).found() == [10, 9, 8]


def test_restore_returns_the_notes_of_the_checkpoint(model, tmp_path):
    fill(model, 4)
    checkpoints_of(model, tmp_path, identity={"seed": 1}).save({"log": {"a": [1, 2.5, None]}})
    notes = checkpoints_of(model, tmp_path).restore()
    assert notes == {"log": {"a": [1, 2.5, None]}, "identity": {"seed": 1}}


@pytest.mark.parametrize("other", [{"seed": 2}, {"seed": "1"}, {"seed": 1, "model": "dcgan"}])
def test_restore_of_another_identity_raises_and_names_it(model, tmp_path, other):
    fill(model, 4)
    checkpoints_of(model, tmp_path, identity={"seed": 1, "model": "gan"}).save()
    name = "model" if "model" in other else "seed"
    with pytest.raises(
        UserError, match=rf"ckpt-4 belongs to another run \({name} is .* there, not"
    ):
        checkpoints_of(model, tmp_path, identity=other).restore()


def test_restore_ignores_names_of_the_identity_that_one_side_lacks(model, tmp_path):
    fill(model, 4)
    checkpoints_of(model, tmp_path, identity={"seed": 1, "old": (1, 2)}).save()
    for identity in ({"seed": 1, "new": 3}, {"old": [1, 2]}, None):
        assert restored(checkpoints_of(model, tmp_path, identity=identity)) == 4


def test_restore_skips_a_newer_checkpoint_of_another_run(model, folder, tmp_path, capsys):
    fill(model, 11)
    checkpoints_of(model, folder, identity={"seed": 2}).save()
    assert restored(checkpoints_of(model, folder, identity={"seed": 1})) == 10
    assert re.fullmatch(
        r"warning: \S+/ckpt-11 belongs to another run \(seed is 2 there, not 1\); skipped, the "
        r"checkpoint of step 10 is used\n",
        capsys.readouterr().err,
    )


NAMES = (
    "v [2]",
    "a*b",
    "what?",
    "back\\slash",
    "a, b",
    "x y",
    "'\"",
    "-x",
    "ü 数",
    "{a,b}",
    "$HOME",
    "%s",
)


@pytest.mark.parametrize("name", NAMES)
def test_checkpoints_in_a_folder_of_any_name_are_restored_and_deleted(model, tmp_path, name):
    checkpoints = checkpoints_of(model, tmp_path / name, keep=2)
    for step in (1, 2, 3):
        fill(model, step)
        checkpoints.save()
    assert checkpoints.found() == [3, 2]
    expected = values(model)
    fill(model, 0)
    assert restored(checkpoints_of(model, tmp_path / name)) == 3
    assert same(values(model), expected)


def test_save_counts_checkpoints_of_an_earlier_process(model, folder):
    checkpoints = checkpoints_of(model, folder, keep=2)
    assert restored(checkpoints) == 10
    fill(model, 11)
    checkpoints.save()
    assert sorted(path.stem for path in folder.glob("*.index")) == ["ckpt-10", "ckpt-11"]


def test_save_removes_unfinished_checkpoints(model, folder):
    leftover = folder / "ckpt-11_temp"
    leftover.mkdir()
    (leftover / "part-00000-of-00001.data-00000-of-00001").write_bytes(b"half")
    (folder / ".01234567.tmp.ckpt-11").mkdir()
    (folder / ".checkpoint.ab3_xy9z.tmp").touch()
    checkpoints = checkpoints_of(model, folder)
    assert restored(checkpoints) == 10
    fill(model, 11)
    checkpoints.save()
    assert not [name for name in os.listdir(folder) if "tmp" in name or "temp" in name]
    assert restored(checkpoints_of(model, folder)) == 11


def test_sweep_keeps_folders_and_temporary_files_of_others(model, folder):
    others = ("notes_temp", "ckpt-x_temp", "ckpt-011_temp", ".01234567.tmp.evaluation.json")
    for name in others:
        (folder / name).mkdir()
    (folder / "ckpt-11_temp").mkdir()
    (folder / ".01234567.tmp.ckpt-11.index").touch()
    checkpoints_of(model, folder).sweep()
    left = [name for name in os.listdir(folder) if "tmp" in name or "temp" in name]
    assert sorted(left) == sorted(others)


def test_restore_of_an_uncompiled_model_ignores_optimizers(model, folder):
    other = build()
    assert restored(checkpoints_of(other, folder)) == 10
    fill(model, 10)
    for name, part in other.state().items():
        expected = tf.nest.flatten(model.state()[name])
        for a, b in zip(tf.nest.flatten(part), expected, strict=True):
            np.testing.assert_array_equal(a, b)


def test_restore_of_other_networks_raises(folder):
    config = options.parse(["--model=gan", "--width=5", "--depth=1", "--noise_dim=5"])
    wider = loading.build_model(config, (8, 8, 1), num_classes=0)
    with pytest.raises(UserError, match=r"belongs to another run \(\w+/0 has the shape"):
        checkpoints_of(wider, folder).restore()


# Layouts, with variables of no model.


def variables(value):
    """A state of a network and of two variables of one shape, all with one value."""
    step, mean, *weights = (tf.Variable(float(value)) for _ in range(4))
    return {"network": weights, "own": {"step": step, "mean": mean}}


def checkpoints_with(state, folder, complete=True, **more):
    return Checkpoints(state, state["own"]["step"], folder, complete=complete, **more)


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
    assert restored(checkpoints_with(state, tmp_path, complete)) == 7
    assert [float(v) for v in state["network"]] == [3.0, 3.0]
    assert {name: float(v) for name, v in state["own"].items()} == {"step": 7.0, "mean": 5.0}


def test_save_after_restoring_an_old_checkpoint_stores_by_name(tmp_path):
    write_by_position(tmp_path)
    checkpoints = checkpoints_with(state := variables(0.0), tmp_path)
    assert restored(checkpoints) == 7
    state["own"]["step"].assign(8.0)
    checkpoints.save()
    assert stored(tmp_path, 8) == {"step", "mean"}
    again = variables(0.0)
    assert restored(checkpoints_with(again, tmp_path)) == 8
    assert float(again["own"]["mean"]) == 5.0


@pytest.mark.parametrize("by_position", [True, False])
def test_restore_of_a_complete_state_without_a_stored_variable_raises(tmp_path, by_position):
    if by_position:
        write_by_position(tmp_path)
    else:
        checkpoints_with(variables(7.0), tmp_path).save()
    state = variables(0.0)
    del state["own"]["mean"]
    with pytest.raises(UserError, match=r"belongs to another run \(this run has no own/"):
        checkpoints_with(state, tmp_path).restore()
    assert restored(checkpoints_with(state, tmp_path, complete=False)) == 7


@pytest.mark.parametrize("by_position", [True, False])
def test_restore_of_a_state_with_a_variable_that_is_not_stored_raises(tmp_path, by_position):
    if by_position:
        write_by_position(tmp_path)
    else:
        checkpoints_with(variables(7.0), tmp_path).save()
    state = variables(0.0)
    state["own"]["k"] = tf.Variable(0.0)
    for complete in (True, False):
        with pytest.raises(UserError, match=r"belongs to another run \(it has no own/"):
            checkpoints_with(state, tmp_path, complete).restore()


def test_restore_initialises_an_optional_variable_and_names_it_once(tmp_path, capsys):
    checkpoints_with(variables(7.0), tmp_path).save()
    state = variables(0.0)
    state["own"]["k"] = tf.Variable(0.25)
    assert restored(checkpoints_with(state, tmp_path, optional="own")) == 7
    assert float(state["own"]["k"]) == 0.25
    expected = f"warning: {tmp_path}: no own/k in the checkpoint; initialised\n"
    assert capsys.readouterr().err == expected
    state["network"].append(tf.Variable(1.0))
    with pytest.raises(UserError, match="it has no network/2"):
        checkpoints_with(state, tmp_path, optional="own").restore()


def test_restore_of_notes_that_are_no_object_skips_the_checkpoint(tmp_path, monkeypatch, capsys):
    checkpoints_with(variables(6.0), tmp_path).save()
    with monkeypatch.context() as patch:
        patch.setattr("storage.checkpoints.Notes.serialize", lambda notes: json.dumps([1]))
        patch.setattr("storage.checkpoints.read", lambda path: None)
        checkpoints_with(variables(7.0), tmp_path).save()
    assert restored(checkpoints_with(variables(0.0), tmp_path)) == 6
    assert capsys.readouterr().err.endswith(
        "/ckpt-7 is damaged (its notes are no object); skipped, the checkpoint of step 6 is used\n"
    )


def test_restore_of_a_damaged_step_lists_the_intact_steps_only(model, folder):
    for step in (8, 10):
        DAMAGE["truncated data"](folder, step)
    with pytest.raises(UserError, match=r"ckpt-8 is damaged .*; other intact steps: 9$"):
        checkpoints_of(model, folder).restore(8)
    DAMAGE["truncated data"](folder, 9)
    with pytest.raises(UserError, match=r"ckpt-8 is damaged .*; other intact steps: none$"):
        checkpoints_of(model, folder).restore(8)
