"""Gradient penalties of critics with a known gradient norm and of a network written in numpy."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from losses.penalties import (
    PENALTIES,
    gradient_norms,
    one_per_example,
    squared_gradient_norms,
)

POINTS = np.random.default_rng(0).normal(0, 1, (2, 4, 3)).astype(np.float32)
REAL, FAKE = POINTS
WEIGHTS = {
    "epsilon": np.array([[0.0], [0.25], [0.5], [0.875]], np.float32),
    "alpha": np.array([[0.0], [0.25], [0.5], [0.875]], np.float32),
    "perturbation": np.random.default_rng(1).uniform(0, 1, (4, 3)).astype(np.float32),
}


def given_draws(stream, shape):
    """Return the WEIGHTS of a stream, checked for their shape."""
    np.testing.assert_array_equal(shape, WEIGHTS[stream].shape)
    return tf.constant(WEIGHTS[stream])


def drawn(stream, shape):
    """Draw as a model does: the same numbers with XLA and without."""
    return tf.random.stateless_uniform(shape, [len(stream), 1], alg="philox")


def unused(stream, shape):
    raise AssertionError(f"{stream} was drawn")


def linear(*w):
    """D(x) = w . x + 5, of gradient norm |w|."""
    return lambda x: tf.linalg.matvec(x, tf.constant(w, x.dtype)) + 5.0


def quadratic(x):
    """D(x) = |x|² / 2, of gradient norm |x|."""
    return 0.5 * tf.reduce_sum(tf.square(x), axis=list(range(1, x.shape.rank)))


def norms(x):
    return np.linalg.norm(x.reshape(len(x), -1), axis=1)


def value_of(penalty, critic, real, fake, uniform):
    """Return the values of a penalty, with its statistics of the real images."""
    return penalty.make(critic, real, fake, uniform, **penalty.statistics(real))


# By hand.


@pytest.mark.smoke
def test_penalties_of_a_linear_critic_equal_values_by_hand():
    """W = (3, 4): gradient norm 5 everywhere, (5 - 1)² = 16, 5² / 2 = 12.5."""
    x = tf.constant([[0.0, 0.0], [1.0, -2.0], [9.0, 7.0]])
    critic = linear(3.0, 4.0)
    np.testing.assert_allclose(gradient_norms(critic, x), [5, 5, 5], rtol=1e-6)
    expected = {"gradient": 16.0, "dragan": 16.0, "r1": 12.5, "r2": 12.5}
    assert PENALTIES.keys() == expected.keys()
    for name, penalty in PENALTIES.items():
        value = value_of(penalty, critic, x, -x, drawn)
        assert value.dtype == tf.float32
        np.testing.assert_allclose(value, [expected[name]] * 3, rtol=1e-5, err_msg=name)


@pytest.mark.smoke
def test_penalties_of_a_quadratic_critic_equal_the_closed_form():
    """The gradient norm at an image is the norm of the image."""
    epsilon, alpha, u = WEIGHTS.values()
    between = epsilon * REAL + (1 - epsilon) * FAKE
    around = REAL + alpha * (0.5 * REAL.std() * u)
    expected = {
        "gradient": (norms(between) - 1) ** 2,
        "dragan": (norms(around) - 1) ** 2,
        "r1": norms(REAL) ** 2 / 2,
        "r2": norms(FAKE) ** 2 / 2,
    }
    np.testing.assert_allclose(gradient_norms(quadratic, REAL), norms(REAL), rtol=1e-6)
    for name, penalty in PENALTIES.items():
        value = value_of(penalty, quadratic, tf.constant(REAL), tf.constant(FAKE), given_draws)
        np.testing.assert_allclose(value, expected[name], rtol=1e-5, atol=1e-6, err_msg=name)


@pytest.mark.parametrize("shape", [(5,), (2, 3), (2, 3, 2), (4, 4, 3)])
def test_gradient_norms_are_over_all_axes_but_the_batch(shape):
    """D(x) = sum of x has the gradient norm sqrt(number of pixels)."""

    def critic(x):
        return tf.reduce_sum(x, axis=list(range(1, x.shape.rank)))

    x = np.random.default_rng(2).normal(0, 1, (2, 6, *shape)).astype(np.float32)
    size = np.prod(shape)
    np.testing.assert_allclose(gradient_norms(critic, x[0]), np.full(6, np.sqrt(size)), rtol=1e-6)
    np.testing.assert_allclose(gradient_norms(quadratic, x[0]), norms(x[0]), rtol=1e-6)
    squares = squared_gradient_norms(quadratic, x[0])
    np.testing.assert_allclose(squares, norms(x[0]) ** 2, rtol=1e-6)
    np.testing.assert_array_equal(one_per_example(tf.constant(x[0])), [6] + [1] * len(shape))
    for name, penalty in PENALTIES.items():
        expected = (np.sqrt(size) - 1) ** 2 if name in ("gradient", "dragan") else size / 2
        value = value_of(penalty, critic, tf.constant(x[0]), tf.constant(x[1]), drawn)
        np.testing.assert_allclose(value, np.full(6, expected), rtol=1e-5)


# Images at which the gradient is computed.


def points_of(penalty, real, fake, uniform):
    """Return the images that the critic scores, and the draws as name of the stream -> array."""
    images, draws = [], {}

    def critic(x):
        images.append(x.numpy())
        return quadratic(x)

    def recorded(stream, shape):
        assert stream not in draws
        draws[stream] = uniform(stream, shape).numpy()
        return tf.constant(draws[stream])

    value_of(PENALTIES[penalty], critic, tf.constant(real), tf.constant(fake), recorded)
    (image,) = images
    return image, draws


def test_gradient_penalty_interpolates_lie_on_the_segment_of_each_example():
    """One uniform weight per example, the same for all pixels."""
    real, fake = np.random.default_rng(3).normal(0, 1, (2, 500, 4, 4, 2)).astype(np.float32)
    between, draws = points_of("gradient", real, fake, drawn)
    (epsilon,) = draws.values()
    assert epsilon.shape == (500, 1, 1, 1)
    weights = np.sum((between - fake) * (real - fake), (1, 2, 3)) / norms(real - fake) ** 2
    np.testing.assert_allclose(weights, epsilon.ravel(), atol=1e-5)
    on_segment = fake + weights[:, None, None, None] * (real - fake)
    np.testing.assert_allclose(between, on_segment, atol=1e-5)

    # Quantiles of 500 uniform weights.
    assert ((weights > -1e-5) & (weights < 1 + 1e-5)).all()
    np.testing.assert_allclose(np.quantile(weights, [0.25, 0.5, 0.75]), [0.25, 0.5, 0.75], atol=0.1)


def test_gradient_penalty_epsilon_is_the_weight_of_the_real_image():
    for value, expected in ((0.0, FAKE), (1.0, REAL)):
        at, _ = points_of("gradient", REAL, FAKE, lambda _, shape, v=value: tf.fill(shape, v))
        np.testing.assert_allclose(at, expected, atol=1e-6)


def test_dragan_perturbs_real_images_by_up_to_half_the_batchs_deviation():
    """X + alpha std(x) u / 2, one alpha per example, one u per pixel, of their own draws."""
    rng = np.random.default_rng(4)
    real = rng.normal(0.3, [[[[0.2]]], [[[2.0]]], [[[1.0]]]], (3, 4, 4, 2)).astype(np.float32)
    around, draws = points_of("dragan", real, np.full_like(real, np.nan), drawn)
    shapes = sorted(draw.shape for draw in draws.values())
    assert shapes == [(3, 1, 1, 1), (3, 4, 4, 2)]
    expected = real + draws["alpha"] * (real + 0.5 * real.std() * draws["perturbation"] - real)
    np.testing.assert_allclose(around, expected, atol=1e-5)
    assert (around - real > -1e-6).all()
    assert (around - real < 0.5 * real.std()).all()

    none, _ = points_of("dragan", real, real, lambda _, shape: tf.zeros(shape))
    np.testing.assert_array_equal(none, real)


@pytest.mark.parametrize(("penalty", "at"), [("r1", REAL), ("r2", FAKE)])
def test_r1_is_at_real_and_r2_at_generated_images_without_draws(penalty, at):
    np.testing.assert_array_equal(points_of(penalty, REAL, FAKE, unused)[0], at)


# A small nonlinear critic, against the same one in numpy and float64.


def numpy_norms(w, x):
    """Gradient norms of D(x) = v . tanh(x W + b), whose gradient is W (v * (1 - tanh²))."""
    weights, bias, v = w[:15].reshape(3, 5), w[15:20], w[20:]
    return np.linalg.norm((v * (1 - np.tanh(x @ weights + bias) ** 2)) @ weights.T, axis=1)


def numpy_penalty(name, w, real, fake):
    epsilon, alpha, u = (draw.astype(np.float64) for draw in WEIGHTS.values())
    if name == "gradient":
        return (numpy_norms(w, epsilon * real + (1 - epsilon) * fake) - 1) ** 2
    if name == "dragan":
        return (numpy_norms(w, real + alpha * 0.5 * real.std() * u) - 1) ** 2
    return numpy_norms(w, {"r1": real, "r2": fake}[name]) ** 2 / 2


@pytest.mark.parametrize("name", PENALTIES)
def test_penalties_of_a_nonlinear_critic_agree_with_numpy(name):
    """The gradient is a double backward pass; that of numpy is by finite differences."""
    w = np.random.default_rng(5).normal(0, 0.7, 25)
    real, fake = POINTS.astype(np.float64)

    variable = tf.Variable(w, dtype=tf.float32)

    def critic(x):
        weights, bias, v = tf.reshape(variable[:15], [3, 5]), variable[15:20], variable[20:]
        return tf.linalg.matvec(tf.tanh(x @ weights + bias), v)

    with tf.GradientTape() as tape:
        value = value_of(PENALTIES[name], critic, tf.constant(REAL), tf.constant(FAKE), given_draws)
    found = tape.gradient(value, variable)
    np.testing.assert_allclose(value, numpy_penalty(name, w, real, fake), rtol=1e-4, atol=1e-6)

    def difference(one, step=1e-5):
        up, down = (numpy_penalty(name, w + s * step * one, real, fake).sum() for s in (1, -1))
        return (up - down) / (2 * step)

    by_differences = [difference(one) for one in np.eye(25)]
    np.testing.assert_allclose(found, by_differences, rtol=1e-3, atol=1e-5)
    assert np.abs(by_differences).max() > 0.1


def test_gradient_of_gradient_norms_equals_value_by_hand():
    """D(x) = |x|² / 2 has gradient norm |x|, whose gradient is x / |x|."""
    x = tf.constant([[3.0, 4.0], [0.0, -2.0]])
    with tf.GradientTape() as tape:
        tape.watch(x)
        value = gradient_norms(quadratic, x)
    np.testing.assert_allclose(value, [5, 2])
    np.testing.assert_allclose(tape.gradient(value, x), [[0.6, 0.8], [0, -1]], rtol=1e-6)


@pytest.mark.parametrize("scale", [0.5, 2.0])
@pytest.mark.parametrize("name", PENALTIES)
def test_gradient_of_penalties_moves_the_gradient_norm_towards_its_target(name, scale):
    """WGAN-GP's and DRAGAN's towards 1 from either side, R1 and R2 towards 0."""
    a = tf.Variable(scale)
    with tf.GradientTape() as tape:
        value = value_of(
            PENALTIES[name],
            lambda x: a * x[:, 0],
            tf.constant(REAL),
            tf.constant(FAKE),
            given_draws,
        )
    expected = 2 * (scale - 1) if name in ("gradient", "dragan") else scale
    np.testing.assert_allclose(tape.gradient(value, a), 4 * expected, rtol=1e-5)


# Gradient norms of 0.


@pytest.mark.parametrize("weight", [0.0, 1e-30, 1e-20, 1e-18])
@pytest.mark.parametrize("name", PENALTIES)
def test_penalties_of_a_flat_critic_have_finite_gradients(name, weight):
    """The square of the gradient norm may underflow in float32."""
    w = tf.Variable([weight, 0.0, weight])
    with tf.GradientTape() as tape:
        critic = lambda x: tf.linalg.matvec(x, w)  # noqa: E731
        value = value_of(PENALTIES[name], critic, tf.constant(REAL), tf.constant(FAKE), given_draws)
    expected = 1.0 if name in ("gradient", "dragan") else 0.0
    np.testing.assert_allclose(value, np.full(4, expected), atol=1e-6)
    found = tape.gradient(value, w).numpy()
    assert np.isfinite(found).all()
    assert np.abs(found).max() <= 8.0
    if weight == 0:
        np.testing.assert_array_equal(found, np.zeros(3))


def test_gradient_norms_at_a_minimum_are_zero_without_effect_on_other_examples():
    x = tf.constant([[0.0, 0.0], [3.0, 4.0]])
    with tf.GradientTape() as tape:
        tape.watch(x)
        value = gradient_norms(quadratic, x)
    np.testing.assert_allclose(value, [0, 5], atol=1e-15)
    np.testing.assert_allclose(tape.gradient(value, x), [[0, 0], [0.6, 0.8]], rtol=1e-6)


# Networks: compiled, and in other precisions.

SHAPE = (8, 8, 1)


def network():
    """A critic [b, 8, 8, 1] -> [b] of a convolution, leaky ReLUs and dense layers; its kernels."""
    keras.utils.set_random_seed(7)
    layers = keras.layers
    stack = [
        keras.Input(SHAPE),
        layers.Conv2D(4, 3, strides=2, padding="same"),
        layers.LeakyReLU(0.2),
        layers.Flatten(),
        layers.Dense(5),
        layers.LeakyReLU(0.2),
        layers.Dense(1, dtype="float32"),
    ]
    discriminator = keras.Sequential(stack)
    critic = lambda x: tf.squeeze(discriminator(x, training=True), -1)  # noqa: E731
    return critic, [layer.kernel for layer in discriminator.layers if hasattr(layer, "kernel")]


def step(critic, kernels, batch=5, **options):
    """Return the results for 5 real and 5 fake images: name -> (values, gradients)."""

    @tf.function(input_signature=[tf.TensorSpec((2, batch, *SHAPE))], **options)
    def function(x):
        with tf.GradientTape(persistent=True) as tape:
            values = {name: value_of(p, critic, x[0], x[1], drawn) for name, p in PENALTIES.items()}
        return {
            name: (value, tape.gradient(value, [kernel.value for kernel in kernels]))
            for name, value in values.items()
        }

    images = np.random.default_rng(8).normal(0, 1, (2, 5, *SHAPE))
    return function(tf.constant(images, tf.float32))


@pytest.fixture(scope="module")
def plain():
    """The results of a step in float32 without XLA."""
    return step(*network())


def assert_close(found, expected, **tolerance):
    for name, (value, gradients) in expected.items():
        np.testing.assert_allclose(found[name][0], value, **tolerance, err_msg=name)
        for one, other in zip(found[name][1], gradients, strict=True):
            assert np.abs(other).max() > 1e-3
            np.testing.assert_allclose(one, other, **tolerance, err_msg=name)


@pytest.mark.parametrize("options", [{"jit_compile": True}, {"batch": None}], ids=["xla", "any_b"])
def test_penalties_in_a_compiled_step_equal_plain_ones(plain, options):
    assert_close(step(*network(), **options), plain, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("jit_compile", [False, True])
def test_penalties_of_a_bfloat16_network_are_float32(plain, jit_compile):
    keras.config.set_dtype_policy("mixed_bfloat16")  # conftest sets it back
    critic, kernels = network()
    for name, (value, gradients) in step(critic, kernels, jit_compile=jit_compile).items():
        assert value.dtype == tf.float32
        np.testing.assert_allclose(value, plain[name][0], rtol=0.05, atol=0.02)
        for one, expected in zip(gradients, plain[name][1], strict=True):
            assert one.dtype == tf.float32
            assert np.linalg.norm(one - expected) < 0.15 * np.linalg.norm(expected)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_gradient_norms_of_each_dtype_are_computed_in_float32(dtype):
    """10,001 pixels of gradient 1: neither 10,001 nor its root, 100.005, is a bfloat16."""

    def critic(x):
        return tf.reduce_sum(tf.cast(x, dtype), axis=1)

    x = tf.zeros([2, 10_001], dtype)
    assert gradient_norms(critic, x).dtype == tf.float32
    np.testing.assert_allclose(gradient_norms(critic, x), np.full(2, np.sqrt(10_001)), rtol=1e-6)
    for name, penalty in PENALTIES.items():
        value = value_of(penalty, critic, x, x, drawn)
        assert value.dtype == tf.float32
        expected = (np.sqrt(10_001) - 1) ** 2 if name in ("gradient", "dragan") else 10_001 / 2
        np.testing.assert_allclose(value, np.full(2, expected), rtol=1e-6)
