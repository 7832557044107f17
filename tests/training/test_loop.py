"""Compilation of the training step: XLA by option and by device."""

import json
import pathlib
import types

import pytest
import tensorflow as tf

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
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda: present)
    loop.compile_model(model, jit)
    assert model.jit_compile is xla


def test_compile_model_without_xla_support_raises_for_jit_on(model, monkeypatch):
    monkeypatch.setattr(type(model), "jit_compile", property(lambda model: False, lambda *_: None))
    loop.compile_model(model, "auto")
    with pytest.raises(UserError, match="does not compile under XLA; use jit=off") as caught:
        loop.compile_model(model, "on")
    assert caught.value.option == "jit"


@pytest.mark.slow
def test_train_with_jit_on_equals_jit_off(call, tiny, tmp_path):
    last = {}
    for jit in ("on", "off"):
        path = tmp_path / jit
        done = call(
            "train", *tiny, "--steps=4", "--log_every=1", f"--jit={jit}", f"--outdir={path}"
        )
        assert done.code == 0, done
        assert json.loads((path / "config.json").read_text())["environment"]["xla"] is (jit == "on")
        lines = [json.loads(line) for line in (path / "metrics.jsonl").read_text().splitlines()]
        last[jit] = [(line["d_loss"], line["g_loss"]) for line in lines]
    assert len(last["on"]) == 4
    for compiled, plain in zip(last["on"], last["off"], strict=True):
        assert compiled == pytest.approx(plain, rel=1e-4)


class Network:
    """Network whose exports have a text, and fail after a part of it."""

    def __init__(self, text, fails=""):
        self.text, self.fails = text, fails

    def save(self, path):
        pathlib.Path(path).write_text(self.text)
        if self.fails == "save":
            raise OSError("no space left")

    def export(self, path, verbose):
        pathlib.Path(path).mkdir()
        (pathlib.Path(path) / "saved_model.pb").write_text(self.text)
        if self.fails == "export":
            raise OSError("no space left")


@pytest.mark.parametrize("fails", ["save", "export"])
def test_export_that_fails_leaves_whole_files_only(fails, tmp_path):
    loop.export(Network("old"), tmp_path)
    with pytest.raises(OSError, match="no space left"):
        loop.export(Network("new", fails), tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["generator.keras", "saved_model"]
    assert (tmp_path / "saved_model" / "saved_model.pb").read_text() == "old"
    saved = (tmp_path / "generator.keras").read_text()
    assert saved == ("old" if fails == "save" else "new")
