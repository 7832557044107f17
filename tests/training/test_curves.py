"""curves.png: the panels of the logged scalars."""

import json

import pytest

from models import adversarial, vae  # noqa: F401, declare the losses
from plotting.looks import look_of
from storage.run_directory import RunDirectory
from training import curves


@pytest.fixture
def figure(monkeypatch):
    """Return figure(run directory) -> panels, title and subtitle of its curves.png, undrawn."""

    def figure(run):
        drawn = []
        with monkeypatch.context() as patch:
            patch.setattr(curves.plotting, "save_curves", lambda *given: drawn.append(given))
            curves.draw_curves(run)
        ((path, panels, x_label, title, subtitle),) = drawn
        assert path == run.path / "curves.png"
        assert x_label == "step"
        return panels, title, subtitle

    return figure


@pytest.fixture
def panels(figure):
    return lambda run: figure(run)[0]


def test_draw_curves_puts_each_logged_scalar_in_its_panel(tiny_run, panels):
    drawn = panels(RunDirectory(tiny_run.path))
    assert {panel.title: sorted(panel.series) for panel in drawn} == {
        "losses": ["discriminator", "generator"],
        "terms of the discriminator's loss": ["fake", "real"],
        "accuracy of the discriminator": ["fake", "real"],
        "gradient norms": ["discriminator", "generator"],
        "images per second": [""],
    }
    text = (tiny_run.path / "metrics.jsonl").read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    (losses,) = [panel for panel in drawn if panel.title == "losses"]
    steps, d_loss = losses.series["discriminator"]
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


def test_figure_of_a_run_has_its_model_data_set_seed_and_name(tiny_run, figure, tmp_path):
    run = RunDirectory(tiny_run.path)
    _, title, _ = figure(run)
    assert title == f"gan on digits, seed 5, run {tiny_run.path.name}"
    alone = RunDirectory(tmp_path / "alone")
    alone.path.mkdir()
    alone.log({"step": 1, "d_loss": 1.0})
    assert figure(alone)[1] == "run alone"


def test_settings_are_one_line_unless_they_change(tmp_path, figure):
    run = RunDirectory(tmp_path)
    rates = {"generator_learning_rate": 2e-4, "discriminator_learning_rate": 2e-4}
    for step in (1, 2):
        run.log({"step": step, "g_loss": 1.0, **rates, "q_learning_rate": 1e-3, "kl_weight": 1.0})
    panels, _, settings = figure(run)
    assert [panel.title for panel in panels] == ["losses"]
    rates_text = "learning rates: generator and discriminator 0.0002, q 0.001"
    assert settings == f"{rates_text}; weight of the KL divergence: 1"
    run.log({"step": 3, "g_loss": 1.0, **rates, "q_learning_rate": 5e-4, "kl_weight": 1.0})
    panels, _, settings = figure(run)
    assert [panel.title for panel in panels] == ["losses", "learning rates"]
    assert panels[1].series["q"] == ((1, 2, 3), (1e-3, 1e-3, 5e-4))
    assert panels[1].smoothing == 0
    assert settings == "weight of the KL divergence: 1"


def test_looks_of_quantities_are_the_same_in_all_panels(tmp_path, panels):
    run = RunDirectory(tmp_path)
    run.log(
        {
            "step": 1, "d_loss": 1.0, "g_loss": 1.0, "d_loss_real": 1.0, "d_accuracy_real": 0.5,
            "discriminator_gradient_norm": 1.0, "generator_gradient_norm": 2.0,
        }
    )  # fmt: skip
    run.log({"step": 1, "metric_fd_digits": 3.0})
    looks = {}
    for panel in panels(run):
        for label, look in panel.looks.items():
            assert looks.setdefault(label, look) == look
    assert looks["real"] == look_of("real")
    assert looks["discriminator"] == look_of("d_loss") != looks["generator"]
    assert looks["fd_digits"].marker


def test_curves_of_test_images_have_the_colour_of_the_training_images(tmp_path, panels):
    run = RunDirectory(tmp_path)
    run.log({"step": 1, "kl_loss": 1.0, "loss": 2.0, "images_per_second": 9.0})
    assert {label for panel in panels(run) for label in panel.series} == {""}
    run.log({"step": 1, "test_kl_loss": 1.5})
    drawn = {panel.title: panel for panel in panels(run)}
    looks = drawn["KL divergence, in nats"].looks
    assert looks == {"train": look_of("kl_loss"), "test": look_of("kl_loss")._replace(line="--")}
    assert [*drawn["loss"].series] == ["train"]


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
        ("losses", False, {"generator": ((4, 8), (1.0, 2.0))}),
    ]
