"""Data and model of a configuration, and of a trained run."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from errors import UserError
from training import loading, options

GAN = ("--model=gan", "--width=4", "--depth=1")


@pytest.mark.parametrize(
    ("precision", "policy"),
    [("off", "float32"), ("bfloat16", "mixed_bfloat16"), ("float16", "mixed_float16")],
)
def test_prepare_sets_the_precision_of_the_configuration(precision, policy):
    keras.config.set_dtype_policy("mixed_float16")
    loading.prepare(options.parse([*GAN, f"--mixed_precision={precision}"]))
    assert keras.config.dtype_policy().name == policy


def test_build_model_draws_weights_from_the_seed_alone():
    def images(seed):
        config = options.parse([*GAN, f"--seed={seed}"])
        loading.prepare(config)
        return loading.build_model(config, (8, 8, 1), num_classes=0).sample(3)

    first = images(1)
    keras.utils.set_random_seed(99)
    np.testing.assert_array_equal(images(1), first)
    assert (images(2) != first).any()


def test_build_model_passes_hyperparameters_seed_and_shape():
    config = options.parse([*GAN, "--seed=7", "--beta_1=0.25"])
    model = loading.build_model(config, [8, 8, 3], num_classes=4)
    assert model.hp == config.hp
    assert (model.seed, model.image_shape, model.num_classes) == (7, (8, 8, 3), 4)


def test_build_model_with_an_unsupported_image_size_raises():
    config = options.parse(["--model=dcgan", "--width=4", "--dataset=CIFAR10"])
    with pytest.raises(
        UserError, match=r"^image_size: expected a square image .* got 20x20"
    ) as error:
        loading.build_model(config, (20, 20, 3), num_classes=10)
    assert "\n" not in str(error.value)


def test_describe_data_of_resized_digits_lists_shape_and_counts(digits):
    config = options.parse([*GAN, f"--dataset={digits}", "--image_size=14"])
    images = config.load_data()
    described = loading.describe_data(images, config)
    assert described.pop("notes")
    assert described == {
        "name": "digits",
        "fingerprint": images.fingerprint,
        "image_shape": [14, 14, 1],
        "num_classes": 10,
        "classes": images.class_counts(),
        "rules": 2,
        "train_images": 200,
        "test_images": 40,
    }


def test_load_data_with_gray_images_converts_or_skips_them(tmp_path, monkeypatch):
    monkeypatch.setenv("GAN_ZOO_CACHE", str(tmp_path / "cache"))
    (tmp_path / "photos").mkdir()
    for name, shape in (("1.png", (8, 8, 3)), ("2.png", (8, 8)), ("3.png", (8, 8))):
        Image.fromarray(np.zeros(shape, np.uint8)).save(tmp_path / "photos" / name)
    argv = [*GAN, f"--dataset={tmp_path / 'photos'}"]
    noted = {
        "convert": (3, ["2 gray images repeated over 3 channels"]),
        "skip": (1, ["2 gray images left out: 2.png, 3.png"]),
    }
    for choice, (count, notes) in noted.items():
        config = options.parse([*argv, f"--gray={choice}"])
        described = loading.describe_data(config.load_data(), config)
        assert (described["train_images"], described["notes"]) == (count, notes)
    assert options.parse(argv).load_data().notes == tuple(noted["convert"][1])


def test_load_run_restores_weights_step_and_precision(tiny_run):
    keras.config.set_dtype_policy("mixed_bfloat16")
    config, data, model = loading.load_run(tiny_run.path)
    assert keras.config.dtype_policy().name == "float32"
    assert config == options.parse(tiny_run.argv)
    assert data["name"] == "digits"
    assert int(model.step) == 6
    saved = tf.train.load_checkpoint(str(tiny_run.path / "checkpoints" / "ckpt-6"))
    stored = {
        saved.get_tensor(name).tobytes()
        for name in saved.get_variable_to_shape_map()
        if name.startswith("generator_ema/")
    }
    assert {np.asarray(v).tobytes() for v in model.generator_ema.weights} <= stored


def test_load_run_without_a_run_raises(tmp_path):
    with pytest.raises(UserError, match="no run found"):
        loading.load_run(tmp_path)
