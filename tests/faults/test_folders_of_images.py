"""Outputs are not written to a folder of images, whose files would be read as images."""

import json

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def images(tmp_path):
    """A folder with one folder of images per class."""
    for name in ("cat", "dog"):
        (tmp_path / "images" / name).mkdir(parents=True)
        Image.fromarray(np.zeros((8, 8), np.uint8)).save(tmp_path / "images" / name / "a.png")
    return tmp_path / "images"


def test_run_in_the_folder_of_its_images_or_around_it_is_an_error_before_tensorflow(
    without_tensorflow, images, tmp_path
):
    inside = (
        "is inside the folder of the images, {}, whose files are read as images; choose another "
        "directory"
    )
    (images / "runs").mkdir()
    refused = {
        (f"--dataset={images}", f"--outdir={images / 'run'}"): inside,
        (f"--dataset={images}", f"--outdir={images}"): inside,
        (f"--dataset={images}", f"--outdir={tmp_path}"): "contains the folder of the images, {}; "
        "choose another directory",
        (f"--dataset={images}", f"--copy_to={images}"): inside,
        ("--dataset=.",): inside.replace("{}", str(images)),
    }
    outcomes = without_tensorflow("train", [["--model=gan", *argv] for argv in refused], images)
    for outcome, message in zip(outcomes, refused.values(), strict=True):
        assert outcome.refusal().endswith(message.format(images))
        assert outcome.refusal().startswith(("--outdir: ", "--copy_to: "))
    assert sorted(path.name for path in images.iterdir()) == ["cat", "dog", "runs"]


def test_run_that_has_checkpoints_is_resumed_around_its_images(images, tmp_path):
    """Earlier versions have written anywhere."""
    from training.options import parse

    (tmp_path / "checkpoints").mkdir()
    for ending in (".index", ".data-00000-of-00001"):
        (tmp_path / "checkpoints" / f"ckpt-2{ending}").write_text("x")
    argv = ["--model=gan", f"--dataset={images}", f"--outdir={tmp_path}"]
    assert parse(argv).outdir == tmp_path


def test_evaluation_is_not_written_to_a_folder_of_images(call, copied_run, images, tmp_path):
    saved = json.loads((copied_run / "config.json").read_text())
    saved["options"]["dataset"] = str(images)
    (copied_run / "config.json").write_text(json.dumps(saved))
    outdir = f"--outdir={images / 'out'}"
    for argv in (
        ("evaluate", f"--images={images}", "--dataset=MNIST", outdir),
        ("evaluate", f"--images={tmp_path}", f"--dataset={images}", outdir),
        ("evaluate", f"--run={copied_run}", outdir),
        ("generate", f"--run={copied_run}", outdir),
        ("train_classifier", f"--dataset={images}", outdir),
    ):
        refusal = call(*argv).refusal()
        assert refusal.startswith(f"--outdir: {images / 'out'} is inside the folder of the images")
    assert sorted(path.name for path in images.iterdir()) == ["cat", "dog"]
