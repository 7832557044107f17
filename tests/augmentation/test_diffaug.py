"""DiffAugment: its operations in their order, its probability, its gradients and its streams."""

import numpy as np
import pytest
import tensorflow as tf

from augmentation import diffaug


def draws(n, k, seed=0):
    return np.random.default_rng(seed).uniform(size=(n, k)).astype(np.float32)


def pictures(n=6, height=8, width=16, channels=3):
    x = np.random.default_rng(1).uniform(-1, 1, (n, height, width, channels))
    return x.astype(np.float32)


def uniform(stream, shape):
    """Draws with a seed per stream."""
    return tf.random.stateless_uniform(shape, [0, sum(map(ord, stream))])


def test_colour_applies_brightness_then_saturation_then_contrast():
    x, u = pictures(), draws(6, 3)
    expected = []
    for image, (brightness, saturation, contrast) in zip(x.astype(np.float64), u, strict=True):
        image = image + brightness - 0.5
        gray = image.mean(axis=2, keepdims=True)
        image = gray + 2 * saturation * (image - gray)
        expected.append(image.mean() + (0.5 + contrast) * (image - image.mean()))
    np.testing.assert_allclose(diffaug.colour(x, u), expected, atol=1e-5)


def test_translation_shifts_by_up_to_an_eighth_of_the_side():
    x = np.zeros((9000, 16, 16, 1), np.float32)
    x[:, 8, 8] = 1
    places = np.argwhere(diffaug.translation(x, draws(9000, 2)).numpy()[..., 0] > 0.5)[:, 1:]
    assert set(np.unique(places - 8)) == {-2, -1, 0, 1, 2}


def test_cutout_of_a_centred_rectangle_removes_half_of_each_side():
    found = diffaug.cutout(np.ones((1, 8, 16, 1), np.float32), np.full((1, 2), 0.5, np.float32))
    expected = np.ones((1, 8, 16, 1))
    expected[:, 2:6, 4:12] = 0
    np.testing.assert_array_equal(found, expected)


# Probability.


def test_augment_with_probability_0_returns_the_same_bits():
    x = pictures()
    np.testing.assert_array_equal(diffaug.augment(x, uniform, "a", 0.0), x)


def test_augment_with_probability_1_applies_each_operation_to_each_image():
    x = pictures()
    expected = x
    for name, operation, k in (
        ("colour", diffaug.colour, 3),
        ("translation", diffaug.translation, 2),
        ("cutout", diffaug.cutout, 2),
    ):
        expected = operation(expected, uniform(f"a {name}", [6, k + 1])[:, :-1])
    np.testing.assert_array_equal(diffaug.augment(x, uniform, "a"), expected)
    assert not np.allclose(diffaug.augment(x, uniform, "b"), expected, atol=0.1)


def test_augment_applies_each_operation_to_a_share_p_of_the_images():
    x = pictures(2000, 8, 8, 1)
    changed = diffaug.augment(x, uniform, "a", tf.constant(0.3)).numpy()
    untouched = np.isclose(changed, x, atol=1e-6).all(axis=(1, 2, 3)).mean()
    # A translation by nothing, one of nine, changes nothing either.
    assert untouched == pytest.approx(0.7 * (0.7 + 0.3 / 9) * 0.7, abs=0.03)


# Gradients and graphs.


def test_gradient_of_augment_agrees_with_finite_differences():
    x = pictures(2, 8, 8, 3)
    weights = np.random.default_rng(2).normal(size=x.shape).astype(np.float32)

    def value(x):
        return tf.reduce_sum(weights * diffaug.augment(x, uniform, "a") ** 2)

    given = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(given)
        y = value(given)
    gradient = tape.gradient(y, given).numpy()
    direction = np.random.default_rng(3).normal(size=x.shape).astype(np.float32)
    step = 1e-2
    expected = (value(x + step * direction) - value(x - step * direction)) / (2 * step)
    np.testing.assert_allclose(np.sum(gradient * direction), expected, rtol=1e-3)
    assert (gradient != 0).mean() > 0.5


def test_augment_compiled_by_xla_agrees_with_eager_for_the_same_draws():
    x = pictures()
    given = {f"a {name}": draws(6, k + 1, 5) for name, (_, k) in diffaug.OPERATIONS.items()}

    def augmented(x):
        return diffaug.augment(x, lambda stream, _: tf.constant(given[stream]), "a", 0.7)

    compiled = tf.function(augmented, jit_compile=True)
    np.testing.assert_allclose(compiled(x), augmented(x), atol=1e-5)


def test_augment_of_a_dynamic_batch_agrees_with_a_static_one():
    x = pictures()
    signature = [tf.TensorSpec([None, *x.shape[1:]])]
    dynamic = tf.function(lambda x: diffaug.augment(x, uniform, "a"), input_signature=signature)
    np.testing.assert_allclose(dynamic(x), diffaug.augment(x, uniform, "a"), atol=1e-5)
