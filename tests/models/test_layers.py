"""Spectral norm against numpy's singular values, initializers, norms, self-attention."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from models import layers
from models.initializers import INITIALIZERS
from models.norms import NORMS

KINDS = ["dense", "conv"]


def build(kind, dtype=None, **kwargs):
    """Return a built spectral layer with random kernel and bias, and a batch of inputs."""
    rng = np.random.default_rng(0)
    if kind == "dense":
        layer, shape = layers.SpectralDense(5, dtype=dtype, **kwargs), (4, 7)
    else:
        options = {"strides": 2, "padding": "same", **kwargs}
        layer, shape = layers.SpectralConv2D(5, 3, dtype=dtype, **options), (4, 6, 6, 2)
    x = rng.normal(size=shape).astype(np.float32)
    layer.build(shape)
    layer.kernel.assign(rng.normal(size=layer.kernel.shape))
    layer.bias.assign(rng.normal(size=layer.bias.shape))
    return layer, tf.constant(x)


def matrix(layer):
    return layer.kernel.numpy().astype(np.float64).reshape(-1, layer.kernel.shape[-1])


def converge(layer, times=100):
    for _ in range(times):
        layer.power_iteration()


def linear(kind, x, kernel):
    if kind == "dense":
        return x @ kernel
    return tf.nn.conv2d(x, kernel, strides=2, padding="SAME")


# Initializers.


@pytest.mark.parametrize(
    ("name", "deviation"),
    [("normal", 0.02), ("xavier", (2 / (300 + 500)) ** 0.5), ("he", (2 / 300) ** 0.5)],
)
def test_initializers_draw_kernels_of_their_standard_deviation(name, deviation):
    kernel = INITIALIZERS[name].make()((300, 500)).numpy()
    np.testing.assert_allclose(kernel.mean(), 0, atol=deviation / 50)
    np.testing.assert_allclose(kernel.std(), deviation, rtol=0.01)


def test_he_initializer_for_a_convolution_uses_the_fan_in_of_the_window():
    kernel = INITIALIZERS["he"].make()((5, 5, 20, 100)).numpy()
    np.testing.assert_allclose(kernel.std(), (2 / (5 * 5 * 20)) ** 0.5, rtol=0.02)


def test_initializers_made_twice_draw_different_kernels():
    one, two = (INITIALIZERS["normal"].make()((4, 4)).numpy() for _ in range(2))
    assert not np.isclose(one, two).any()


# Spectral normalisation: values.


@pytest.mark.parametrize("kind", KINDS)
def test_sigma_after_many_iterations_is_the_largest_singular_value(kind):
    layer, _ = build(kind)
    converge(layer)
    values = np.linalg.svd(matrix(layer), compute_uv=False)
    np.testing.assert_allclose(layer.sigma(), values[0], rtol=1e-4)
    assert values[1] < 0.99 * values[0]  # the test can distinguish them


@pytest.mark.parametrize("kind", KINDS)
def test_power_iteration_once_matches_numpy(kind):
    layer, _ = build(kind)
    w, u = matrix(layer), layer.u.numpy().astype(np.float64)
    np.testing.assert_allclose(layer.sigma(), np.linalg.norm(w @ u / np.linalg.norm(u)), rtol=1e-5)
    layer.power_iteration()
    v = w @ u / np.linalg.norm(w @ u)
    moved = w.T @ v / np.linalg.norm(w.T @ v)
    np.testing.assert_allclose(layer.u, moved, atol=1e-5)
    assert not np.allclose(u, moved, atol=1e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_power_iteration_never_decreases_sigma(kind):
    """|W u| increases towards the largest singular value and never exceeds it."""
    layer, _ = build(kind)
    sigmas = []
    for _ in range(20):
        sigmas.append(float(layer.sigma()))
        layer.power_iteration()
    assert (np.diff(sigmas) > -1e-5).all()
    assert sigmas[0] < sigmas[-1]
    assert sigmas[-1] < np.linalg.svd(matrix(layer), compute_uv=False)[0] + 1e-4


def test_sigma_of_a_new_layer_is_close_to_the_largest_singular_value():
    keras.utils.set_random_seed(0)
    layer = layers.SpectralDense(20, kernel_initializer=INITIALIZERS["normal"].make())
    layer.build((None, 50))
    largest = np.linalg.svd(matrix(layer), compute_uv=False)[0]
    assert 0.85 * largest < float(layer.sigma()) < 1.001 * largest


@pytest.mark.parametrize("kind", KINDS)
def test_spectral_layer_outputs_are_those_of_the_kernel_divided_by_sigma(kind):
    layer, x = build(kind)
    converge(layer)
    largest = np.linalg.svd(matrix(layer), compute_uv=False)[0]
    expected = linear(kind, x, layer.kernel.numpy() / np.float32(largest)) + layer.bias.numpy()
    np.testing.assert_allclose(layer(x), expected, rtol=1e-3, atol=1e-4)
    assert not np.allclose(layer(x), linear(kind, x, layer.kernel.numpy()) + layer.bias.numpy())


@pytest.mark.parametrize("kind", KINDS)
def test_spectral_layer_with_a_scaled_kernel_has_the_same_outputs(kind):
    layer, x = build(kind)
    before = layer(x)
    layer.kernel.assign(7.0 * layer.kernel.numpy())
    np.testing.assert_allclose(layer(x), before, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_spectral_layer_applies_its_activation_and_may_have_no_bias(kind):
    layer, x = build(kind)
    plain = layer(x)
    rectified = layer.__class__.from_config({**layer.get_config(), "activation": "relu"})
    bare = layer.__class__.from_config({**layer.get_config(), "use_bias": False})
    for other in (rectified, bare):
        other.build(x.shape)
        other.kernel.assign(layer.kernel)
        other.u.assign(layer.u)
    rectified.bias.assign(layer.bias)
    np.testing.assert_allclose(rectified(x), tf.nn.relu(plain), atol=1e-6)
    assert bare.bias is None
    np.testing.assert_allclose(bare(x), plain - layer.bias.numpy(), atol=1e-5)


# Spectral normalisation: state.


@pytest.mark.parametrize("kind", KINDS)
def test_u_is_updated_by_power_iteration_and_not_by_calls(kind):
    layer, x = build(kind)
    u = layer.u.numpy().copy()
    first = layer(x, training=True) if kind == "conv" else layer(x)
    second = layer(x)
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(layer.u, u)
    layer.power_iteration()
    assert not np.allclose(layer.u, u, atol=1e-3)
    assert not np.allclose(layer(x), first, atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_u_is_not_trainable(kind):
    layer, _ = build(kind)
    assert [v.name for v in layer.trainable_variables] == ["kernel", "bias"]
    assert [v.name for v in layer.non_trainable_variables] == ["u"]


# Spectral normalisation: gradients.


@pytest.mark.parametrize("kind", KINDS)
def test_spectral_layer_gradient_includes_that_of_sigma(kind):
    """Against float64 finite differences of sum(c f(W / |W u|)) with u fixed."""
    layer, x = build(kind)
    c = np.random.default_rng(1).normal(size=layer(x).shape)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.constant(c, tf.float32) * layer(x))
    found = tape.gradient(loss, layer.kernel.value).numpy()

    x64, u = tf.cast(x, tf.float64), layer.u.numpy().astype(np.float64)
    u /= np.linalg.norm(u)
    w = layer.kernel.numpy().astype(np.float64)

    def value(kernel, sigma=None):
        sigma = sigma or np.linalg.norm(kernel.reshape(-1, kernel.shape[-1]) @ u)
        return float(np.sum(c * linear(kind, x64, kernel / sigma).numpy()))

    def differences(**kwargs):
        gradient, step = np.zeros_like(w), 1e-5
        for index in np.ndindex(*w.shape):
            nudge = np.zeros_like(w)
            nudge[index] = step
            gradient[index] = (value(w + nudge, **kwargs) - value(w - nudge, **kwargs)) / (2 * step)
        return gradient

    scale = np.abs(found).max()
    np.testing.assert_allclose(found, differences(), rtol=1e-3, atol=1e-4 * scale)
    constant = differences(sigma=np.linalg.norm(w.reshape(-1, w.shape[-1]) @ u))
    assert np.abs(found - constant).max() > 0.05 * scale


@pytest.mark.parametrize("kind", KINDS)
def test_spectral_layer_gradient_is_orthogonal_to_the_kernel(kind):
    """The outputs do not depend on the kernel's scale, so <gradient, W> is 0."""
    layer, x = build(kind)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(layer(x) ** 2)
    gradient = tape.gradient(loss, layer.kernel.value).numpy()
    lengths = np.linalg.norm(gradient) * np.linalg.norm(layer.kernel.numpy())
    assert lengths > 1
    assert abs(np.sum(gradient * layer.kernel.numpy())) < 1e-4 * lengths


def test_spectral_layer_with_a_zero_kernel_has_finite_outputs():
    layer, x = build("dense")
    layer.kernel.assign(np.zeros(layer.kernel.shape))
    layer.power_iteration()
    assert np.isfinite(layer.u.numpy()).all()
    np.testing.assert_allclose(layer(x), np.tile(layer.bias.numpy(), (4, 1)))


# Precision and saving.


@pytest.mark.parametrize("kind", KINDS)
def test_spectral_layer_in_bfloat16_agrees_with_float32(kind):
    layer, x = build(kind)
    mixed, _ = build(kind, dtype="mixed_bfloat16")
    mixed.u.assign(layer.u)
    with tf.GradientTape() as tape:
        outputs = mixed(x)
        loss = tf.reduce_sum(tf.cast(outputs, tf.float32) ** 2)
    assert outputs.dtype == tf.bfloat16
    assert mixed.kernel.dtype == mixed.u.dtype == "float32"
    np.testing.assert_allclose(tf.cast(outputs, tf.float32), layer(x), rtol=0.05, atol=0.05)
    gradient = tape.gradient(loss, mixed.kernel.value)
    assert gradient.dtype == tf.float32
    assert np.isfinite(gradient).all()
    assert np.abs(gradient).max() > 0


def test_spectral_layers_saved_and_loaded_keep_u(tmp_path):
    network = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.SpectralConv2D(3, 4, strides=2, padding="same"),
            keras.layers.Flatten(),
            layers.SpectralDense(2),
        ]
    )
    for layer in layers.spectral_layers(network):
        layer.u.assign(np.arange(1, layer.u.shape[0] + 1))
    network.save(tmp_path / "network.keras")
    loaded = keras.saving.load_model(tmp_path / "network.keras")
    x = np.random.default_rng(0).normal(size=(2, 8, 8, 1)).astype(np.float32)
    np.testing.assert_array_equal(loaded(x), network(x))
    first, second = layers.spectral_layers(loaded)
    np.testing.assert_array_equal(first.u, [1, 2, 3])
    np.testing.assert_array_equal(second.u, [1, 2])
    assert type(first) is layers.SpectralConv2D


def test_spectral_layers_of_nested_networks_finds_all_and_no_others():
    inner = keras.Sequential(
        [keras.Input((4,)), layers.SpectralDense(3, name="deep"), keras.layers.Dense(3)]
    )
    x = keras.Input((4,))
    middle = keras.Model(x, layers.SpectralDense(2, name="middle")(inner(x)))
    outer = keras.Sequential([middle, layers.SpectralDense(1, name="top"), keras.layers.ReLU()])
    outer.build((None, 4))
    assert {layer.name for layer in layers.spectral_layers(outer)} == {"deep", "middle", "top"}
    assert len(layers.spectral_layers(outer)) == 3
    single = layers.SpectralDense(2)
    assert layers.spectral_layers(single) == [single]
    assert (
        layers.spectral_layers(keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])) == []
    )


@pytest.mark.parametrize("spectral", [False, True])
def test_head_in_mixed_precision_is_linear_and_float32(spectral, policy):
    policy("mixed_bfloat16")
    head = layers.head(3, "xavier", spectral=spectral, name="score")
    outputs = head(100.0 * tf.ones((2, 5), tf.bfloat16))
    assert outputs.shape == (2, 3)
    assert outputs.dtype == tf.float32
    assert isinstance(head, layers.SpectralKernel) == spectral
    assert head.name == "score"
    np.testing.assert_allclose(head(-100.0 * tf.ones((2, 5))), -outputs, rtol=1e-5)


@pytest.mark.parametrize(("activation", "function"), [("tanh", np.tanh), ("linear", np.array)])
def test_image_output_in_mixed_precision_is_float32(activation, function, policy):
    policy("mixed_bfloat16")
    outputs = layers.image_output(tf.constant([-9.0, 0.0, 0.5, 9.0], tf.bfloat16), activation)
    assert outputs.dtype == tf.float32
    np.testing.assert_allclose(outputs, function([-9.0, 0.0, 0.5, 9.0]), atol=1e-6)


# Norms by name.


def normed(norm, shape, label=None):
    """Return a model that applies LayerFactory.norm to h, with or without a label."""
    h = keras.Input(shape)
    if label is None:
        return keras.Model(h, layers.LayerFactory(norm, "he").norm(h))
    classes = keras.Input((label,))
    return keras.Model([h, classes], layers.LayerFactory(norm, "he", classes).norm(h))


def drawn(*shape, seed=0):
    return np.random.default_rng(seed).normal(2, 3, shape).astype(np.float32)


def randomise(network):
    for weight in network.trainable_weights:
        weight.assign(drawn(*weight.shape))


def test_layer_factory_with_an_unknown_norm_raises():
    with pytest.raises(ValueError, match=r"^norm: expected one of none, batch, .*, got 'group'$"):
        layers.LayerFactory("group", "he")


@pytest.mark.parametrize("norm", ["none", "spectral"])
def test_layer_factory_without_a_norm_of_activations_returns_them_unchanged(norm):
    h = keras.Input((4, 4, 2))
    assert layers.LayerFactory(norm, "he").norm(h) is h


@pytest.mark.parametrize("shape", [(7,), (4, 5, 3)])
@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16"])
def test_layer_norm_is_per_example_with_gain_and_bias_per_channel(shape, precision, policy):
    policy(precision)
    network, h = normed("layer", shape), drawn(6, *shape)
    gain, bias = network.trainable_weights
    assert gain.shape == bias.shape == shape[-1:]
    randomise(network)
    axes = tuple(range(1, h.ndim))
    expected = (h - h.mean(axes, keepdims=True)) / h.std(axes, keepdims=True)
    expected = expected * gain.numpy() + bias.numpy()
    tolerance = {"float32": 1e-4, "mixed_bfloat16": 0.1}[precision]
    np.testing.assert_allclose(tf.cast(network(h), tf.float32), expected, atol=tolerance)


@pytest.mark.parametrize("shape", [(7,), (3, 4, 2)])
def test_layer_norm_second_order_gradient_matches_finite_differences(shape):
    """The squared gradient norm of f(x) = w . norm(A x) by hand, and its gradient numerically.

    grad f = A' (w - mean w - n mean(w n)) / s for n = norm(A x) and the standard deviation s.
    """
    rng = np.random.default_rng(0)
    size = math.prod(shape)
    a = rng.normal(1.0, 0.5, (size, 5))  # not of mean 0, so that x changes the mean of A x
    x, w = rng.normal(0.0, 1.0, 5), rng.normal(0.0, 1.0, size)

    def squared_gradient_norm(x):
        h = a @ x
        s = np.sqrt(h.var() + 1e-5)
        n = (h - h.mean()) / s
        return np.sum(np.square(a.T @ (w - w.mean() - n * (w * n).mean()) / s))

    expected = [
        (squared_gradient_norm(x + h) - squared_gradient_norm(x - h)) / 2e-5
        for h in 1e-5 * np.eye(5)
    ]
    norm, point = layers.LayerNorm(), tf.constant(x[:, None], tf.float32)
    with tf.GradientTape() as outer:
        outer.watch(point)
        with tf.GradientTape() as inner:
            inner.watch(point)
            h = tf.reshape(tf.constant(a, tf.float32) @ point, (1, *shape))
            f = tf.reduce_sum(norm(h) * tf.constant(w.reshape(shape), tf.float32))
        penalty = tf.reduce_sum(tf.square(inner.gradient(f, point)))
    assert float(penalty) == pytest.approx(squared_gradient_norm(x), rel=1e-3)
    found = np.ravel(outer.gradient(penalty, point))
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3 * np.abs(expected).max())


@pytest.mark.parametrize("shape", [(7,), (4, 5, 3)])
@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16"])
def test_conditional_batch_norm_uses_gain_and_bias_of_the_label(shape, precision, policy):
    policy(precision)
    network, h = normed("batch", shape, label=2), drawn(6, *shape)
    labels = np.array([0, 1, 1, 0, 1, 0])
    label = np.eye(2, dtype=np.float32)[labels]
    axes = tuple(range(h.ndim - 1))
    mean, variance = h.mean(axes), h.var(axes)
    tolerance = {"float32": 1e-4, "mixed_bfloat16": 0.3}[precision]

    (norm,) = (x for x in network.layers if isinstance(x, keras.layers.BatchNormalization))
    gain, bias = (weight.numpy() for weight in network.trainable_weights)
    np.testing.assert_array_equal(gain, np.ones((2, shape[-1])))
    np.testing.assert_array_equal(bias, np.zeros((2, shape[-1])))
    randomise(network)
    gain, bias = (weight.numpy()[labels] for weight in network.trainable_weights)
    gain, bias = (row.reshape(6, *[1] * (h.ndim - 2), -1) for row in (gain, bias))

    found = network([h, label], training=True)
    expected = gain * (h - mean) / np.sqrt(variance + 1e-5) + bias
    np.testing.assert_allclose(tf.cast(found, tf.float32), expected, atol=tolerance)
    assert norm.moving_mean.dtype == norm.moving_variance.dtype == "float32"
    exact = {"float32": 1e-5, "mixed_bfloat16": 1e-2}[precision]
    np.testing.assert_allclose(norm.moving_mean.numpy(), 0.1 * mean, rtol=exact)
    np.testing.assert_allclose(norm.moving_variance.numpy(), 0.9 + 0.1 * variance, rtol=exact)

    found = network([h, label], training=False)
    expected = h - norm.moving_mean.numpy()
    expected = gain * expected / np.sqrt(norm.moving_variance.numpy() + 1e-5) + bias
    np.testing.assert_allclose(tf.cast(found, tf.float32), expected, rtol=tolerance, atol=0.3)


@pytest.mark.parametrize("norm", NORMS)
def test_layer_factory_omits_a_bias_only_before_a_batch_norm(norm):
    factory, x, maps = layers.LayerFactory(norm, "he"), keras.Input((6,)), keras.Input((8, 8, 2))
    facts = NORMS[norm]
    for normalised in (False, True):
        dense = keras.Model(x, factory.dense(x, 3, normalised=normalised))
        conv = keras.Model(maps, factory.conv(maps, 3, 4, strides=2, normalised=normalised))
        assert conv.output_shape == (None, 4, 4, 3)
        for network in (dense, conv):
            assert network.layers[1].use_bias == (not (normalised and facts.batch))
            norms = normalised and (facts.batch or facts.layer)
            assert len(network.layers) == 2 + norms
            assert len(layers.spectral_layers(network)) == facts.spectral
    assert not keras.Model(x, factory.dense(x, 3, use_bias=False)).layers[1].use_bias


def test_latent_inputs_splits_off_the_label_at_the_end():
    z, h, factory = layers.latent_inputs(7, 3, "batch", "he")
    rows = drawn(2, 7)
    first, label = keras.Model(z, [h, factory.label])(rows)
    np.testing.assert_array_equal(first, rows[:, :4])
    np.testing.assert_array_equal(label, rows[:, 4:])
    z, h, factory = layers.latent_inputs(7, 0, "batch", "he")
    assert h is z
    assert factory.label is None


# Self-attention.


def attending(norm="none", shape=(4, 4, 16)):
    """Return a model that applies self_attention to maps."""
    maps = keras.Input(shape)
    return keras.Model(maps, layers.self_attention(maps, layers.LayerFactory(norm, "he")))


def matrices(network):
    """Return the kernels f, g, h and v [inputs, outputs] of `attending`."""
    maker = {id(layer.output): layer for layer in network.layers}
    (attend,) = (x for x in network.layers if isinstance(x, keras.layers.Attention))
    query, value, key = (maker[id(maps)] for maps in attend.input)
    f, g, h = (maker[id(reshape.input)] for reshape in (key, query, value))
    v = maker[id(network.layers[-1].input[1])]
    return [layer.kernel.numpy()[0, 0].astype(np.float64) for layer in (f, g, h, v)]


@pytest.mark.parametrize("norm", ["none", "spectral"])
def test_self_attention_with_initial_weights_is_the_identity(norm):
    network, x = attending(norm), drawn(2, 4, 4, 16)
    np.testing.assert_array_equal(network(x), x)
    assert [w.shape for w in network.trainable_weights if w.path.startswith("gamma/")] == [(1, 1)]
    assert len(network.trainable_weights) == 5


@pytest.mark.parametrize(("shape", "inner"), [((4, 4, 16), 2), ((3, 5, 4), 1)])
@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16"])
def test_self_attention_matches_the_equations_in_numpy(shape, inner, precision, policy):
    """Zhang et al. 2019, with numpy: y = x + gamma v(sum_i beta_ji h(x_i))."""
    policy(precision)
    network, maps = attending(shape=shape), drawn(2, *shape) / 5
    network.get_layer("gamma").kernel.assign([[0.7]])
    f, g, h, v = matrices(network)
    assert f.shape == g.shape == h.shape == v.T.shape == (shape[-1], inner)
    for example, found in zip(maps, tf.cast(network(maps), tf.float32).numpy(), strict=True):
        x = example.reshape(-1, shape[-1]).astype(np.float64)
        scores = (x @ f) @ (x @ g).T  # s_ij of key i and query j
        beta = np.exp(scores) / np.exp(scores).sum(axis=0, keepdims=True)
        expected = x + 0.7 * (beta.T @ (x @ h)) @ v
        tolerance = {"float32": 1e-4, "mixed_bfloat16": 0.1}[precision]
        np.testing.assert_allclose(found.reshape(x.shape), expected, atol=tolerance)
        assert np.abs(expected - x).max() > 0.3


def test_self_attention_with_spectral_norm_leaves_gamma_unnormalised():
    network = attending("spectral")
    assert len(layers.spectral_layers(network)) == 4
    assert type(network.get_layer("gamma")) is keras.layers.Dense
