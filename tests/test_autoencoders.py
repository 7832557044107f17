"""Autoencoders from the command line: losses of test images, pictures and metrics."""

import json
import types

import pytest


@pytest.fixture(scope="module")
def vae_run(tmp_path_factory, call, digits):
    """A finished run of two epochs of 12 steps. Attributes: path, argv, outcome, records."""
    path = tmp_path_factory.mktemp("runs") / "vae"
    networks = ("--network=mlp", "--width=8", "--depth=1", "--latent_dim=3")
    argv = ("--model=beta_vae", *networks, "--batch_size=16", f"--dataset={digits}", "--epochs=2")
    argv += ("--beta=2", "--beta_schedule=linear", "--beta_warmup_epochs=2", "--log_every=6")
    argv += (f"--outdir={path}",)
    outcome = call("train", *argv)
    assert outcome.code == 0, outcome
    records = [json.loads(line) for line in (path / "metrics.jsonl").read_text().splitlines()]
    return types.SimpleNamespace(path=path, argv=argv, outcome=outcome, records=records)


@pytest.mark.slow
def test_train_of_a_vae_logs_losses_of_test_images_per_epoch(vae_run):
    tested = [record for record in vae_run.records if "test_loss" in record]
    assert [record["step"] for record in tested] == [12, 24]
    for record in tested:
        assert record["test_reconstruction_loss"] > record["test_kl_loss"] > 0
        assert record["test_active_units"] == 3
    assert f"test_loss {tested[-1]['test_loss']:.4g}" in vae_run.outcome.out
    assert "collapsed" not in vae_run.outcome.out


@pytest.mark.slow
def test_train_of_a_vae_raises_the_kl_weight_per_step(vae_run):
    weights = [record["kl_weight"] for record in vae_run.records if "kl_weight" in record]
    means = [2 * sum(range(k, k + 6)) / 6 / 24 for k in (0, 6, 12, 18)]
    assert weights == pytest.approx(means, rel=1e-5)


@pytest.mark.slow
def test_train_that_ends_within_an_epoch_logs_test_losses_at_the_end(call, vae_run, tmp_path):
    changed = [a for a in vae_run.argv if not a.startswith(("--outdir", "--epochs"))]
    assert call("train", *changed, "--steps=15", f"--outdir={tmp_path}").code == 0
    records = map(json.loads, (tmp_path / "metrics.jsonl").read_text().splitlines())
    assert [record["step"] for record in records if "test_loss" in record] == [12, 15]


@pytest.mark.slow
def test_train_of_a_vae_draws_its_pictures(vae_run):
    names = ("samples", "reconstructions", "reconstructions-by-epoch", "curves")
    for name in (f"{name}.png" for name in names):
        assert (vae_run.path / name).stat().st_size > 1000
    traversals = {path.name for path in (vae_run.path / "traversals").iterdir()}
    assert traversals == {
        f"active-span-{span}.{kind}" for span in (1, 2) for kind in ("png", "gif")
    }


@pytest.mark.slow
def test_train_with_a_collapsed_posterior_prints_a_warning(call, vae_run, tmp_path):
    changed = [a for a in vae_run.argv if not a.startswith(("--beta", "--outdir", "--epochs"))]
    argv = [*changed, "--beta=1000", "--learning_rate=0.005", "--epochs=10"]
    argv += ["--sample_every=1000", "--checkpoint_every=1000"]
    outcome = call("train", *argv, f"--outdir={tmp_path / 'run'}")
    assert outcome.code == 0, outcome
    assert "warning: the posterior has collapsed: no latent dimension has a KL" in outcome.err


@pytest.mark.slow
def test_evaluate_of_a_vae_measures_codes_and_likelihood(call, vae_run):
    wanted = "reconstruction_loss,kl_loss,active_units,elbo,importance_weighted_bound,knn1_accuracy"
    argv = [f"--run={vae_run.path}", f"--metrics={wanted}", "--likelihood_samples=3"]
    outcome = call("evaluate", *argv)
    assert outcome.code == 0, outcome
    metrics = json.loads((vae_run.path / "evaluation.json").read_text())["metrics"]
    assert list(metrics) == wanted.split(",")
    assert all(metric["value"] is not None for metric in metrics.values())
    assert metrics["elbo"]["protocol"]["samples"] == 3
    last = [record for record in vae_run.records if "test_loss" in record][-1]
    assert metrics["reconstruction_loss"]["value"] == pytest.approx(
        last["test_reconstruction_loss"], rel=1e-5
    )


@pytest.mark.slow
def test_generate_of_a_vae_draws_interpolations_and_traversals(call, vae_run, tmp_path):
    asked = (["interpolation", "--n=2"], ["traversal"], ["plane"], ["grid", "--n=4"])
    for output, *n in asked:
        argv = [f"--run={vae_run.path}", f"--output={output}", *n, f"--outdir={tmp_path}"]
        outcome = call("generate", *argv)
        assert outcome.code == 0, outcome
    name = vae_run.path.name
    assert (tmp_path / f"{name}-traversal-span1-seed0-step24-active.gif").exists()
    assert (tmp_path / f"{name}-interpolation-spherical-n2-frames10-seed0-step24.gif").exists()


def test_beta_warmup_epochs_with_a_constant_schedule_is_invalid(call, digits):
    argv = ["--model=beta_vae", f"--dataset={digits}", "--beta_warmup_epochs=3"]
    refusal = call("train", *argv).refusal()
    assert refusal.startswith("--beta_warmup_epochs: does not apply with beta_schedule=constant")
