"""curves.png: the panels of the logged scalars."""

import json

import pytest

from models import adversarial  # noqa: F401, declares the losses
from storage.run_directory import RunDirectory
from training import curves


@pytest.fixture
def panels(monkeypatch):
    """Return panels(run directory) -> the panels of its curves.png, without drawing."""

    def panels(run):
        drawn = []
        with monkeypatch.context() as patch:
            patch.setattr(curves.plotting, "save_curves", lambda *given: drawn.append(given))
            curves.draw_curves(run)
        ((path, panels, x_label),) = drawn
        assert path == run.path / "curves.png"
        assert x_label == "step"
        return panels

    return panels


def test_draw_curves_puts_each_logged_scalar_in_its_panel(tiny_run, panels):
    drawn = panels(RunDirectory(tiny_run.path))
    assert {panel.title: sorted(panel.series) for panel in drawn} == {
        "losses": ["d_loss", "g_loss"],
        "terms of the discriminator's loss": ["fake", "real"],
        "accuracy of the discriminator": ["fake", "real"],
        "gradient norms": ["discriminator", "generator"],
        "learning rates": ["discriminator", "generator"],
        "images per second": ["train"],
    }
    text = (tiny_run.path / "metrics.jsonl").read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    (losses,) = [panel for panel in drawn if panel.title == "losses"]
    steps, d_loss = losses.series["d_loss"]
    assert list(steps) == [line["step"] for line in lines]
    assert list(d_loss) == [line["d_loss"] for line in lines]


def test_draw_curves_of_began_has_k_and_convergence(call, tiny, tmp_path, panels):
    """Scalar k, and convergence measure M = L(x) + |gamma L(x) - L(G(z))|."""
    small = ("--network=mlp", "--initializer=normal", "--lambda_k=0.1")
    small += ("--steps=3", "--log_every=1")
    outcome = call("train", *tiny, "--model=began", *small, f"--outdir={tmp_path / 'began'}")
    assert outcome.code == 0, outcome
    run = RunDirectory(tmp_path / "began")
    lines = [json.loads(line) for line in (run.path / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2, 3]
    assert all(0 <= line["k"] <= 1 for line in lines)
    assert len({line["k"] for line in lines}) > 1
    assert all(line["convergence"] > line["d_loss_real"] > 0 for line in lines)
    (equilibrium,) = [panel for panel in panels(run) if panel.title == "equilibrium"]
    assert equilibrium.series == {
        name: ((1, 2, 3), tuple(line[name] for line in lines)) for name in ("k", "convergence")
    }


def test_draw_curves_without_a_log_draws_nothing(tmp_path):
    curves.draw_curves(RunDirectory(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_draw_curves_of_distances_has_a_logarithmic_panel(tmp_path, panels):
    run = RunDirectory(tmp_path)
    run.log({"step": 4, "g_loss": 1.0})
    run.log({"step": 4, "metric_fid": 30.0})
    run.log({"step": 8, "g_loss": 2.0})
    run.log({"step": 8, "metric_fid": 20.0, "metric_cluster_loss": 0.5})
    assert [(panel.title, panel.log_y, panel.series) for panel in panels(run)] == [
        ("distances of samples", True, {"fid": ((4, 8), (30.0, 20.0))}),
        ("shares and scores", False, {"cluster_loss": ((8,), (0.5,))}),
        ("losses", False, {"g_loss": ((4, 8), (1.0, 2.0))}),
    ]
