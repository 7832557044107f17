"""Contracts of samples."""

import numpy as np
import pytest
import tensorflow as tf

from tests.models.contracts.cases import ADVERSARIAL, NAMES, slow_unless_of_each_kind


@pytest.mark.parametrize("name", slow_unless_of_each_kind(NAMES))
def test_sample_returns_images_determined_by_the_seed(name, tiny, batches, take_step):
    model = tiny(name)
    model.compile()
    images, labels = batches(1)
    take_step(model, images[0], labels[0])
    sample = model.sample(6, seed=1)
    assert sample.shape == (6, *model.image_shape)
    assert sample.dtype == np.float32
    assert np.abs(sample).max() <= 1
    tf.random.normal([3])  # moves TensorFlow's own state
    np.testing.assert_array_equal(sample, model.sample(6, seed=1))
    assert not np.allclose(sample, model.sample(6, seed=2), atol=1e-3 * sample.std())
    assert int(model.step) == 1


@pytest.mark.parametrize("name", slow_unless_of_each_kind(ADVERSARIAL))
def test_sample_uses_the_generator_ema(name, tiny, batches, take_step):
    model = tiny(name)
    model.compile()
    images, labels = batches(2)
    for step in range(2):
        take_step(model, images[step], labels[step])
    z = model.latents.join(model.latents.draw(6, 1))
    expected = model.generator_ema(z, training=False)
    np.testing.assert_allclose(model.sample(6, seed=1), expected, atol=1e-6)
    assert not np.allclose(expected, model.generator(z, training=False), atol=1e-5)


@pytest.mark.parametrize("name", slow_unless_of_each_kind(NAMES))
def test_generate_does_not_depend_on_the_batch_size(name, tiny):
    model = tiny(name)
    latents = model.latents.draw(7, 1)
    whole = model.generate(latents)
    np.testing.assert_array_equal(whole, model.sample(7, seed=1))
    for size in (1, 3, 7):
        np.testing.assert_allclose(model.generate(latents, batch_size=size), whole, atol=1e-5)
    assert not np.allclose(whole[:-1], whole[1:], atol=1e-3 * whole.std())


@pytest.mark.parametrize("name", slow_unless_of_each_kind(NAMES))
def test_sample_batches_concatenated_equal_sample(name, tiny):
    model = tiny(name)
    whole = model.sample(260, seed=1)
    batches = list(model.sample_batches(260, seed=1))
    assert [len(batch) for batch in batches] == [250, 10]
    np.testing.assert_array_equal(np.concatenate(batches), whole)

    batches = list(model.generate_batches(model.latents.draw(260, 1), batch_size=100))
    assert [len(batch) for batch in batches] == [100, 100, 60]
    assert all(batch.dtype == np.float32 for batch in batches)
    np.testing.assert_allclose(np.concatenate(batches), whole, atol=1e-5)
