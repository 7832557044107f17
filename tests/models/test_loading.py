"""models.load: a trained model from its run directory."""

import dataclasses
import json
import random

import keras
import numpy as np
import pytest
import tensorflow as tf

import models
from errors import UserError
from models import GAN
from storage.checkpoints import Checkpoints
from storage.run_directory import RunDirectory

SHAPE = (8, 8, 1)


def write_run(path, mixed_precision="off", model="gan", saved=True):
    """Writes a run directory; returns the model whose checkpoint is in it."""
    trained = GAN(SHAPE, seed=5, width=4, depth=1, noise_dim=3)
    trained.step.assign(6)
    run = RunDirectory(path)
    config = {
        "options": {"model": model, "seed": 5, "mixed_precision": mixed_precision},
        "hyperparameters": dataclasses.asdict(trained.hp),
    }
    data = {"name": "a", "fingerprint": "f", "image_shape": SHAPE, "num_classes": 4}
    run.write_config(config, data, {}, "command", 10)
    if saved:
        Checkpoints(trained.state(), trained.step, run.checkpoints).save()
    return trained


def test_load_of_a_run_restores_the_weights_of_its_last_checkpoint(tmp_path):
    trained = write_run(tmp_path)
    model = models.load(str(tmp_path))
    assert type(model) is GAN
    assert model.hp == trained.hp
    assert (int(model.step), model.seed, model.num_classes) == (6, 5, 4)
    assert not model.compiled
    np.testing.assert_array_equal(model.sample(3), trained.sample(3))


def test_load_computes_in_the_precision_of_the_run_and_restores_the_policy(tmp_path, policy):
    write_run(tmp_path, mixed_precision="bfloat16")
    policy("mixed_float16")
    model = models.load(tmp_path)
    assert keras.config.dtype_policy().name == "mixed_float16"
    assert model.compute_dtype == "bfloat16"
    model.compile()
    assert not any(hasattr(o, "dynamic_scale") for o in model.optimizers.values())


def test_load_leaves_the_random_states_of_the_caller(tmp_path):
    write_run(tmp_path)
    keras.utils.set_random_seed(5)
    expected = random.random(), np.random.rand(), float(tf.random.uniform(()))
    keras.utils.set_random_seed(5)
    models.load(tmp_path)
    assert (random.random(), np.random.rand(), float(tf.random.uniform(()))) == expected


def test_load_without_a_checkpoint_raises(tmp_path):
    write_run(tmp_path, saved=False)
    with pytest.raises(UserError) as error:
        models.load(tmp_path)
    expected = f"{tmp_path}: no checkpoint found. Train it first with outdir={tmp_path}"
    assert str(error.value) == expected


def test_load_without_a_run_raises(tmp_path):
    with pytest.raises(UserError, match=r"config\.json is missing"):
        models.load(tmp_path)


def test_load_of_an_unknown_model_raises(tmp_path):
    write_run(tmp_path, model="old_gan")
    with pytest.raises(UserError, match=r"config\.json: damaged or written by another .*old_gan"):
        models.load(tmp_path)


def test_load_names_the_difference_of_another_version(tmp_path):
    """An entry that is missing, a model or a hyperparameter that is unknown."""
    write_run(tmp_path)
    config = RunDirectory(tmp_path).config
    saved = json.loads(config.read_text())
    changes = {
        "it lacks the entry 'model'": {"options": {"seed": 5}},
        "no such model: old_gan": {"options": {**saved["options"], "model": "old_gan"}},
        "hidden: no such option of GAN": {"hyperparameters": {"hidden": 3}},
    }
    for reason, change in changes.items():
        config.write_text(json.dumps(saved | change))
        with pytest.raises(UserError) as error:
            models.load(tmp_path)
        assert (
            str(error.value)
            == f"{config}: damaged or written by another version of the code ({reason})"
        )
