"""Perceptual path length of a generator."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from models.base import GenerativeModel
from models.latents import Latents, noise
from models.stylegan import StyleGAN
from tests.evaluation.cases import measure, reference_of


class Straight(GenerativeModel):
    """Images of the noise itself."""

    prior = "normal"

    def build_networks(self):
        self.latents = Latents(noise=noise(16, self.prior))
        self.used = []

    def generate(self, latents, batch_size=250):
        self.used.append(np.array(latents["noise"]))
        return np.tanh(np.reshape(latents["noise"], (-1, 4, 4, 1)) / 4)


class Styled(Straight):
    """Straight with styles: twice the noise, for two layers."""

    def styles(self, latents):
        return tf.repeat(2.0 * latents["noise"][:, None], 2, axis=1)

    def mean_style(self):
        return tf.zeros([2, 16])

    def images_of_styles(self, w, noise_seed=None, noise=True, batch_size=250):
        self.used.append(np.array(w))
        return np.tanh(np.reshape(w[:, 0], (-1, 4, 4, 1)) / 8)


def path_length(model, data, extractor, seed=5):
    name = "path_length_pixels"
    return measure(model, reference_of(data, extractor), [name], seed=seed)[name]


def paths_of(data, extractor, seed=5, base=Straight, **changes):
    model = type("Model", (base,), changes)((4, 4, 1))
    return path_length(model, data, extractor, seed), model


def features_of(z):
    """Features of the extractor, unrounded and of length 1."""
    x = 127.5 * (np.tanh(z.astype(np.float64) / 4) + 1)
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def test_path_length_of_noise_uses_great_circles(unlabelled, extractor):
    found, model = paths_of(unlabelled, extractor)
    start, end = (one.astype(np.float64) for one in model.used)
    starts, ends = (model.latents.draw(1000, [5, k])["noise"].numpy() for k in (0, 1))
    t = tf.random.stateless_uniform([1000, 1], [5, 2]).numpy()
    cosine = np.sum(starts * ends, 1, keepdims=True) / (
        np.linalg.norm(starts, axis=1, keepdims=True) * np.linalg.norm(ends, axis=1, keepdims=True)
    )
    angle = np.arccos(cosine)
    expected = (np.sin((1 - t) * angle) * starts + np.sin(t * angle) * ends) / np.sin(angle)
    np.testing.assert_allclose(start, expected, atol=1e-4)
    distances = np.sum((features_of(start) - features_of(end)) ** 2, axis=1) / 1e-8
    assert found.value == pytest.approx(np.sort(distances)[10:-10].mean(), rel=0.02)
    assert found.protocol["space"] == "z"
    assert found.protocol["n_fake"] == 1000
    assert found.protocol["features"] == "pixels"


def test_path_length_of_styles_uses_straight_lines(unlabelled, extractor):
    found, model = paths_of(unlabelled, extractor, base=Styled)
    assert found.protocol["space"] == "w"
    start, end = model.used
    assert start.shape == end.shape == (1000, 2, 16)
    starts, ends = (2 * model.latents.draw(1000, [5, k])["noise"].numpy() for k in (0, 1))
    t = tf.random.stateless_uniform([1000, 1], [5, 2]).numpy()
    np.testing.assert_allclose(start[:, 1], (1 - t) * starts + t * ends, atol=1e-5)
    np.testing.assert_allclose(end[:, 0] - start[:, 0], 1e-4 * (ends - starts), atol=1e-5)


def test_path_length_is_a_function_of_the_seed(unlabelled, extractor):
    one, same, other = (paths_of(unlabelled, extractor, seed)[0].value for seed in (1, 1, 2))
    assert one == same != other


def test_path_length_of_a_constant_generator_is_0(unlabelled, extractor):
    def generate(self, latents, batch_size=250):
        return np.zeros((len(latents["noise"]), 4, 4, 1), np.float32)

    assert paths_of(unlabelled, extractor, generate=generate)[0].value == 0


@pytest.mark.slow
def test_path_length_of_a_bfloat16_model_is_computed_in_float32(unlabelled, extractor):
    """A step of a ten-thousandth is below the resolution of bfloat16."""
    hp = {"width": 2, "noise_dim": 4, "w_dim": 4, "mapping_depth": 1}
    whole = StyleGAN((28, 28, 1), **hp)
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        half = StyleGAN((28, 28, 1), **hp)
        states = (tf.nest.flatten(model.state()) for model in (half, whole))
        for own, other in zip(*states, strict=True):
            own.assign(other)
        found = path_length(half, unlabelled, extractor)
        assert keras.config.dtype_policy().name == "mixed_bfloat16"
    finally:
        keras.config.set_dtype_policy(policy)
    assert half.compute_dtype == "bfloat16"
    assert found == path_length(whole, unlabelled, extractor)
    assert found.protocol["precision"] == "off"


def test_path_length_of_images_that_are_not_finite_is_na(unlabelled, extractor):
    def generate(self, latents, batch_size=250):
        return np.full((len(latents["noise"]), 4, 4, 1), np.nan, np.float32)

    found = paths_of(unlabelled, extractor, generate=generate)[0]
    assert found.value is None
    assert "finite" in found.protocol["reason"]
