"""LSGAN: the labels a, b and c of Mao et al. 2017, section 3.2."""

import keras
import numpy as np
import pytest

from models import LSGAN


@pytest.mark.parametrize(("a", "b", "c"), [(0.0, 1.0, 1.0), (-1.0, 1.0, 0.0), (0.3, 0.9, 0.7)])
def test_step_uses_the_labels_a_b_and_c(a, b, c, linear, pictures, take_step):
    """All scores are 0.5: D's terms are (0.5 - b)² / 2 and (0.5 - a)² / 2, G's (0.5 - c)² / 2."""
    still = {name: keras.optimizers.SGD(0.0) for name in ("discriminator", "generator")}
    model = linear(LSGAN, still, fake_label=a, real_label=b, generator_label=c)
    model.discriminator.set_weights([np.zeros((4, 1)), np.array([0.5])])
    scalars = take_step(model, pictures(5))
    np.testing.assert_allclose(scalars["d_loss_real"], (0.5 - b) ** 2 / 2, rtol=1e-5)
    np.testing.assert_allclose(scalars["d_loss_fake"], (0.5 - a) ** 2 / 2, rtol=1e-5)
    np.testing.assert_allclose(scalars["g_loss"], (0.5 - c) ** 2 / 2, rtol=1e-5)


def test_default_labels_are_0_1_1(linear):
    hp = linear(LSGAN).hp
    assert (hp.fake_label, hp.real_label, hp.generator_label) == (0.0, 1.0, 1.0)


def test_accuracies_use_the_threshold_between_the_labels(linear, pictures, take_step):
    for labels, real, fake in [((0.0, 1.0), 0, 1), ((-1.0, 1.0), 1, 0)]:
        still = {name: keras.optimizers.SGD(0.0) for name in ("discriminator", "generator")}
        model = linear(LSGAN, still, fake_label=labels[0], real_label=labels[1])
        model.discriminator.set_weights([np.zeros((4, 1)), np.array([0.25])])
        scalars = take_step(model, pictures(5))
        assert (scalars["d_accuracy_real"], scalars["d_accuracy_fake"]) == (real, fake)


def test_fit_brings_the_scores_to_the_labels(linear, fit):
    """D fits its labels a and b; with D fixed, scores of generated images approach c."""
    x = np.tile(np.array([1, 1, 1, -1], np.float32).reshape(2, 2, 1), (60, 5, 1, 1, 1))
    hp = {"fake_label": -1.0, "real_label": 2.0, "generator_label": 0.0}
    model = linear(LSGAN, {"generator": keras.optimizers.SGD(0.0)}, d_learning_rate=0.1, **hp)
    model.generator.set_weights([np.zeros((3, 4)), np.full(4, -1.0)])
    fit(model, x, np.zeros((60, 5), int))
    np.testing.assert_allclose(model.discriminator(x[0])[:, 0], 2.0, atol=0.1)
    np.testing.assert_allclose(model.discriminator(model.generator(np.zeros((5, 3)))), -1, atol=0.1)

    other = linear(LSGAN, {"discriminator": keras.optimizers.SGD(0.0)}, g_learning_rate=0.1, **hp)
    other.discriminator.set_weights(model.discriminator.get_weights())
    fit(other, x, np.zeros((60, 5), int))
    scores = other.discriminator(other.generator(np.zeros((5, 3))))
    np.testing.assert_allclose(scores, 0, atol=0.3)
