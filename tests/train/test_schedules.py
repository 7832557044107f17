"""Scheduled trainings: their records, and resumes within a schedule."""

import signal

import numpy as np
import pytest

from tests.train.cases import records, timeless

SCHEDULE = "g_learning_rate:cosine:1e-3:0,beta_2:linear:0.5:0.9:0.5,ema_decay:step:0.1:0.05"
ARGUMENTS = (f"--schedule={SCHEDULE}", "--steps=8", "--log_every=1", "--checkpoint_every=8")


@pytest.fixture(scope="module")
def whole(call, tiny, tmp_path_factory):
    path = tmp_path_factory.mktemp("scheduled") / "whole"
    assert call("train", *tiny, *ARGUMENTS, f"--outdir={path}").code == 0
    return path


@pytest.mark.slow
def test_records_have_the_scheduled_values_of_their_step(whole):
    lines = [line for line in records(whole) if "d_loss" in line]
    done = np.arange(8) / 8
    rates = [line["generator_learning_rate"] for line in lines]
    np.testing.assert_allclose(rates, 0.5e-3 * (1 + np.cos(np.pi * done)), rtol=1e-5, atol=1e-9)
    betas = [line["scheduled_beta_2"] for line in lines]
    np.testing.assert_allclose(betas, [0.5] * 4 + [0.5, 0.6, 0.7, 0.8], rtol=1e-5)
    averages = [line["scheduled_ema_decay"] for line in lines]
    np.testing.assert_allclose(averages, [0.1] * 4 + [0.05] * 4, rtol=1e-5)
    others = [line["discriminator_learning_rate"] for line in lines]
    np.testing.assert_allclose(others, 2e-4, rtol=1e-6)


@pytest.mark.slow
def test_run_resumed_within_a_schedule_has_the_same_bits(
    call, tiny, tmp_path, whole, checkpoint, assert_same_bits, monkeypatch
):
    from training import callbacks

    after_step = callbacks.Log.after_step

    def stopping(log):
        after_step(log)
        if log.step == 5:
            signal.raise_signal(signal.SIGTERM)

    argv = (*tiny, *ARGUMENTS, f"--outdir={tmp_path}")
    with monkeypatch.context() as patch:
        patch.setattr(callbacks.Log, "after_step", stopping)
        assert call("train", *argv).code == 143
    assert call("train", *argv).code == 0
    name = "checkpoints/ckpt-8"
    assert_same_bits(checkpoint(tmp_path / name), checkpoint(whole / name))
    assert [timeless(x) for x in records(tmp_path)] == [timeless(x) for x in records(whole)]


def test_run_with_another_schedule_is_not_resumed(call, tiny, tmp_path):
    argv = (*tiny, "--steps=2", f"--outdir={tmp_path}")
    assert call("train", *argv).code == 0
    message = call("train", *argv, "--schedule=beta_2:linear:0.5:0.9").refusal()
    assert "schedule was not given, is beta_2:linear:0.5:0.9." in message


@pytest.mark.slow
def test_longer_training_warns_that_schedules_span_it(call, tiny, tmp_path):
    argv = (*tiny, "--schedule=beta_2:linear:0.5:0.9", f"--outdir={tmp_path}")
    assert call("train", *argv, "--steps=2").err == ""
    warning = "warning: schedules span 4 steps from here on, not 2 as before\n"
    assert call("train", *argv, "--steps=4").err == warning
    lines = [line for line in records(tmp_path) if "scheduled_beta_2" in line]
    assert lines[-1]["step"] == 4
