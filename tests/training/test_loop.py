"""Compilation of the training step: XLA by option and by device."""

import json
import math
import types

import numpy as np
import pytest
import tensorflow as tf

import models
from errors import UserError
from training import loading, loop, options

DEVICES = {
    kind: types.SimpleNamespace(device_type=kind, name=f"{kind.lower()}:0")
    for kind in ("CPU", "GPU", "TPU")
}


@pytest.fixture
def model():
    config = options.parse(["--model=gan", "--width=4", "--depth=1", "--noise_dim=5"])
    loading.prepare(config)
    return loading.build_model(config, (8, 8, 1), num_classes=0)


@pytest.mark.parametrize(
    ("jit", "devices", "xla"),
    [
        ("auto", ["CPU"], False),
        ("auto", ["CPU", "GPU"], True),
        ("auto", ["CPU", "GPU", "GPU"], True),
        ("auto", ["CPU", "TPU"], True),
        ("on", ["CPU"], True),
        ("off", ["CPU", "GPU"], False),
    ],
)
def test_compile_model_uses_xla_by_option_and_device(model, monkeypatch, jit, devices, xla):
    present = [DEVICES[kind] for kind in devices]
    monkeypatch.setattr(tf.config, "get_visible_devices", lambda: present)
    loop.compile_model(model, jit)
    assert model.jit_compile is xla


def test_compile_model_without_xla_support_raises_for_jit_on(model, monkeypatch):
    monkeypatch.setattr(type(model), "jit_compile", property(lambda model: False, lambda *_: None))
    loop.compile_model(model, "auto")
    with pytest.raises(UserError, match="does not compile under XLA; use --jit=off") as caught:
        loop.compile_model(model, "on")
    assert caught.value.option == "jit"


@pytest.fixture
def uncompilable(monkeypatch):
    """Make all steps contain an operation that XLA cannot compile, and XLA the choice of auto."""
    from models.adversarial import AdversarialModel

    update = AdversarialModel.update

    def with_python(model, data):
        scalars = update(model, data)
        scalars["g_loss"] = tf.py_function(lambda x: x, [scalars["g_loss"]], tf.float32)
        scalars["g_loss"].set_shape(())
        return scalars

    monkeypatch.setattr(AdversarialModel, "update", with_python)
    monkeypatch.setattr(
        loop, "compile_model", lambda model, *_, **__: model.compile(jit_compile=True)
    )


def test_train_goes_on_without_xla_where_it_fails_in_the_first_step(
    call, tiny, tmp_path, uncompilable
):
    done = call("train", *tiny, "--steps=2", "--log_every=1", f"--outdir={tmp_path}")
    assert done.code == 0, done
    (line,) = done.err.splitlines()
    assert line.startswith("warning: XLA failed in the first step (")
    assert "EagerPyFunc" in line
    assert line.endswith("the training continues without XLA (jit=off)")
    assert json.loads((tmp_path / "config.json").read_text())["environment"]["xla"] is False
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2]


def test_train_with_jit_on_ends_where_xla_fails(call, tiny, tmp_path, uncompilable):
    with pytest.raises(tf.errors.OpError):
        call("train", *tiny, "--steps=2", "--jit=on", f"--outdir={tmp_path}")


@pytest.mark.slow
def test_train_with_jit_on_compiles_the_step_and_resumes(call, tiny, tmp_path):
    for steps in (2, 4):
        argv = (*tiny, f"--steps={steps}", "--log_every=1", "--jit=on", f"--outdir={tmp_path}")
        done = call("train", *argv)
        assert done.code == 0, done
    saved = json.loads((tmp_path / "config.json").read_text())
    assert saved["environment"]["xla"] is True
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2, 3, 4]
    assert all(math.isfinite(value) for line in lines for value in line.values())


@pytest.mark.parametrize(
    ("model", "hyperparameters", "names"),
    [
        ("dcgan", {}, ["generator", "discriminator"]),
        ("dcgan", {"g_norm": "none", "d_norm": "layer"}, []),
        ("gan", {}, []),
        ("gan", {"g_norm": "batch", "depth": 1}, ["generator"]),
        ("gan", {"d_norm": "batch", "depth": 2}, ["discriminator"]),
        ("dcgan", {"network": "resnet"}, []),
        ("autoencoder", {"norm": "batch", "network": "mlp"}, ["encoder", "decoder"]),
    ],
)
def test_networks_without_input_have_one_output_for_all_inputs(model, hyperparameters, names):
    """In a step of one image, where batch norm of a vector is its bias."""
    built = models.build(model, "MNIST", width=4, **hyperparameters)
    assert loop.networks_without_input(built) == names
    if model == "autoencoder":
        return
    inputs = {
        "generator": built.latents.join(built.latents.draw(2, 0)),
        "discriminator": tf.random.stateless_uniform((2, 28, 28, 1), [0, 1], -1, 1),
    }
    for name, both in inputs.items():
        network = built.networks()[name]
        one, other = (network(both[k : k + 1], training=True) for k in range(2))
        assert np.array_equal(one, other) == (name in names)
