"""Resumed runs equal uninterrupted ones, and invalid commands leave a run unchanged."""

import contextlib
import json
import math
import os
import pathlib
import re
import shutil
import signal

import numpy as np
import pytest

from tests.train.cases import SCHEDULE, files, records, saved_config, steps_saved, timeless


@pytest.mark.smoke
def test_resumed_run_after_a_kill_has_the_same_bits(resumed, whole, checkpoint, assert_same_bits):
    # It resumed in the middle of an epoch.
    assert "steps 10 to 24 (12 per epoch)" in resumed.outcome.out
    first, second, *_ = resumed.outcome.out.splitlines()
    assert first.startswith("device: ")
    assert second == "resumed from the checkpoint of step 10"
    assert steps_saved(whole) == steps_saved(resumed.path) == [15, 20, 24]
    for step in (15, 20, 24):
        name = f"checkpoints/ckpt-{step}"
        assert_same_bits(checkpoint(resumed.path / name), checkpoint(whole / name))


def test_checkpoints_of_different_steps_have_different_bits(whole, checkpoint, assert_same_bits):
    early, late = (checkpoint(whole / "checkpoints" / f"ckpt-{step}") for step in (20, 24))
    assert len(early) > 20
    with pytest.raises(AssertionError):
        assert_same_bits(early, late)


def test_checkpoint_has_all_variables_of_the_state(whole, checkpoint):
    import tensorflow as tf

    from training.loading import load_run

    model = load_run(whole)[2]
    model.compile()
    names = checkpoint(whole / "checkpoints" / "ckpt-24")
    for part, variables in model.state().items():
        assert sum(name.startswith(f"{part}/") for name in names) == len(variables) > 0
    assert len(names) == len(tf.nest.flatten(model.state()))


def test_log_of_a_resumed_run_has_each_line_once(killed, resumed, whole):
    lines = (killed / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [4, 8, 12]
    expected = [timeless(line) for line in records(whole)]
    assert [line["step"] for line in expected] == [4, 8, 12, 16, 20, 24]
    assert [timeless(line) for line in records(resumed.path)] == expected
    seconds = [line["seconds"] for line in records(resumed.path)]
    assert seconds == sorted(set(seconds))


def test_pictures_of_a_resumed_run_are_the_same(resumed, whole):
    assert files(resumed.path / "samples") == files(whole / "samples")
    assert len(files(whole / "samples")) == 5
    for name in ("samples.png", "progress.gif", "real.png"):
        assert (resumed.path / name).read_bytes() == (whole / name).read_bytes(), name


def test_resumed_run_removes_unfinished_checkpoints(resumed):
    assert not list((resumed.path / "checkpoints").glob("*_temp"))


def test_config_json_of_a_resumed_run_has_both_commands(killed, resumed):
    before, after = saved_config(killed)["commands"], saved_config(resumed.path)["commands"]
    assert len(before) == 1
    assert len(after) == 2
    assert after[0] == before[0]
    assert after[1].endswith(f"--outdir={resumed.path}")


def interrupted(callbacks, step, number):
    """Return Log.after_step that also signals this process in a step."""
    after_step = callbacks.Log.after_step

    def interrupting(log):
        after_step(log)
        if log.step == step:
            os.kill(os.getpid(), number)

    return interrupting


def test_ctrl_c_saves_and_restores_the_signal_handlers(call, tiny, tmp_path, monkeypatch):
    from training import callbacks

    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    interrupting = interrupted(callbacks, 3, signal.SIGINT)
    monkeypatch.setattr(callbacks.Log, "after_step", interrupting)
    done = call("train", *tiny, "--steps=6", f"--outdir={tmp_path}")
    assert done.code == 130
    saved = "a checkpoint of step 3 is saved\n"
    assert saved + "stopped by SIGINT at step 3" in done.out
    assert steps_saved(tmp_path) == [3]
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == handlers


@pytest.mark.parametrize(
    ("step", "last"),
    [
        (4, "the last checkpoint is of step 2; run the same command to resume"),
        (1, "no checkpoint is saved; run the same command to start again"),
    ],
)
def test_second_signal_ends_with_the_step_of_the_last_checkpoint(
    call, tiny, tmp_path, monkeypatch, step, last
):
    from training import callbacks, stopping

    def stopping_twice(log):
        if log.step == step:
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(stopping, "GRACE", -1.0)
    monkeypatch.setattr(callbacks.Log, "after_step", stopping_twice)
    saved = ("--checkpoint_every=2", "--checkpoint_minutes=100")
    done = call("train", *tiny, "--steps=6", *saved, f"--outdir={tmp_path / 'run'}")
    assert done.code == 130, done
    assert done.err.splitlines()[-1] == f"stopped; {last}"
    assert steps_saved(tmp_path / "run") == ([2] if step == 4 else [])


@pytest.mark.slow
def test_resumed_run_with_flip_has_the_same_bits(
    call, tiny_run, tmp_path, checkpoint, assert_same_bits
):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    for path, steps in ((whole, 6), (parts, 4), (parts, 6)):
        argv = (*tiny_run.argv, "--flip", f"--steps={steps}", f"--outdir={path}")
        assert call("train", *argv).code == 0
    ends = [checkpoint(p / "checkpoints" / "ckpt-6") for p in (whole, parts, tiny_run.path)]
    assert_same_bits(ends[1], ends[0])
    with pytest.raises(AssertionError):
        assert_same_bits(ends[2], ends[0])
    assert saved_config(whole)["options"]["flip"] is True
    assert saved_config(whole)["data"] == saved_config(tiny_run.path)["data"]
    assert (whole / "real.png").read_bytes() == (tiny_run.path / "real.png").read_bytes()


@pytest.mark.slow
def test_finished_run_with_more_epochs_resumes(
    call, tiny, tmp_path, whole, checkpoint, assert_same_bits
):
    argv = [*tiny, *SCHEDULE[1:], f"--outdir={tmp_path}"]
    assert call("train", *argv, "--epochs=1").code == 0
    assert steps_saved(tmp_path) == [5, 10, 12]
    done = call("train", *argv, "--epochs=2")
    assert "steps 12 to 24" in done.out
    assert saved_config(tmp_path)["total_steps"] == 24
    expected = checkpoint(whole / "checkpoints" / "ckpt-24")
    assert_same_bits(checkpoint(tmp_path / "checkpoints" / "ckpt-24"), expected)
    expected = [timeless(line) for line in records(whole)]
    assert [timeless(line) for line in records(tmp_path)] == expected


@pytest.mark.slow
def test_resumed_run_with_spectral_norm_and_n_critic_has_the_same_bits(
    call, digits, tmp_path, checkpoint, assert_same_bits
):
    networks = ("--model=dcgan", "--width=4", "--d_norm=spectral", "--batch_size=8", "--n_critic=2")
    argv = [*networks, f"--dataset={digits}"]
    ends = []
    for name, all_steps in (("at_once", [4]), ("in_two", [2, 4])):
        for steps in all_steps:
            done = call("train", *argv, f"--steps={steps}", f"--outdir={tmp_path / name}")
            assert done.code == 0, done
        ends.append(checkpoint(tmp_path / name / "checkpoints" / "ckpt-4"))
    assert_same_bits(*ends)


def test_finished_run_repeated_is_left_unchanged(call, tiny, whole, tmp_path):
    path = pathlib.Path(shutil.copytree(whole, tmp_path / "again"))
    before = files(path)
    done = call("train", *tiny, *SCHEDULE, f"--outdir={path}", "--resume=must")
    assert (done.code, done.err) == (0, "")
    assert done.out == f"{path}: already finished at step 24\n"
    assert files(path) == before


def test_finished_run_without_a_picture_repeated_draws_it_and_changes_no_weight(
    call, tiny, whole, tmp_path
):
    path = pathlib.Path(shutil.copytree(whole, tmp_path / "again"))
    (path / "curves.png").unlink()
    done = call("train", *tiny, *SCHEDULE, f"--outdir={path}")
    assert done.code == 0, done
    assert "steps 24 to 24" in done.out
    assert (path / "curves.png").exists()
    assert files(path / "checkpoints") == files(whole / "checkpoints")
    assert files(path / "samples") == files(whole / "samples")
    assert records(path) == records(whole)
    assert (path / "samples.png").read_bytes() == (whole / "samples.png").read_bytes()


@pytest.mark.slow
def test_changed_images_are_invalid_and_leave_the_run_unchanged(call, tiny, tmp_path):
    x = np.random.default_rng(0).integers(0, 256, (40, 8, 8)).astype(np.uint8)
    path, outdir = tmp_path / "images.npz", tmp_path / "run"
    argv = [*tiny[:-1], f"--dataset={path}", "--steps=2", f"--outdir={outdir}"]
    np.savez(path, x_train=x)
    assert call("train", *argv, "--steps=1").code == 0
    before = files(outdir)
    np.savez(path, x_train=np.where(np.arange(40)[:, None, None] == 39, x ^ 1, x))
    refusal = call("train", *argv).refusal()
    assert refusal == f"--dataset: its images differ from those that {outdir} was trained on"
    assert files(outdir) == before
    np.savez(path, x_train=x)
    assert call("train", *argv).code == 0
    assert steps_saved(outdir) == [1, 2]


def truncate(file):
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


@pytest.mark.slow
def test_damaged_checkpoint_is_skipped_and_the_end_has_the_same_bits(
    call, tiny, killed, tmp_path, whole, checkpoint, assert_same_bits
):
    path = pathlib.Path(shutil.copytree(killed, tmp_path / "run"))
    truncate(path / "checkpoints" / "ckpt-10.data-00000-of-00001")
    done = call("train", *tiny, *SCHEDULE, f"--outdir={path}")
    assert done.code == 0, done
    assert "steps 5 to 24" in done.out
    assert re.fullmatch(r"warning: \S+/ckpt-10 is damaged .*\n", done.err)
    expected = checkpoint(whole / "checkpoints" / "ckpt-24")
    assert_same_bits(checkpoint(path / "checkpoints" / "ckpt-24"), expected)
    expected = [timeless(line) for line in records(whole)]
    assert [timeless(line) for line in records(path)] == expected


@pytest.mark.parametrize("damage", ["truncated data", "missing index"])
def test_run_with_damaged_checkpoints_only_is_not_restarted(call, tiny, killed, tmp_path, damage):
    path = pathlib.Path(shutil.copytree(killed, tmp_path / "run"))
    for step in (5, 10):
        if damage == "missing index":
            (path / "checkpoints" / f"ckpt-{step}.index").unlink()
        else:
            truncate(path / "checkpoints" / f"ckpt-{step}.data-00000-of-00001")
    before = records(path)
    done = call("train", *tiny, *SCHEDULE, f"--outdir={path}")
    assert done.code == 2, done
    reason = {
        "missing index": "its checkpoints are missing",
        "truncated data": "no checkpoint can be read",
    }
    assert reason[damage] in done.err.splitlines()[-1]
    assert done.err.splitlines()[-1].startswith("error: ")
    assert records(path) == before


def test_log_without_checkpoints_is_not_overwritten(call, tiny, whole, tmp_path):
    path = pathlib.Path(shutil.copytree(whole, tmp_path / "run"))
    shutil.rmtree(path / "checkpoints")
    before = files(path)
    refusal = call("train", *tiny, *SCHEDULE, f"--outdir={path}").refusal()
    assert refusal == (
        f"{path}: its checkpoints are missing. Restore the folder checkpoints/, or move the run "
        "away and train it again"
    )
    assert files(path) == before


def test_steps_below_the_last_checkpoint_are_invalid_and_leave_the_run_unchanged(
    call, tiny, copied_run
):
    before = files(copied_run)
    argv = (*tiny, "--seed=5", "--g_learning_rate=1e-3", f"--outdir={copied_run}")
    refusal = call("train", *argv, "--steps=5").refusal()
    assert refusal == (
        f"{copied_run}: at step 6, beyond the last step 5; set --steps or --epochs to a later one"
    )
    assert files(copied_run) == before


@contextlib.contextmanager
def no_numbers_from(step):
    """Set the weights of generators to NaN from the end of a training step on."""
    import tensorflow as tf

    from models.adversarial import AdversarialModel

    after_update = AdversarialModel.after_generator_update

    def poison(model, terms, batch):
        for weight in model.generator.trainable_variables:
            weight.assign(weight.value + tf.where(model.step >= step - 1, math.nan, 0.0))
        return after_update(model, terms, batch)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(AdversarialModel, "after_generator_update", poison)
        yield


def test_diverging_run_ends_in_one_line_with_code_1(call, tiny, tmp_path):
    done = call("train", *tiny, "--d_learning_rate=1e30", "--steps=6", f"--outdir={tmp_path}")
    assert done.code == 1, done
    assert re.fullmatch(r"error: step 1: \w+ is (nan|inf|-inf); .*\n", done.err)
    assert steps_saved(tmp_path) == []
    assert not (tmp_path / "export").exists()


@pytest.mark.slow
def test_diverged_run_keeps_its_checkpoints_and_resumes_from_them(
    call, tiny, tmp_path, whole, checkpoint, assert_same_bits
):
    argv = [*tiny, *SCHEDULE, f"--outdir={tmp_path}"]
    with no_numbers_from(13):
        done = call("train", *argv)
    assert done.code == 1, done
    assert re.fullmatch(r"error: step 14: \w+ is nan; .*\n", done.err)
    assert steps_saved(tmp_path) == [5, 10]
    assert not (tmp_path / "export").exists()
    *lines, last = records(tmp_path)
    assert all(math.isfinite(value) for line in lines for value in line.values())
    assert last["step"] == 15  # where the next checkpoint was due
    assert last["d_loss"] is None

    assert call("train", *argv).code == 0
    expected = checkpoint(whole / "checkpoints" / "ckpt-24")
    assert_same_bits(checkpoint(tmp_path / "checkpoints" / "ckpt-24"), expected)
    expected = [timeless(line) for line in records(whole)]
    assert [timeless(line) for line in records(tmp_path)] == expected


@pytest.mark.slow
@pytest.mark.parametrize("due", ["--sample_every=4", "--checkpoint_every=4", "--steps=4"])
def test_nan_weights_are_neither_drawn_nor_saved(call, tiny, tmp_path, due):
    # The losses of step 4 are finite: they are those of the weights before its update.
    with no_numbers_from(4):
        done = call("train", *tiny, "--steps=6", due, f"--outdir={tmp_path}")
    assert done.code == 1, done
    assert re.fullmatch(r"error: step 4: .*\n", done.err)
    assert steps_saved(tmp_path) == []
    assert [path.name for path in (tmp_path / "samples").iterdir()] == ["step-0000000.png"]
    assert not (tmp_path / "export").exists()


TRAINED_IN_TURN = """
import json, sys
import train
from cli import flags
sys.exit(any([flags.run_script(train.main, argv) for argv in json.loads(sys.argv[1])]))
"""


@pytest.mark.slow
def test_deterministic_run_resumes_without_xla(
    python, tiny, tmp_path, checkpoint, assert_same_bits
):
    """In a process of its own, since TensorFlow stays deterministic."""
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    lines = [
        [*tiny, "--deterministic", f"--steps={steps}", f"--outdir={path}"]
        for path, steps in ((whole, 6), (parts, 3), (parts, 6))
    ]
    done = python("-c", TRAINED_IN_TURN, json.dumps(lines))
    assert done.code == 0, done
    assert_same_bits(*(checkpoint(path / "checkpoints" / "ckpt-6") for path in (whole, parts)))
    saved = saved_config(parts)
    assert saved["options"]["deterministic"] is True
    assert saved["environment"]["xla"] is False
