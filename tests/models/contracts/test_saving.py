"""Contracts of saved models and of resumed trainings."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from models import pretrained
from models.abilities import CATEGORICAL_CODE, ENCODE, RECONSTRUCT
from tests.models.contracts.cases import (
    IN_GRAPHS,
    NAMES,
    SAVED,
    WITHOUT_DRAWS,
    each_moved,
    slow_unless_of_each_kind,
    updates_of_d,
    values,
)


@pytest.fixture
def stepped(tiny, batches, take_step):
    """stepped(name, variant) -> a compiled tiny model after a step, and the data of the step."""

    def stepped(name, variant):
        model = tiny(name, **variant)
        model.compile()
        images, labels = batches(1, updates_of_d(model))
        take_step(model, images[0], labels[0])
        return model, (images[0], labels[0])

    return stepped


def assert_weights_load(model, other, folder):
    """Assert that another model generates the same images with the weights of a model."""
    model.save_weights(folder / "model.weights.h5")
    assert not np.allclose(other.sample(5, seed=2), model.sample(5, seed=2))
    other.load_weights(folder / "model.weights.h5")
    np.testing.assert_array_equal(other.sample(5, seed=2), model.sample(5, seed=2))
    pairs = zip(values(other.variables), values(model.variables), strict=False)
    assert not any(each_moved(*zip(*pairs, strict=True)))
    assert int(other.step) == 1


@pytest.mark.parametrize(("name", "variant"), SAVED)
def test_saved_model_and_weights_loaded_generate_the_same_images(
    name, variant, tiny, stepped, take_step, tmp_path
):
    model, data = stepped(name, variant)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert type(loaded) is type(model)
    assert loaded.hp == model.hp
    assert loaded.get_config() == model.get_config()
    assert int(loaded.step) == 1
    np.testing.assert_array_equal(loaded.sample(5, seed=2), model.sample(5, seed=2))
    assert_weights_load(model, tiny(name, **variant), tmp_path)

    for own, other in zip(model.optimizers.values(), loaded.optimizers.values(), strict=True):
        assert type(own) is type(other)
        for a, b in zip(own.variables, other.variables, strict=True):
            np.testing.assert_array_equal(a, b, err_msg=a.path)

    take_step(loaded, *data)
    assert int(loaded.step) == 2


@pytest.mark.parametrize(("name", "variant"), SAVED)
def test_packaged_tensors_give_another_model_the_same_abilities(name, variant, tiny, stepped):
    model, (images, _) = stepped(name, variant)
    other, tensors = tiny(name, **variant), pretrained.tensors_of(model)
    assert not np.allclose(other.sample(5, seed=2), model.sample(5, seed=2))
    for one in (other, model):  # both with the rounded weights
        pretrained.assign(one, tensors)
    assert int(other.step) == 1
    x = np.reshape(images, (-1, *model.image_shape))[:4]
    np.testing.assert_array_equal(other.sample(5, seed=2), model.sample(5, seed=2))
    for ability in (ENCODE, RECONSTRUCT, CATEGORICAL_CODE):
        if not model.lacks(ability):
            (method,) = ability.methods
            a, b = (np.asarray(getattr(one, method)(x)) for one in (other, model))
            np.testing.assert_array_equal(a, b, err_msg=method)


@pytest.mark.parametrize(("name", "variant"), [("gan", {}), ("dcgan", {"d_norm": "both"})])
def test_weights_load_into_a_compiled_model(name, variant, tiny, stepped, tmp_path):
    model, _ = stepped(name, variant)
    other = tiny(name, **variant)
    other.compile()
    assert_weights_load(model, other, tmp_path)


def go_on(build, directory, batches, fit, state_of, assert_same, eagerly=False):
    """Compare 4 steps with 2 steps, a restored checkpoint and 2 further steps."""
    model = build()
    model.compile(run_eagerly=eagerly)
    images, labels = batches(4, updates_of_d(model))
    fit(model, images[:2], labels[:2])
    path = tf.train.Checkpoint(**model.state()).save(str(directory / "second"))
    second = state_of(model)
    fit(model, images[2:], labels[2:])

    keras.utils.set_random_seed(99)
    fresh = build()
    fresh.compile(run_eagerly=eagerly)
    assert not np.allclose(fresh.sample(3), model.sample(3))
    tf.train.Checkpoint(**fresh.state()).restore(path).assert_consumed()
    assert_same(state_of(fresh), second)
    fit(fresh, images[2:], labels[2:])
    assert int(fresh.step) == 4
    assert_same(state_of(fresh), state_of(model))
    np.testing.assert_array_equal(fresh.sample(3), model.sample(3))
    assert any(not np.array_equal(state_of(fresh)[key], second[key]) for key in second)


@pytest.mark.parametrize(("name", "variant"), SAVED)
def test_training_resumed_after_two_steps_equals_four_steps(
    name, variant, tiny, batches, fit, state_of, assert_same, tmp_path
):
    eagerly = name not in IN_GRAPHS
    go_on(lambda: tiny(name, **variant), tmp_path, batches, fit, state_of, assert_same, eagerly)


@pytest.mark.slow
@pytest.mark.smoke
def test_training_resumed_in_float16_equals_four_steps(
    policy, tiny, batches, fit, state_of, assert_same, tmp_path
):
    """The loss scales are part of the state."""
    policy("mixed_float16")
    go_on(lambda: tiny("gan"), tmp_path, batches, fit, state_of, assert_same)


@pytest.mark.parametrize(
    "name", slow_unless_of_each_kind([name for name in NAMES if name not in WITHOUT_DRAWS])
)
def test_step_with_another_seed_has_other_losses(name, tiny, batches, take_step):
    """From the same initial weights the draws differ, and with them the losses."""
    images, labels = batches(1)
    found = []
    for seed in (3, 3, 4):
        keras.utils.set_random_seed(1)
        model = tiny(name)
        model.seed = seed
        model.compile()
        found.append(take_step(model, images[0], labels[0]))
    assert found[0] == found[1] != found[2]
