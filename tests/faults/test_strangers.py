"""Runs and files of a stranger: nothing in them is executed, and no path in them is followed."""

import json
import os
import sys

import numpy as np
import pytest
from PIL import Image

from errors import UserError

MARK = "executed"
TRAP = f"import pathlib\npathlib.Path(__file__).with_name({MARK!r}).write_text('')\n"


@pytest.fixture
def trap(tmp_path, monkeypatch):
    """The folder of a module stranger_features that writes a file MARK when it is imported."""
    folder = tmp_path / "site-packages"
    folder.mkdir()
    (folder / "stranger_features.py").write_text(TRAP)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(sys.modules, "stranger_features", raising=False)
    return folder


def prepared(data_dir, name="stranger_set", feature="stranger_features.Image"):
    """Write a set of TensorFlow Datasets whose images have a class of any module."""
    folder = data_dir / name / "1.0.0"
    folder.mkdir(parents=True)
    split = {
        "name": "train",
        "numBytes": "1",
        "shardLengths": ["1"],
        "filepathTemplate": "{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}",
    }
    about = {"name": name, "version": "1.0.0", "fileFormat": "tfrecord", "splits": [split]}
    (folder / "dataset_info.json").write_text(json.dumps({**about, "moduleName": feature}))
    shape = {"dimensions": ["8", "8", "3"]}
    image = {"image": {"dtype": "uint8", "shape": shape}, "pythonClassName": feature}
    (folder / "features.json").write_text(
        json.dumps(
            {
                "featuresDict": {"features": {"image": image}},
                "pythonClassName": "tensorflow_datasets.core.features.features_dict.FeaturesDict",
            }
        )
    )
    return data_dir


def with_options(run, **options):
    """Change options in the config.json of a run; return the run."""
    saved = json.loads((run / "config.json").read_text())
    saved["options"].update(options)
    (run / "config.json").write_text(json.dumps(saved))
    return run


@pytest.mark.slow
def test_trap_is_executed_by_tensorflow_datasets_alone(trap, tmp_path):
    import tensorflow_datasets as tfds

    with pytest.raises(Exception, match="stranger_features"):
        tfds.builder("stranger_set", data_dir=str(prepared(tmp_path / "sets")))
    assert (trap / MARK).exists()


MEASURED = ("--metrics=pixel_mean", "--num_samples=4")
SETS = ("stranger_set", "cifar10:1.0.0")


@pytest.mark.parametrize("name", SETS)
def test_data_dir_of_a_strangers_run_is_not_followed(call, copied_run, trap, tmp_path, name):
    sets = prepared(tmp_path / "sets", name.partition(":")[0])
    run = with_options(copied_run, dataset=name, data_dir=str(sets))
    assert call("evaluate", f"--run={run}", *MEASURED).refusal() == (
        f"--data_dir: {run}: trained with data_dir={sets}, which is followed only if you set it: "
        "repeat it, or set TFDS_DATA_DIR"
    )
    done = call("generate", f"--run={run}", "--n=1")
    assert (done.code, done.err) == (0, "")
    assert not (trap / MARK).exists()


def test_default_data_dir_of_a_run_needs_no_option(monkeypatch, tmp_path):
    from training.evaluating import require_own_data_dir
    from training.run_options import RunOptions

    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("TFDS_DATA_DIR", raising=False)
    saved = {"model": "gan", "dataset": "CIFAR10"}
    default = tmp_path / "tensorflow_datasets"
    require_own_data_dir(RunOptions(**saved, data_dir=str(default)), "x")
    with pytest.raises(UserError, match=r"^data_dir: x: trained with data_dir=/elsewhere, which"):
        require_own_data_dir(RunOptions(**saved, data_dir="/elsewhere"), "x")


def test_folder_of_other_images_is_not_read(call, copied_run, tmp_path, monkeypatch):
    from data import opening

    monkeypatch.setattr(opening, "read", lambda *args: pytest.fail("a file is read"))
    folder = tmp_path / "private"
    for name in ("a", "b"):
        (folder / name).mkdir(parents=True)
        Image.new("L", (8, 8)).save(folder / name / "x.png")
    assert call("evaluate", f"--run={with_options(copied_run, dataset=str(folder))}", *MEASURED) \
        .refusal() == (
            f"{copied_run}: trained on other images than those of {folder}, which has 2 PNG and "
            "JPEG files in 2 class folders. Restore the data set, or set --dataset"
        )  # fmt: skip


@pytest.mark.parametrize("option", ["dataset", "data_dir", "outdir"])
def test_path_that_no_file_can_have_is_one_line(call, copied_run, option):
    run = with_options(copied_run, **{option: "x" * 300})
    for script in ("evaluate", "generate"):
        assert call(script, f"--run={run}").refusal() == (
            f"{run / 'config.json'}: damaged or written by another version of the code (no file "
            f"can have a name as long as {'x' * 40}...)"
        )


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("place", ["flag", "environment"])
def test_feature_class_outside_tfds_is_not_imported(
    call, copied_run, trap, tmp_path, monkeypatch, name, place
):
    sets = prepared(tmp_path / "sets", name.partition(":")[0])
    run = with_options(copied_run, dataset=name, data_dir="/elsewhere")
    argv = [f"--data_dir={sets}"]
    if place == "environment":
        argv = monkeypatch.setenv("TFDS_DATA_DIR", str(sets)) or []
    assert call("evaluate", f"--run={run}", *MEASURED, *argv).refusal() == (
        f"--dataset: {name}: its features.json names the class stranger_features.Image, and only "
        "classes of tensorflow_datasets are imported; write an .npz file or a folder of images"
    )
    assert not (trap / MARK).exists()


def test_set_with_the_features_of_tfds_is_still_read(tmp_path):
    from data import tfds_sets

    feature = "tensorflow_datasets.core.features.image_feature.Image"
    sets = prepared(tmp_path / "sets", feature=feature)
    builder = tfds_sets._builder("stranger_set", str(sets), ())
    assert tfds_sets._image_features(builder, "stranger_set") == ((8, 8, 3), (), False)


class Trap:
    """Object whose unpickling imports the module of the fixture `trap`."""

    def __reduce__(self):
        return (__import__, ("stranger_features",))


def pickled():
    """An array with a pickled trap, as np.savez writes it."""
    array = np.empty(1, object)
    array[0] = Trap()
    return array


def test_pickled_trap_is_executed_by_numpy_with_pickles_allowed(trap, tmp_path):
    np.savez(tmp_path / "a.npz", x_train=pickled())
    with np.load(tmp_path / "a.npz", allow_pickle=True) as arrays:
        assert arrays["x_train"].size == 1
    assert (trap / MARK).exists()


def test_pickles_in_the_dataset_of_a_run_are_not_read(call, copied_run, trap, tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, x_train=pickled(), y_train=pickled())
    run = with_options(copied_run, dataset=str(path))
    refusal = call("evaluate", f"--run={run}", *MEASURED).refusal()
    assert refusal.startswith(f"--dataset: {path}: ")
    assert not (trap / MARK).exists()


def test_pickles_in_a_classifier_are_not_read(call, copied_run, trap, tmp_path, digits):
    path = tmp_path / "network.npz"
    for arrays in ({"description": pickled()}, {"description": "{}", "weight_00": pickled()}):
        np.savez(path, **arrays)
        argv = (f"--features={path}", "--metrics=fd_network", "--num_samples=4")
        refusal = call("evaluate", f"--run={copied_run}", *argv).refusal()
        assert "(contains Python objects (pickle), which are not read" in refusal
    assert not (trap / MARK).exists()


@pytest.mark.slow
def test_images_in_a_pickle_are_not_read(call, trap, tmp_path, digits):
    np.savez(tmp_path / "a.npz", images=pickled())
    argv = (f"--images={tmp_path / 'a.npz'}", f"--dataset={digits}", f"--outdir={tmp_path / 'out'}")
    assert call("evaluate", *argv).refusal().startswith("--images: ")
    assert not (trap / MARK).exists()


def test_evaluate_and_generate_write_only_to_the_folder_of_the_run(call, copied_run, tmp_path):
    """Paths in config.json, evaluation.json and `checkpoint` are those of a stranger's machine."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    run = with_options(copied_run, outdir=str(elsewhere), copy_to=str(elsewhere))
    listed = f'model_checkpoint_path: "{elsewhere}/ckpt-6"\n'
    (run / "checkpoints" / "checkpoint").write_text(listed)
    path = f"../../{elsewhere.name}/x"
    entry = {"value": 1.0, "protocol": {"run": str(elsewhere), "features": path}}
    saved = {"name": path, "dataset": path, "seconds": {}, "metrics": {path: entry}}
    (run / "evaluation.json").write_text(json.dumps(saved))
    for script, *argv in (("evaluate", *MEASURED), ("generate", "--n=2")):
        done = call(script, f"--run={run}", *argv)
        assert (done.code, done.err) == (0, ""), done
    assert list(elsewhere.iterdir()) == []
    assert {entry.name for entry in tmp_path.iterdir()} == {"elsewhere", copied_run.name}
    assert (run / "checkpoints" / "checkpoint").read_text() == listed


def test_words_of_a_shell_in_a_flagfile_are_text(call, tmp_path, digits):
    """A flagfile may name another one, and is a part of the command line: nothing more."""
    inner, outer = tmp_path / "inner.txt", tmp_path / "outer.txt"
    inner.write_text(f"--model=$(touch {tmp_path / MARK})\n")
    outer.write_text(f"--dataset={digits}\n--flagfile={inner}\n")
    assert call("train", f"--flagfile={outer}").refusal().startswith("--model: no such model: $(")
    inner.write_text("import os; os.abort()\n")
    assert call("train", f"--flagfile={outer}").refusal().endswith("flags are --name=value")
    assert not (tmp_path / MARK).exists()


ESCAPE = "\x1b]0;title\x07\u202e\n"  # sets the title of a terminal, and turns the text around
ESCAPED = r"\x1b]0;title\x07\u202e\n"


def assert_printable(text):
    assert [c for c in text if not c.isprintable() and c != "\n"] == []


def test_control_characters_in_names_of_files_and_classes_are_escaped(tmp_path):
    from data import load

    for name in (f"a{ESCAPE}", b"b\xff"):
        folder = os.path.join(os.fsencode(tmp_path), os.fsencode(name))
        os.mkdir(folder)
        for file, content in ((b"whole.png", None), (os.fsencode(f"{ESCAPE}.png"), b"broken")):
            with open(os.path.join(folder, file), "wb") as opened:
                if content:
                    opened.write(content)
                else:
                    Image.new("L", (8, 8)).save(opened, "PNG")
    images = load(str(tmp_path))
    assert images.class_names == (f"a{ESCAPE}", "b\udcff")
    (note,) = images.notes
    assert note.startswith("2 files left out, neither PNG nor JPEG: ")
    assert ESCAPED in note
    assert_printable(note)


def test_control_characters_in_names_of_arrays_are_escaped(call, tmp_path):
    images = {f"x{ESCAPE}": np.zeros((2, 8, 8), np.uint8)}
    np.savez(tmp_path / "a.npz", **images)
    refusal = call("train", "--model=gan", f"--dataset={tmp_path / 'a.npz'}").refusal()
    assert f"x{ESCAPED}" in refusal
    assert_printable(refusal)


def test_control_characters_in_the_files_of_a_run_do_not_reach_the_terminal(call, copied_run):
    saved = json.loads((copied_run / "config.json").read_text())
    saved["data"]["name"] = saved["environment"]["machine"] = f"name{ESCAPE}"
    saved["commands"] = [f"python train.py {ESCAPE}"]
    (copied_run / "config.json").write_text(json.dumps(saved))
    argv = (f"--run={copied_run}", *MEASURED)
    done = call("evaluate", *argv, "--verbose")
    assert done.code == 0, done
    measured = json.loads((copied_run / "evaluation.json").read_text())
    measured["metrics"][f"other{ESCAPE}"] = {"value": None, "protocol": {"reason": ESCAPE}}
    measured["metrics"]["pixel_mean"]["protocol"][f"key{ESCAPE}"] = [ESCAPE, {"a": ESCAPE}]
    (copied_run / "evaluation.json").write_text(json.dumps(measured))
    again = call("evaluate", *argv, "--verbose")
    assert again.code == 0, again
    saved["options"]["model"] = f"gan{ESCAPE}"
    (copied_run / "config.json").write_text(json.dumps(saved))
    refused = call("evaluate", *argv)
    assert refused.code == 2
    assert ESCAPED in refused.err
    for outcome in (done, again, refused):
        assert_printable(outcome.out + outcome.err)


def test_control_characters_in_measured_metrics_are_escaped_in_tables_and_notes():
    from evaluation.reports import tables

    entry = {"value": 1.0, "protocol": {f"key{ESCAPE}": [ESCAPE, {"a": ESCAPE}], "n": 3}}
    missing = {"value": None, "protocol": {"reason": f"reason{ESCAPE}"}}
    metrics = {f"metric{ESCAPE}": entry, f"other{ESCAPE}": missing}
    record = {"name": f"n{ESCAPE}", "dataset": f"d{ESCAPE}", "seconds": {}, "metrics": metrics}
    table = tables.tables([record])
    assert table.count("\n") == 2
    assert_printable(table)
    for name in ("metric", "n", "d"):
        assert f"{name}{ESCAPED}" in table
    assert_printable(tables.notes(record))
    assert_printable(tables.summary_of_missing([record]))


def test_data_dir_of_the_flagfile_of_a_study_is_followed(copied_run, tmp_path):
    from evaluation.options import EvaluateOptions
    from storage.run_directory import RunDirectory
    from training import evaluating

    sets = prepared(tmp_path / "sets")
    run = RunDirectory(with_options(copied_run, dataset="stranger_set", data_dir="/elsewhere"))
    request = EvaluateOptions(run=run.label)
    with pytest.raises(UserError, match=r"features\.json names the class stranger_features"):
        evaluating.references_of([run], request, {run.label: str(sets)})
