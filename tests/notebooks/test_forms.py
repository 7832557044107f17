"""Forms of the notebook: one clear line per invalid field, and the commands of valid ones."""

import os
import sys
import types
from pathlib import Path

import pytest

from notebooks import cells, forms
from notebooks.cells import CellError
from training.options import parse


def chosen(tmp_path, **fields):
    return forms.choose(str(tmp_path), **{"model": "gan", "dataset": "MNIST", **fields})


def test_form_gives_the_flags_of_a_training(tmp_path):
    form = chosen(tmp_path, epochs=3, minutes=2.5, flags="--width 4 --schedule='g_learning_rate:"
                  "linear:2e-4:0'", name="my run")  # fmt: skip
    assert form.run == tmp_path / "my run"
    assert form.minutes == 2.5
    config = parse(form.flags)
    assert (config.options.model, config.options.dataset, config.hp.epochs) == ("gan", "MNIST", 3)
    assert (config.hp.width, config.options.outdir) == (4, str(form.run))
    assert form.summary == (
        f"gan on MNIST, 3 epochs, at most 2.5 minutes; run directory {tmp_path}/my run"
    )


def test_empty_form_leaves_the_defaults(tmp_path):
    form = chosen(tmp_path, model="infogan", dataset="cifar-10")
    assert form.run == tmp_path / "infogan-cifar10"
    assert list(form.flags) == [
        "--model=infogan", "--dataset=cifar-10", f"--outdir={tmp_path}/infogan-cifar10",
    ]  # fmt: skip
    assert "infogan on CIFAR10, 150 epochs" in form.summary
    assert form.pictures == [form.run / name for name in forms.PICTURES]


def test_flags_of_the_form_come_after_its_fields(tmp_path):
    form = chosen(tmp_path, epochs=3, flags=f"--steps=50 --outdir={tmp_path}/other")
    assert form.run == tmp_path / "other"
    assert form.summary.startswith("gan on MNIST, 50 steps; ")


INVALID_NAME = (
    "name: expected letters, digits, spaces and _ . + -, with a letter, a digit or _ first"
)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"model": "gna"}, "--model: no such model: gna; did you mean gan, wgan or cgan?"),
        ({"model": ""}, "--model: expected one of autoencoder, "),
        ({"dataset": ""}, "--dataset: expected a name such as MNIST, or a path, got an empty str"),
        ({"dataset": "/missing"}, "--dataset: /missing: no such folder or file"),
        ({"epochs": -1}, "epochs: expected an integer >= 0, got -1"),
        ({"epochs": 1.5}, "epochs: expected an integer >= 0, got 1.5"),
        ({"epochs": "3"}, "epochs: expected an integer >= 0, got '3'"),
        ({"minutes": -2}, "minutes: expected a number >= 0, got -2"),
        ({"minutes": float("nan")}, "minutes: expected a number >= 0, got nan"),
        ({"minutes": None}, "minutes: expected a number >= 0, got None"),
        ({"flags": "--wdth 3"}, "--wdth: no such flag; did you mean --width or --depth?"),
        ({"flags": "--width 0"}, "--width: expected an integer >= 1, got 0"),
        ({"flags": "--width '4"}, "flags: No closing quotation: --width '4"),
        (
            {"flags": "--max_image_pixels=10"},
            "--max_image_pixels: requires a folder of images, and dataset=MNIST is not one; omit",
        ),
        ({"name": "../x"}, f"{INVALID_NAME}, got '../x'"),
        ({"name": ".."}, f"{INVALID_NAME}, got '..'"),
        ({"name": "x", "flags": "--outdir=y"}, "name: has no effect with --outdir in flags"),
        ({"copy_to_drive": True}, "copy_to_drive: Google Drive can be mounted in Colab only; unt"),
    ],
)
def test_invalid_field_is_an_error_of_one_line(tmp_path, fields, message):
    with pytest.raises(CellError) as caught:
        chosen(tmp_path, **fields)
    (line,) = caught.value._render_traceback_()
    assert line.startswith(f"error: {message}")
    assert "\n" not in line


def colab(monkeypatch, mount):
    """Let this process be a kernel of Colab, whose drive.mount is a function."""
    package = types.ModuleType("google.colab")
    package.drive = types.SimpleNamespace(mount=mount)
    monkeypatch.setitem(sys.modules, "google.colab", package)


def test_copy_to_drive_mounts_it_and_copies_runs_to_a_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(forms, "COPIES", str(tmp_path / "drive" / "MyDrive" / "gan-zoo"))
    colab(monkeypatch, lambda place: (tmp_path / "drive" / "MyDrive").mkdir(parents=True))
    form = chosen(tmp_path, copy_to_drive=True)
    assert Path(forms.COPIES).is_dir()
    config = parse(form.flags)
    assert config.copy == Path(forms.COPIES) / "gan-mnist"
    with pytest.raises(CellError, match=r"^copy_to_drive: untick it, or leave out --copy_to in fl"):
        chosen(tmp_path, copy_to_drive=True, flags="--copy_to=/mnt")


def test_drive_that_cannot_be_mounted_is_an_error_of_one_line(tmp_path, monkeypatch):
    def mount(place):
        raise ValueError("mount failed\nhint")

    colab(monkeypatch, mount)
    with pytest.raises(CellError, match=r"Google Drive cannot be mounted \(mount failed\)$"):
        chosen(tmp_path, copy_to_drive=True)


@pytest.fixture
def commands(monkeypatch):
    """The commands that cells run, with their options."""
    found = []
    monkeypatch.setattr(cells, "run", lambda *command, **options: found.append((command, options)))
    return found


def test_train_runs_the_script_with_its_pictures_and_limit(tmp_path, commands):
    form = chosen(tmp_path, minutes=5)
    form.train()
    ((command, options),) = commands
    assert command == ("train.py", *form.flags)
    assert (options["pictures"], options["minutes"]) == (form.pictures, 5)
    assert options["after_stop"] == "To resume the training, run this cell again."


@pytest.mark.parametrize(
    ("fields", "length"),
    [
        ({"epochs": 3}, "3 epochs"),
        ({"model": "infogan", "dataset": "CIFAR10"}, "150 epochs"),
        ({"epochs": 3, "flags": "--steps=50"}, "50 steps"),
    ],
)
def test_training_at_its_end_says_how_to_train_for_longer(tmp_path, fields, length):
    assert chosen(tmp_path, **fields).after_end == (
        f"To train for more than {length}, change Choose, run it, and run this cell again."
    )


def test_script_has_the_flags_of_cell_and_form(commands):
    forms.script("-m benchmarks gpu", "--outdir=a b", flags="--stages 'device'", show_pictures=True)
    ((command, options),) = commands
    assert command == ("-m", "benchmarks", "gpu", "--outdir=a b", "--stages", "device")
    assert options["show"] is cells.show_picture
    with pytest.raises(CellError, match=r"^flags: No closing quotation: --n \"2$"):
        forms.script("generate.py", flags='--n "2')


def test_show_has_the_pictures_that_exist(tmp_path, monkeypatch, capsys):
    form, seen = chosen(tmp_path), []
    monkeypatch.setattr(cells, "display", seen.append)
    form.show()
    assert capsys.readouterr().out == f"{form.run}: no pictures yet; run Train first\n"
    form.run.mkdir()
    for name in ("curves.png", "samples.png", "real.png"):
        (form.run / name).write_bytes(name.encode())
    form.show()
    assert [image.data for image in seen] == [b"samples.png", b"curves.png"]


def test_set_up_makes_the_folder_and_names_the_gpus(tmp_path, monkeypatch, capsys):
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, code in (("nvidia-smi", "echo 'GPU 0: Tesla T4 (UUID: GPU-1)'"), ("tensorboard", "")):
        (programs / name).write_text(f"#!/bin/sh\n{code}\n")
        (programs / name).chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(programs / "python"))
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.delenv("TENSORBOARD_BINARY", raising=False)
    monkeypatch.chdir(tmp_path)
    assert forms.set_up("runs/mine") == str(tmp_path / "runs" / "mine")
    assert (tmp_path / "runs" / "mine").is_dir()
    assert os.environ.pop("TENSORBOARD_BINARY") == str(programs / "tensorboard")
    out = capsys.readouterr().out
    assert out == f"runs: {tmp_path}/runs/mine\nGPU 0: Tesla T4 (UUID: GPU-1)\n"
    for code in ("exit 9", "echo"):  # no driver, no GPU
        (programs / "nvidia-smi").write_text(f"#!/bin/sh\n{code}\n")
        assert forms.gpus() == "no GPU: in Colab select one with Runtime, Change runtime type"
    monkeypatch.setenv("PATH", "")
    assert forms.gpus().startswith("no GPU: ")
    (tmp_path / "file").touch()
    with pytest.raises(CellError, match=r"^runs: file/x cannot be made \(Not a directory\)$"):
        forms.set_up("file/x")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert forms.set_up("~/home") == str(tmp_path / "home")
    for runs, message in (("a\0b", r"a\\x00b .*null"), ("~no-user/x", r"~no-user/x .*home")):
        with pytest.raises(CellError, match=rf"^runs: {message}"):
            forms.set_up(runs)


def test_forms_do_not_import_tensorflow(python):
    code = (
        "import sys; from notebooks import forms; print({'tensorflow', 'keras'} & {*sys.modules})"
    )
    assert python("-c", code).out == "set()\n"
