"""Classes of a run: their order, names and counts, and runs on a part of the images."""

import dataclasses
import json

import numpy as np
import pytest
from PIL import Image

import data
from data.labels import generator

SMALL = ("--model=cgan", "--network=mlp", "--width=4", "--depth=1", "--batch_size=8")
NAMES = ("1", "2", "10")


@pytest.fixture(scope="module")
def photos(tmp_path_factory, cache):
    """Class folders 1, 2 and 10 of 12 images each, whose pixels have 10 times that value."""
    folder = tmp_path_factory.mktemp("photos")
    for name in NAMES:
        (folder / name).mkdir()
        for k in range(12):
            image = np.full((8, 8), 10 * int(name) + k, np.uint8)
            Image.fromarray(image).save(folder / name / f"{k:02}.png")
    return folder


@pytest.fixture(scope="module")
def part(photos, call, tmp_path_factory):
    """A run on 20 of the images."""
    path = tmp_path_factory.mktemp("runs") / "part"
    argv = (*SMALL, f"--dataset={photos}", "--train_images=20", "--steps=2", f"--outdir={path}")
    done = call("train", *argv)
    assert done.code == 0, done
    return path, argv, done


def test_classes_and_their_counts_are_at_the_start_and_in_config_json(part, photos):
    path, _, done = part
    saved = json.loads((path / "config.json").read_text())
    images = data.load(str(photos))
    chosen = np.sort(generator(0, 2**63 + 1).permutation(36)[:20])
    counts = np.bincount(images.train.labels[chosen]).tolist()
    assert saved["data"]["classes"] == dict(zip(NAMES, counts, strict=True))
    assert list(saved["data"]["classes"]) == [*NAMES]
    assert saved["data"]["train_images"] == saved["options"]["train_images"] == 20
    assert saved["data"]["fingerprint"] == images.fingerprint
    classes = ", ".join(
        f"{k}={n} ({c})" for k, (n, c) in enumerate(zip(NAMES, counts, strict=True))
    )
    assert f"{photos.name}: 3 classes: {classes}\n" in done.out
    assert f"cgan on {photos.name}: 20 of 36 images 8x8x1, " in done.out


def test_label_is_the_name_of_a_class(part, call, tmp_path):
    argv = (f"--run={part[0]}", f"--outdir={tmp_path}", "--output=npz", "--n=3")
    done = call("generate", *argv, "--label=10")
    assert done.code == 0, done
    explained, path = done.out.splitlines()
    assert explained == "label 10 is the class named 10, number 2 from 0"
    assert path == str(tmp_path / "part-npz-n3-seed0-label10-step2.npz")
    with np.load(path) as arrays:
        assert arrays["labels"].tolist() == [2, 2, 2]
    message = call("generate", *argv, "--label=0").refusal()
    assert message == "--label: expected the name of a class (1, 2, 10), got 0"


def test_npz_of_a_class_conditional_model_is_a_data_set_with_its_labels(part, call, tmp_path):
    argv = (f"--run={part[0]}", f"--outdir={tmp_path}", "--output=npz", "--n=30", "--seed=3")
    (path,) = call("generate", *argv).out.splitlines()
    drawn = data.load(path)
    assert drawn.class_names == NAMES
    assert drawn.train.images.shape == (30, 8, 8, 1)
    from training.loading import load_run

    model = load_run(part[0])[2]
    expected = np.argmax(model.draw_latents(30, 3)["label"], axis=-1)
    assert drawn.train.labels.tolist() == expected.tolist()
    assert {*expected.tolist()} == {0, 1, 2}


def test_another_number_of_training_images_is_another_run(part, call, photos):
    path, argv, _ = part
    refusal = call("train", *argv, "--train_images=21").refusal()
    assert "train_images was 20, is 21" in refusal
    assert call("train", *argv).out == f"{path}: already finished at step 2\n"
    more = call("train", *argv, "--train_images=37", f"--outdir={path.parent / 'more'}").refusal()
    assert more == "--train_images: 37 exceeds the 36 training images"


def test_subset_of_a_smaller_number_is_a_part_of_that_of_a_larger_one():
    split = data.Split(np.arange(50).reshape(50, 1, 1, 1), np.arange(50))
    few, more, others = (data.subset(split, n, seed) for n, seed in ((10, 1), (20, 1), (10, 2)))
    assert {*few.labels.tolist()} < {*more.labels.tolist()}
    assert few.labels.tolist() == sorted(few.labels.tolist()) == few.images[:, 0, 0, 0].tolist()
    assert few.labels.tolist() != others.labels.tolist()
    assert data.subset(split, None, 1) is split


@pytest.mark.slow
def test_protocol_has_the_number_of_training_images(part, call, tmp_path):
    metrics = "--metrics=distinct_share,pixel_distance"
    done = call("evaluate", f"--run={part[0]}", f"--outdir={tmp_path}", metrics, "--num_samples=20")
    assert done.code == 0, done
    measured = json.loads((tmp_path / "evaluation.json").read_text())["metrics"]
    protocol = measured["distinct_share"]["protocol"]
    assert (protocol["train_images"], protocol["n_real"]) == (20, 36)


@pytest.mark.slow
def test_resumed_run_of_an_earlier_version_keeps_its_classes(photos, call, tmp_path):
    from training import options
    from training.running import run_training

    argv = [*SMALL, f"--dataset={photos}", f"--outdir={tmp_path / 'run'}", "--steps=2"]
    earlier = dataclasses.replace(options.parse(argv), rules=1)
    assert run_training(earlier, argv) == 0
    config = tmp_path / "run" / "config.json"
    saved = json.loads(config.read_text())
    assert list(saved["data"]["classes"]) == ["1", "10", "2"]
    del saved["data"]["rules"], saved["data"]["classes"]
    config.write_text(json.dumps(saved))

    resumed = call("train", *argv[:-1], "--steps=4")
    assert (resumed.code, "resumed from the checkpoint of step 2" in resumed.out) == (0, True)
    again = json.loads(config.read_text())["data"]
    assert (list(again["classes"]), again["rules"]) == (["1", "10", "2"], 1)
    assert again["fingerprint"] == data.load(str(photos), rules=1).fingerprint
    assert again["fingerprint"] != data.load(str(photos)).fingerprint
    done = call("evaluate", f"--run={tmp_path / 'run'}", "--metrics=distinct_share")
    assert done.code == 0, done
