"""Checkpoints of other runs and of earlier versions, and variables that are not finite."""

import json
import re
import shutil

import pytest

from storage.run_directory import RunDirectory
from tests.train.cases import files, steps_saved


def replace_checkpoint(run, other, step, saved_step=None):
    """Copy a checkpoint of another run into a run."""
    for suffix in ("index", "data-00000-of-00001"):
        source = other / "checkpoints" / f"ckpt-{saved_step or step}.{suffix}"
        shutil.copy(source, run / "checkpoints" / f"ckpt-{step}.{suffix}")


@pytest.fixture(scope="module")
def of_other_seed(tmp_path_factory, stopped, short):
    """Checkpoints of another seed, of networks of the same shapes, read-only."""
    from storage.checkpoints import Checkpoints
    from training import loading, options

    path = tmp_path_factory.mktemp("foreign")
    config = options.parse([*short, "--seed=6"])
    loading.prepare(config)
    data = RunDirectory(stopped).read_data()
    model = loading.build_model(config, data["image_shape"], data["num_classes"])
    model.compile()
    identity = config.identity(data["fingerprint"])
    checkpoints = Checkpoints(model.state(), model.step, path / "checkpoints", identity=identity)
    for step in (2, 4, 6):
        model.step.assign(step)
        checkpoints.save()
    return path


@pytest.mark.slow
def test_newest_checkpoint_of_another_seed_is_named_and_the_previous_one_used(
    run, of_other_seed, resume, warnings_of, assert_same_end
):
    replace_checkpoint(run, of_other_seed, 6)
    outcome = resume(run)
    (warning,) = warnings_of(outcome)
    assert warning == (
        f"{run}/checkpoints/ckpt-6 belongs to another run (seed is 6 there, not 5); skipped, the "
        "checkpoint of step 4 is used"
    )
    assert "steps 4 to 9" in outcome.out
    assert_same_end(run)


@pytest.mark.slow
def test_checkpoint_of_another_model_of_the_same_shapes_is_invalid(call, digits, tmp_path):
    small = (
        "--network=mlp",
        "--width=4",
        "--depth=1",
        "--noise_dim=4",
        "--batch_size=4",
        "--steps=1",
    )
    paths = {}
    for model in ("lsgan", "gan"):
        paths[model] = tmp_path / model
        own = small[1:] if model == "gan" else small
        argv = (f"--model={model}", *own, f"--dataset={digits}", f"--outdir={paths[model]}")
        assert call("train", *argv).code == 0
    replace_checkpoint(paths["gan"], paths["lsgan"], 1)
    before = files(paths["gan"] / "checkpoints")
    refusal = call("train", *argv, "--steps=2").refusal()
    assert re.search(
        r"ckpt-1 belongs to another run \(model is lsgan there, not gan\): no chec", refusal
    )
    assert (
        "belongs to another run (model is lsgan"
        in call("generate", f"--run={paths['gan']}").refusal()
    )
    assert files(paths["gan"] / "checkpoints") == before


def test_run_with_checkpoints_of_another_run_only_is_left_unchanged(run, of_other_seed, resume):
    for step in (2, 4, 6):
        replace_checkpoint(run, of_other_seed, step)
    before = files(run)
    outcome = resume(run)
    assert outcome.code == 2
    *warnings, last = outcome.err.splitlines()
    assert len(warnings) == 3
    assert last.startswith(f"error: {run}/checkpoints/ckpt-2 belongs to another run (seed is 6")
    assert files(run) == before


def test_foreign_checkpoint_is_not_generated_from(run, of_other_seed, call):
    replace_checkpoint(run, of_other_seed, 6)
    outcome = call("generate", f"--run={run}", "--n=4")
    assert outcome.code == 0
    assert "ckpt-6 belongs to another run (seed is 6 there, not 5); skipped" in outcome.err
    refusal = call("generate", f"--run={run}", "--n=4", "--step=6").refusal()
    assert refusal.startswith(f"--step: {run}/checkpoints/ckpt-6 belongs to another run")
    assert refusal.endswith("other intact steps: 2, 4")


def without_identity(run, call, short, monkeypatch, *flags):
    """Train a run whose checkpoints are as those of an earlier version."""
    with monkeypatch.context() as patch:
        patch.setattr("training.options.Config.identity", lambda config, fingerprint: {})
        patch.setattr("training.loop.finish", lambda *_: None)
        done = call("train", *short, "--steps=3", f"--outdir={run}", *flags)
    assert done.code == 0, done
    (run / "status.json").unlink()


@pytest.mark.slow
def test_checkpoints_without_identity_are_continued(
    call, short, tmp_path, monkeypatch, resume, warnings_of, assert_same_end
):
    without_identity(tmp_path / "run", call, short, monkeypatch)
    assert warnings_of(resume(tmp_path / "run")) == []
    assert_same_end(tmp_path / "run")


@pytest.mark.slow
def test_checkpoints_without_identity_and_config_json_are_invalid(
    call, short, tmp_path, monkeypatch, resume
):
    run = tmp_path / "run"
    without_identity(run, call, short, monkeypatch)
    (run / "config.json").unlink()
    before = files(run)
    refusal = resume(run).refusal()
    assert refusal == (
        f"{run}: config.json is missing, and the checkpoints, of an earlier version, lack the "
        "configuration; restore config.json from a copy"
    )
    assert files(run) == before


@pytest.mark.slow
def test_run_with_the_data_set_at_another_place_is_loaded(run, call, digits, tmp_path):
    moved = shutil.copy(digits, tmp_path / "moved.npz")
    saved = json.loads((run / "config.json").read_text())
    saved["options"]["dataset"] = str(moved)
    (run / "config.json").write_text(json.dumps(saved))
    outcome = call("generate", f"--run={run}", "--n=4")
    assert (outcome.code, outcome.err) == (0, "")


# Variables that are not finite, with finite losses.


@pytest.fixture
def poison_after(monkeypatch):
    """poison_after(step, choose, value): set an element of choose(model) after a step."""
    import numpy as np

    from training import callbacks

    after_step = callbacks.Log.after_step

    def poison_after(step, choose, value):
        def poisoning(log):
            after_step(log)
            if log.step == step:
                variable = choose(log.model)
                content = np.array(variable)
                content.flat[0] = value
                variable.assign(content)

        monkeypatch.setattr(callbacks.Log, "after_step", poisoning)

    return poison_after


@pytest.mark.slow
@pytest.mark.parametrize("value", ["nan", "inf"])
def test_optimizer_variable_that_is_not_finite_stops_the_run_and_is_not_saved(
    run, call, short, poison_after, value
):
    poison_after(8, lambda model: model.optimizers["discriminator"].variables[-1], float(value))
    outcome = call("train", *short, f"--outdir={run}")
    assert outcome.code == 1
    assert re.fullmatch(
        r"error: step 8: discriminator_optimizer/\S+ is not finite; earlier check.*\n",
        outcome.err,
    )
    assert steps_saved(run) == [2, 4, 6]
    assert not RunDirectory(run).finished


@pytest.mark.slow
@pytest.mark.parametrize(
    ("flags", "name", "choose"),
    [
        (("--model=dcgan",), "moving_variance", lambda m: moving_variance(m.generator)),
        (("--model=gan", "--ema_decay=0.9"), "generator_ema", lambda m: m.generator_ema.weights[0]),
    ],
    ids=["batch norm", "EMA"],
)
def test_state_that_is_not_finite_with_finite_losses_stops_the_run(
    call, digits, tmp_path, poison_after, checkpoint, flags, name, choose
):
    import numpy as np

    argv = (*flags, "--width=4", "--batch_size=4", f"--dataset={digits}", f"--outdir={tmp_path}")
    argv = (*argv, "--steps=4", "--checkpoint_every=1")
    poison_after(3, choose, float("inf"))
    outcome = call("train", *argv)
    assert outcome.code == 1, outcome
    last = outcome.err.splitlines()[-1]
    assert last.startswith("error: step 3: ")
    assert name in last
    assert "is not finite; earlier checkpoints are kept" in last
    assert "Traceback" not in outcome.err
    assert steps_saved(tmp_path) == [1, 2]
    saved = checkpoint(tmp_path / "checkpoints" / "ckpt-2")
    assert all(np.isfinite(value).all() for value in saved.values())


def moving_variance(network):
    """Return the moving variance of the first batch normalisation of a network."""
    return next(v for v in network.variables if "moving_variance" in v.path)
