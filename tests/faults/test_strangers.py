"""Runs and files of a stranger: nothing in them is executed, and no path in them is followed."""

import json
import sys

import pytest

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
        f"--data_dir: trained with data_dir={sets}, which is followed only if you set it: repeat "
        "it, or set TFDS_DATA_DIR"
    )
    done = call("generate", f"--run={run}", "--n=1")
    assert (done.code, done.err) == (0, "")
    assert not (trap / MARK).exists()


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
    assert tfds_sets._image_features(builder, "stranger_set") == ((8, 8, 3), ())
