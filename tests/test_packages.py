"""Packages of trained weights: export, loading by every script and in Python, shipped ones."""

import hashlib
import json
import re
import shutil

import numpy as np
import pytest
from safetensors.numpy import load_file

import models
import plotting
from errors import UserError
from models.pretrained import SAMPLES
from storage import packages
from training import export

LEVELS = 2  # largest difference of a pixel of stored samples between machines


@pytest.fixture(scope="module")
def folder(coded_run, tmp_path_factory):
    """A folder with the package "coded" of a run with codes, read-only."""
    path = tmp_path_factory.mktemp("packages")
    assert export.main([str(coded_run.path), "--to", str(path), "--name=coded"]) == 0
    return path


@pytest.fixture
def shipped(folder, tmp_path, monkeypatch):
    """A copy of the folder that takes the place of the shipped packages."""
    copy = shutil.copytree(folder, tmp_path / "shipped")
    monkeypatch.setattr(packages, "SHIPPED", copy)
    monkeypatch.chdir(tmp_path)
    return copy


def test_export_writes_tensors_description_card_and_index(folder, coded_run):
    assert {path.name for path in folder.iterdir()} == {
        *("coded.safetensors", "coded.json", "coded.md", "index.json")
    }
    content = (folder / "coded.safetensors").read_bytes()
    entry = {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    assert json.loads((folder / "index.json").read_text()) == {"coded": entry}
    about = json.loads((folder / "coded.json").read_text())
    saved = json.loads((coded_run.path / "config.json").read_text())
    assert about["hyperparameters"] == saved["hyperparameters"]
    assert about["data"] == saved["data"]
    assert {name: about[name] for name in entry} == entry
    assert about["options"]["dataset"] == "digits.npz"
    assert (about["trained"]["steps"], about["trained"]["flagfile"]) == (4, "")
    assert about["metrics"] == {}
    card = (folder / "coded.md").read_text()
    assert entry["sha256"] in card
    assert "models.load_pretrained" in card


def test_tensors_are_float16_but_for_vectors_and_own_variables(folder):
    tensors = load_file(folder / "coded.safetensors")
    for name, value in tensors.items():
        own = name.startswith("own/")
        kinds = ("i", "f") if own else ("u",) if name == SAMPLES else ("f",)
        assert value.dtype.kind in kinds, name
        if value.dtype.kind == "f":
            assert value.dtype.itemsize == (4 if own or value.ndim < 2 else 2), name
    parts = {name.split("/")[0] for name in tensors}
    assert parts == {"generator_ema", "discriminator", "q", "own", SAMPLES}


def test_packaged_model_draws_and_encodes_as_the_run(folder, coded_run):
    model = models.load_pretrained(folder / "coded.safetensors")
    of_run = models.load(coded_run.path)
    images = plotting.to_uint8(of_run.sample(8, seed=3))
    drawn = plotting.to_uint8(model.sample(8, seed=3))
    assert np.abs(drawn.astype(int) - images).max() <= 1
    np.testing.assert_allclose(model.encode(images), of_run.encode(images), atol=2e-3)
    stored = load_file(folder / "coded.safetensors")[SAMPLES]
    np.testing.assert_array_equal(stored, plotting.to_uint8(model.sample(len(stored))))
    for average, network in model.ema_pairs():
        for mean, weight in zip(average.weights, network.weights, strict=True):
            np.testing.assert_array_equal(mean, weight)


@pytest.mark.parametrize("change", ["damaged", "of another package", "missing"])
def test_damaged_foreign_or_missing_tensors_raise_in_one_line(change, shipped, call):
    tensors = shipped / "coded.safetensors"
    content = tensors.read_bytes()
    if change == "missing":
        tensors.unlink()
    else:
        changed = content[:-1] + bytes([content[-1] ^ 1]) if change == "damaged" else content * 2
        tensors.write_bytes(changed)
    done = call("generate", "--pretrained=coded")
    expected = "no such file. Download" if change == "missing" else "damaged, or another file"
    refusal = done.refusal()
    assert refusal.startswith("--pretrained: ")
    assert expected in refusal
    assert not list(shipped.parent.glob("runs/**/*.*"))


def test_tensors_of_another_version_raise(shipped, call):
    about = json.loads((shipped / "coded.json").read_text())
    about["hyperparameters"]["width"] += 1
    (shipped / "coded.json").write_text(json.dumps(about))
    assert (
        "written by another version of the code" in call("generate", "--pretrained=coded").refusal()
    )


def test_unknown_package_raises_with_the_nearest_name(shipped, call):
    refusal = call("generate", "--pretrained=codec").refusal()
    assert refusal == "--pretrained: no such weights: codec; did you mean coded?"
    with pytest.raises(UserError, match=r"generate\.py --list"):
        packages.find("nothing-like-it")
    for path in ("/", ".", "", "x.safetensors"):
        with pytest.raises(UserError, match=r"no such (weights|file)"):
            packages.find(path)


def test_generate_draws_the_same_images_as_python(shipped, call):
    done = call("generate", "--pretrained=coded", "--output=npz", "--n=3", "--seed=2")
    assert done.code == 0, done
    path = shipped.parent / "runs" / "pretrained" / "coded" / "generated"
    with np.load(path / "npz-n3-seed2-step4.npz") as arrays:
        model = models.load_pretrained("coded")
        np.testing.assert_array_equal(arrays["images"], plotting.to_uint8(model.sample(3, seed=2)))


def test_list_has_model_data_size_and_result(shipped, call):
    done = call("generate", "--list")
    assert done.code == 0, done
    row = [cell.strip() for cell in done.out.splitlines()[2].strip("|").split("|")]
    size = len((shipped / "coded.safetensors").read_bytes())
    assert row == ["coded", "infogan", "digits", f"{size / 1e6:.1f} MB", "n/a"]


@pytest.mark.parametrize("entry", [*packages.ABOUT, *packages.TRAINED, "options", "data"])
@pytest.mark.parametrize("value", [None, {"a": 1}, 5.5])
def test_damaged_description_raises_in_one_line(entry, value, shipped, call):
    about = json.loads((shipped / "coded.json").read_text())
    (about if entry in about else about["trained"])[entry] = value
    (shipped / "coded.json").write_text(json.dumps(about))
    done = call("generate", "--list")
    if value == 5.5 and packages.TRAINED.get(entry) is float:
        assert done.code == 0, done
    else:
        assert "coded.json: cannot be read" in done.refusal()


def test_damaged_index_raises_in_one_line(shipped, call):
    for content in ("", "[]", '{"coded": 1}', '{"../x": {"sha256": "", "bytes": 1}}'):
        (shipped / "index.json").write_text(content)
        assert "index.json: cannot be read" in call("generate", "--list").refusal()


def test_two_packages_of_one_name_raise(shipped, folder, call):
    refusal = call("evaluate", f"--pretrained=coded,{folder / 'coded.safetensors'}").refusal()
    assert (
        refusal == "--pretrained: coded is given twice, or is the name of two packages; rename one"
    )


def test_evaluate_measures_a_package_on_its_data(shipped, call, digits):
    argv = ("--metrics=pixel_mean,cluster_accuracy", "--num_samples=20", f"--dataset={digits}")
    done = call("evaluate", "--pretrained=coded", *argv)
    assert done.code == 0, done
    path = shipped.parent / "runs" / "pretrained" / "coded" / "evaluation.json"
    metrics = json.loads(path.read_text())["metrics"]
    assert metrics["cluster_accuracy"]["value"] is not None
    hashed = json.loads((shipped / "index.json").read_text())["coded"]["sha256"]
    assert metrics["pixel_mean"]["protocol"]["weights_sha256"] == hashed
    assert json.loads((shipped / "coded.json").read_text())["metrics"] == {}


def test_evaluate_adds_the_metrics_to_a_package_of_a_user(
    folder, tmp_path, monkeypatch, call, digits
):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(folder, tmp_path / "mine")
    path = tmp_path / "mine" / "coded.safetensors"
    argv = (f"--pretrained={path}", "--metrics=pixel_mean,elbo", "--num_samples=20")
    assert call("evaluate", *argv, f"--dataset={digits}").code == 0
    metrics = json.loads(path.with_suffix(".json").read_text())["metrics"]
    assert list(metrics) == ["pixel_mean"]
    assert "| pixel_mean |" in path.with_suffix(".md").read_text()


@pytest.mark.slow
def test_export_keeps_no_path_of_the_machine(tiny_run, digits, tmp_path, call):
    done = call("training.export", tiny_run.path, f"--to={tmp_path}", "--licence=CC0")
    assert done.code == 0, done
    text = (tmp_path / "tiny.json").read_text() + (tmp_path / "tiny.md").read_text()
    assert str(tiny_run.path) not in text
    assert str(digits) not in text
    assert str(tmp_path) not in text
    assert re.search(r"\| licence +\| CC0 ", text)
    assert "--g_learning_rate=1e-3" in text


@pytest.mark.parametrize(
    ("script", "argv", "option"),
    [
        ("generate", ("--seed=1",), "run"),
        ("generate", ("--run=r", "--pretrained=p"), "run"),
        ("generate", ("--pretrained=p", "--step=1"), "step"),
        ("evaluate", ("--pretrained=p", "--images=i", "--dataset=d"), "run"),
        ("evaluate", ("--pretrained=p", "--step=1"), "step"),
        ("evaluate", ("--pretrained=coded", "--publish", "--repeats=3"), "publish"),
    ],
)
def test_flags_that_exclude_each_other_raise(script, argv, option, shipped, call):
    assert call(script, *argv).refusal().startswith(f"--{option}: ")


@pytest.mark.parametrize("name", list(packages.index()))
def test_shipped_package_draws_its_stored_samples(name):
    stored = packages.find(name).read_tensors()[SAMPLES]
    drawn = plotting.to_uint8(models.load_pretrained(name).sample(len(stored)))
    assert np.abs(drawn.astype(int) - stored).max() <= LEVELS


def test_shipped_packages_are_small_and_measured():
    sizes = [entry["bytes"] for entry in packages.index().values()]
    assert all(size <= 5e6 for size in sizes)
    assert sum(sizes) <= 60e6
    for package in packages.shipped():
        about = package.read_config()
        assert about["trained"]["flagfile"], package.name
        assert about["metrics"], package.name
        hashes = {entry["protocol"].get("weights_sha256") for entry in about["metrics"].values()}
        assert hashes == {about["sha256"]}, package.name


def test_export_of_an_earlier_step_describes_that_step(tiny_run, tmp_path, call):
    done = call("training.export", tiny_run.path, f"--to={tmp_path}", "--step=4", "--name=early")
    assert done.code == 0, done
    about = json.loads((tmp_path / "early.json").read_text())
    assert (about["trained"]["steps"], about["trained"]["flagfile"]) == (4, "")
    assert about["trained"]["kimg"] == 0.064
    assert int(models.load_pretrained(tmp_path / "early.safetensors").step) == 4
    again = call("training.export", tiny_run.path, f"--to={tmp_path}", "--name=early").refusal()
    assert again.endswith("early.json exists; choose another name, or delete it")


def test_command_of_a_description_has_no_absolute_path():
    command = "python train.py --a=/x --b /y --c=r,/z --d=1 --outdir=/tmp/a=b 'e f'"
    assert export.without_paths(command) == "python train.py --d=1 'e f'"


def test_paths_in_a_description_are_not_followed(folder, tmp_path, monkeypatch, call, digits):
    """Its name, its outdir and its data_dir are those of a stranger's machine."""
    monkeypatch.delenv("TFDS_DATA_DIR", raising=False)
    mine = shutil.copytree(folder, tmp_path / "mine")
    about = json.loads((mine / "coded.json").read_text())
    about["name"] = "../../elsewhere/x"
    places = {"outdir": "../elsewhere", "copy_to": "../elsewhere", "data_dir": "../elsewhere"}
    about["options"].update(places)
    about["trained"]["flagfile"] = "../elsewhere/x.txt"
    (mine / "coded.json").write_text(json.dumps(about))
    path = mine / "coded.safetensors"
    done = call("generate", f"--pretrained={path}", "--n=1")
    assert done.out == f"{mine / 'coded' / 'generated' / 'grid-n1-seed0-step4.png'}\n"
    argv = (f"--pretrained={path}", "--metrics=pixel_mean", "--num_samples=20")
    assert call("evaluate", *argv, f"--dataset={digits}").code == 0
    assert [entry.name for entry in tmp_path.iterdir()] == ["mine"]
    about["options"]["dataset"] = "stranger_set"
    (mine / "coded.json").write_text(json.dumps(about))
    assert "data_dir=../elsewhere" in call("evaluate", *argv).refusal()


@pytest.mark.parametrize("name", ["../shipped/coded", "../../etc/passwd", "coded/../coded"])
def test_name_with_a_path_is_no_shipped_package(shipped, call, name):
    assert call("generate", f"--pretrained={name}").refusal().startswith(
        f"--pretrained: no such weights: {name}"
    )  # fmt: skip
