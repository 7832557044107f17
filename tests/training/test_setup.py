"""From a configuration to its data and model."""

import types

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from errors import UserError
from training import options, setup

GAN = ("--model=gan", "--width=4", "--depth=1")


@pytest.mark.parametrize(
    ("precision", "policy"),
    [("off", "float32"), ("bfloat16", "mixed_bfloat16"), ("float16", "mixed_float16")],
)
def test_the_precision_is_that_of_the_run_whatever_it_was_before(precision, policy):
    keras.config.set_dtype_policy("mixed_float16")
    setup.prepare(options.parse([*GAN, f"--mixed_precision={precision}"]))
    assert keras.config.dtype_policy().name == policy


@pytest.mark.parametrize(
    ("precision", "flags", "gpus", "warns"),
    [
        ("bfloat16", "fpu avx2 avx512f", [], True),
        ("bfloat16", "fpu avx2 avx512_bf16", [], False),
        ("bfloat16", "fpu amx_bf16", [], False),
        ("bfloat16", "", [], False),  # not Linux, or not x86
        ("bfloat16", "fpu avx2", ["Tesla T4"], False),
        ("float16", "fpu avx2", [], False),
        ("off", "fpu avx2", [], False),
    ],
)
def test_bfloat16_without_instructions_for_it_is_warned_of(
    precision, flags, gpus, warns, monkeypatch, capsys
):
    monkeypatch.setattr(setup, "_of_processor", {"flags": flags}.get)
    monkeypatch.setattr(setup, "_accelerators", lambda: gpus)
    setup.warn_of_emulation(precision)
    said = capsys.readouterr().err
    assert said.count("\n") == said.count("warning: --mixed_precision=bfloat16: ") == int(warns)


def test_the_first_weights_depend_on_the_seed_alone():
    def images(seed):
        config = options.parse([*GAN, f"--seed={seed}"])
        setup.prepare(config)
        return setup.build_model(config, (8, 8, 1), num_classes=0).sample(3)

    first = images(1)
    keras.utils.set_random_seed(99)
    np.testing.assert_array_equal(images(1), first)
    assert (images(2) != first).any()


def test_the_model_has_the_hyperparameters_and_the_seed_of_the_run():
    config = options.parse([*GAN, "--seed=7", "--beta_1=0.25"])
    model = setup.build_model(config, [8, 8, 3], num_classes=4)
    assert model.hp == config.hp
    assert (model.seed, model.image_shape, model.num_classes) == (7, (8, 8, 3), 4)


def test_images_that_the_networks_do_not_fit_are_refused_in_one_line():
    config = options.parse(["--model=dcgan", "--width=4", "--dataset=CIFAR10"])
    with pytest.raises(UserError, match=r"^image_size: images of 20x20 do not fit") as error:
        setup.build_model(config, (20, 20, 3), num_classes=10)
    assert "\n" not in str(error.value)


def test_the_data_are_described_with_their_fingerprint(digits):
    config = options.parse([*GAN, f"--dataset={digits}", "--image_size=14"])
    images = setup.load_data(config)
    described = setup.describe_data(images)
    assert described.pop("notes")
    assert described == {
        "name": "digits",
        "fingerprint": images.fingerprint,
        "image_shape": [14, 14, 1],
        "num_classes": 10,
        "train_images": 200,
        "test_images": 40,
    }


def test_gray_images_in_a_folder_are_loaded_or_left_out_as_the_run_says(tmp_path, monkeypatch):
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
        images = setup.load_data(options.parse([*argv, f"--gray={choice}"]))
        described = setup.describe_data(images)
        assert (described["train_images"], described["notes"]) == (count, notes)
    assert setup.load_data(options.parse(argv)).notes == tuple(noted["convert"][1])


def test_a_run_is_loaded_with_its_weights_step_and_precision(tiny_run):
    keras.config.set_dtype_policy("mixed_bfloat16")
    config, data, model = setup.load_run(tiny_run.path)
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


def test_a_run_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(UserError, match="no run there"):
        setup.load_run(tmp_path)


def absent(error):
    def library(name):
        raise error

    return library


@pytest.mark.parametrize(
    "library",
    [absent(OSError("no library")), absent(TypeError("no name")), lambda name: object()],
    ids=["no library", "no library without a name", "no mallopt"],
)
def test_without_mallopt_freed_memory_is_left_to_the_system(library, monkeypatch):
    monkeypatch.setattr(setup.ctypes, "CDLL", library)
    assert setup.keep_freed_memory() is None


def test_with_mallopt_freed_memory_is_kept(monkeypatch):
    told = {}
    library = types.SimpleNamespace(mallopt=told.__setitem__)
    monkeypatch.setattr(setup.ctypes, "CDLL", lambda name: library)
    setup.keep_freed_memory()
    # The numbers of malloc.h: M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD, M_ARENA_MAX.
    assert set(told) == {-1, -2, -3, -8}
    assert all(0 < value < 2**31 for value in told.values())
