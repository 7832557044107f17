"""train_classifier.py from outside, and the augmentation of its images."""

import dataclasses
import json

import numpy as np
import pytest

QUICK = ("--width=4", "--shift=0", "--rotation=0", "--zoom=0")


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache."""
    monkeypatch.setenv("GAN_ZOO_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "classifiers"


@pytest.mark.slow
def test_train_classifier_on_an_easy_set_saves_an_accurate_classifier_in_the_cache(
    call, digits, cache
):
    import data
    from evaluation import features

    options = (*QUICK, "--epochs=4", "--batch_size=4", "--learning_rate=1e-2")
    outcome = call("train_classifier", f"--dataset={digits}", *options)
    assert (outcome.code, outcome.err) == (0, "")
    device, *epochs, last, use = outcome.out.splitlines()
    assert device.startswith("device: ")
    assert use == "use it with evaluate.py --features=classifier"
    assert [line.split(":")[0] for line in epochs] == [f"epoch {k}/4" for k in (1, 2, 3, 4)]
    losses = [float(line.split("loss ")[1].split(",")[0]) for line in epochs]
    assert losses[0] > 2 * losses[-1]

    images = data.load(str(digits))
    extractor = features.load("classifier", images)
    (path,) = cache.iterdir()
    found, logits = extractor(images.test.images)
    accuracy = np.mean(logits.argmax(1) == images.test.labels)
    assert accuracy > 0.5  # chance is 0.1
    assert last == (f"digits: test accuracy {accuracy:.2%}; {path}, sha256 {extractor.sha256}")
    assert (extractor.name, found.shape) == ("digits_classifier", (40, 16))
    with np.load(path) as arrays:
        description = json.loads(str(arrays["description"]))
    assert description["test_accuracy"] == accuracy
    assert description["class_names"] == list("0123456789")
    assert description["fingerprint"] == images.fingerprint
    assert extractor.classifies(images)


@pytest.mark.slow
def test_train_classifier_with_the_same_seed_writes_the_same_bytes(call, tmp_path):
    """The data set has no test split."""
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (30, 8, 8, 3), np.uint8)
    np.savez(tmp_path / "few.npz", x_train=images, y_train=np.arange(30) % 3)

    def trained(seed, name):
        path = tmp_path / "out" / name
        outcome = call(
            "train_classifier", f"--dataset={tmp_path / 'few.npz'}", f"--seed={seed}",
            f"--outdir={path}", "--width=2", "--epochs=2", "--batch_size=8", "--flip",
        )  # fmt: skip
        assert outcome.code == 0, outcome
        file = path / "few-classifier.npz"
        assert f"few: no labelled test images; {file}, sha256 " in outcome.out
        assert outcome.out.endswith(f"\nuse it with evaluate.py --features={file}\n")
        return file.read_bytes()

    one = trained(5, "one")
    assert trained(5, "two") == one
    assert trained(6, "three") != one
    assert [len(list(folder.iterdir())) for folder in (tmp_path / "out").iterdir()] == [1, 1, 1]


@pytest.mark.slow
def test_features_of_evaluate_takes_the_file_that_train_classifier_wrote(
    call, digits, copied_run, tmp_path, cache
):
    argv = (f"--dataset={digits}", f"--outdir={tmp_path}", *QUICK, "--epochs=1")
    assert call("train_classifier", *argv).code == 0
    assert not cache.exists()
    file = tmp_path / "digits-classifier.npz"
    argv = (f"--run={copied_run}", f"--features={file}", "--num_samples=20")
    done = call("evaluate", *argv, "--metrics=fd_digits_classifier")
    assert done.code == 0, done
    assert "| fd_digits_classifier" in done.out


def test_train_classifier_with_invalid_flags_ends_before_tensorflow_is_imported(
    without_tensorflow, tmp_path
):
    images = {"x_train": np.zeros((9, 8, 8), np.uint8)}
    np.savez(tmp_path / "plain.npz", **images)
    np.savez(tmp_path / "one.npz", **images, y_train=np.zeros(9, int))
    refused = {
        "--epochs=0": "--epochs: expected ",
        "--batch_size=0": "--batch_size: expected ",
        "--learning_rate=0": "--learning_rate: expected ",
        "--width=none": "--width: expected ",
        "--shift=0.6": "--shift: expected ",
        "--rotation=-1": "--rotation: expected ",
        "--zoom=1": "--zoom: expected ",
        "--seed=-1": "--seed: expected ",
        "--epoch=3": "--epoch: no such flag; did you mean --epochs",
        "epochs=3": "epochs=3: not a flag; flags are --name=value",
        "--dataset=none.npz": "--dataset: none.npz",
        "--width=4": "--dataset: expected a labelled data set, such as FASHION_MNIST",
        "--dataset=plain.npz": "--dataset: plain.npz has no labels",
        "--dataset=one.npz": "--dataset: all images of one.npz are of one class (0); a classifier "
        "requires at least two",
    }
    outcomes = without_tensorflow("train_classifier", [[flag] for flag in refused], tmp_path)
    for outcome, message in zip(outcomes, refused.values(), strict=True):
        assert message in outcome.refusal()
        assert outcome.out == ""
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.npz", "plain.npz"]


def test_help_of_train_classifier_lists_every_flag(without_tensorflow, tmp_path):
    from training.classifier_training import ClassifierOptions

    (outcome,) = without_tensorflow("train_classifier", [["--help"]], tmp_path)
    assert (outcome.code, outcome.err) == (0, "")
    for spec in dataclasses.fields(ClassifierOptions):
        assert f"  --{spec.name}" in outcome.out


def test_batch_size_above_the_training_images_is_invalid(call, digits, cache):
    outcome = call("train_classifier", f"--dataset={digits}", "--batch_size=201")
    assert "--batch_size: 201 exceeds the 200 training images" in outcome.refusal()
    assert not cache.exists()


# Augmentation.


def augmented(images, **amounts):
    """Return augmented images, by default unchanged."""
    import tensorflow as tf

    from training import classifier_training

    none = {"shift": 0.0, "rotation": 0.0, "zoom": 0.0, "flip": False}
    options = classifier_training.ClassifierOptions(dataset="x", **{**none, **amounts})
    result = classifier_training.augment(tf.constant(images), tf.constant([3, 4]), options)
    assert result.dtype == tf.uint8
    assert result.shape == images.shape
    return result.numpy()


def pictures(n, height=6, width=6):
    return np.random.default_rng(0).integers(0, 256, (n, height, width, 3), np.uint8)


@pytest.mark.parametrize("size", [(6, 6), (5, 8)])
def test_augment_by_zero_leaves_images_unchanged(size):
    images = pictures(50, *size)
    np.testing.assert_array_equal(augmented(images), images)


@pytest.mark.parametrize("size", [(6, 6), (5, 8)])
def test_augment_with_flip_mirrors_half_of_the_images(size):
    images = pictures(200, *size)
    result = augmented(images, flip=True)
    same = (result == images).all((1, 2, 3))
    mirrored = (result == images[:, :, ::-1]).all((1, 2, 3))
    assert (same ^ mirrored).all()
    assert 0.4 < mirrored.mean() < 0.6


def blobs(n, x, y):
    """Return images of a bright spot x to the right of the centre and y below it."""
    at = np.arange(41) - 20
    spot = np.exp(-((at[None, :] - x) ** 2 + (at[:, None] - y) ** 2) / 8)
    return np.repeat(np.uint8(255 * spot)[None, ..., None], n, 0)


def positions(images):
    """Return the positions of the spots, [n, 2]: to the right of the centre, and below it."""
    weights, at = images[..., 0] / images.sum((1, 2, 3), keepdims=True)[..., 0], np.arange(41) - 20
    return np.stack([weights.sum(1) @ at, weights.sum(2) @ at], 1)


def test_augment_with_shift_translates_by_up_to_the_share_of_the_side():
    at = positions(augmented(blobs(200, 0, 0), shift=0.2))
    for moved in at.T:
        assert -8.4 < moved.min() < -7
        assert 7 < moved.max() < 8.4
    assert abs(np.corrcoef(at.T)[0, 1]) < 0.2


def test_augment_with_rotation_rotates_by_up_to_the_angle():
    x, y = positions(augmented(blobs(200, 12, 0), rotation=30.0)).T
    np.testing.assert_allclose(np.hypot(x, y), 12, atol=0.3)
    angles = np.degrees(np.arctan2(y, x))
    assert -31 < angles.min() < -27
    assert 27 < angles.max() < 31


def test_augment_with_zoom_scales_by_up_to_the_share():
    x, y = positions(augmented(blobs(200, 6, 0), zoom=0.5)).T
    np.testing.assert_allclose(y, 0, atol=0.1)
    assert 4 - 0.1 < x.min() < 4.3
    assert 8.6 < x.max() < 9 + 0.1


def test_outdir_that_is_a_file_is_one_line_before_the_training(call, digits, tmp_path):
    (tmp_path / "file").touch()
    argv = (f"--dataset={digits}", f"--outdir={tmp_path}/file")
    assert call("train_classifier", *argv).refusal() == (
        f"--outdir: {tmp_path}/file: is a file, not a folder. Choose another directory"
    )


def test_classifier_that_exists_in_outdir_is_one_line_before_the_training(call, digits, tmp_path):
    file = tmp_path / "digits-classifier.npz"
    file.write_text("of another seed")
    argv = (f"--dataset={digits}", f"--outdir={tmp_path}")
    assert call("train_classifier", *argv).refusal() == (
        f"--outdir: {file} exists; choose another directory, or delete it"
    )
    assert file.read_text() == "of another seed"
