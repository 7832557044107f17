"""Several steps per execution: outputs and weights equal those of single steps."""

import json

import pytest

from tests.train.cases import records, steps_saved, timeless

EVERY = ("--log_every=4", "--sample_every=8", "--checkpoint_every=4", "--keep_checkpoints=9")


@pytest.fixture(scope="module")
def single(call, tiny, tmp_path_factory):
    """A run of 18 single steps."""
    path = tmp_path_factory.mktemp("executions") / "single"
    assert call("train", *tiny, *EVERY, "--steps=18", f"--outdir={path}").code == 0
    return path


@pytest.mark.slow
@pytest.mark.parametrize("stop", [18, 8], ids=["whole", "resumed"])
def test_run_of_four_steps_per_execution_equals_that_of_single_steps(
    call, tiny, tmp_path, single, checkpoint, assert_same_bits, stop
):
    argv = (*tiny, *EVERY, "--steps_per_execution=4", f"--outdir={tmp_path}")
    for steps in sorted({stop, 18}):
        done = call("train", *argv, f"--steps={steps}")
        assert done.code == 0, done
    assert steps_saved(tmp_path) == steps_saved(single)
    for step in steps_saved(single):
        name = f"checkpoints/ckpt-{step}"
        assert_same_bits(checkpoint(tmp_path / name), checkpoint(single / name))
    found, expected = ([timeless(x) for x in records(run)] for run in (tmp_path, single))
    assert [line["step"] for line in found] == [line["step"] for line in expected]
    assert found == expected
    pictures = sorted(path.name for path in (single / "samples").iterdir())
    assert sorted(path.name for path in (tmp_path / "samples").iterdir()) == pictures
    for name in pictures:
        assert (tmp_path / "samples" / name).read_bytes() == (
            single / "samples" / name
        ).read_bytes()


@pytest.mark.slow
def test_outputs_of_an_epoch_follow_the_execution_in_which_it_ends(call, tiny, tmp_path):
    """An epoch has 12 steps: with 5 steps per execution its checkpoint is that of step 15."""
    argv = (*tiny, "--log_every=5", "--steps_per_execution=5", "--steps=20")
    assert call("train", *argv, f"--outdir={tmp_path}").code == 0
    assert steps_saved(tmp_path) == [15, 20]
    names = sorted(path.name for path in (tmp_path / "samples").iterdir())
    assert names == [f"step-{step:07}.png" for step in (0, 15, 20)]


def test_stop_is_seen_after_the_execution(call, tiny, tmp_path, monkeypatch):
    import signal

    from training import callbacks

    after_step = callbacks.Log.after_step

    def stopping(log):
        after_step(log)
        if log.step == 8:
            signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(callbacks.Log, "after_step", stopping)
    argv = (*tiny, "--log_every=4", "--steps_per_execution=4", "--steps=20")
    assert call("train", *argv, f"--outdir={tmp_path}").code == 143
    assert steps_saved(tmp_path) == [8]
    assert json.loads((tmp_path / "status.json").read_text())["finished"] is None


@pytest.mark.parametrize(
    "option", ["log_every", "sample_every", "checkpoint_every", "keep_every", "eval_every"]
)
def test_period_that_is_not_a_multiple_of_the_steps_is_an_error(call, tiny, tmp_path, option):
    argv = (*tiny, "--steps_per_execution=4", "--log_every=8", f"--{option}=6")
    message = call("train", *argv, f"--outdir={tmp_path}").refusal()
    assert message == f"--{option}: 6 is not a multiple of steps_per_execution=4; 8 is one"


def test_checkpoint_that_is_not_a_multiple_of_the_steps_is_an_error(call, tiny, tmp_path):
    argv = (*tiny, "--log_every=6", f"--outdir={tmp_path}")
    assert call("train", *argv, "--steps=3").code == 0
    message = call("train", *argv, "--steps=9", "--steps_per_execution=2").refusal()
    assert message == "--steps_per_execution: the last checkpoint is at step 3; use a divisor of 3"
