"""The layers of StyleGAN against explicit computations in numpy."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from models.networks import styled


@pytest.fixture
def draw():
    """Return a function (*shape) -> float32 draws of N(0, 1)."""
    rng = np.random.default_rng(0)
    return lambda *shape: rng.normal(size=shape).astype(np.float32)


def repeated(x):
    return np.repeat(np.repeat(x, 2, 1), 2, 2)


def halved(x):
    return (x[:, ::2, ::2] + x[:, 1::2, ::2] + x[:, ::2, 1::2] + x[:, 1::2, 1::2]) / 4


def blurred(x):
    weights = np.outer([1, 2, 1], [1, 2, 1]) / 16
    padded = np.pad(x, [(0, 0), (1, 1), (1, 1), (0, 0)])
    height, width = x.shape[1:3]
    return sum(
        weights[i, j] * padded[:, i : i + height, j : j + width] for i in range(3) for j in range(3)
    )


def convolved(x, kernel):
    return tf.nn.conv2d(x, kernel, 1, "SAME").numpy()


def activated(x):
    return np.sqrt(2) * np.where(x > 0, x, 0.2 * x)


# Resampling.


def test_downsample_inverts_upsample(draw):
    x = draw(2, 4, 4, 3)
    large = styled.upsample(tf.constant(x), 4)
    np.testing.assert_array_equal(large, repeated(repeated(x)))
    np.testing.assert_allclose(styled.downsample(large, 4), x, rtol=1e-6)
    np.testing.assert_allclose(
        styled.downsample(tf.constant(x), 2), halved(x), rtol=1e-5, atol=1e-6
    )
    assert styled.upsample(x, 1) is x
    assert styled.downsample(x, 1) is x


def test_blur_is_the_binomial_filter(draw):
    x = draw(2, 6, 6, 3)
    np.testing.assert_allclose(styled.blur(tf.constant(x)), blurred(x), atol=1e-6)
    inside = styled.blur(tf.ones([1, 6, 6, 1]))[0, 1:-1, 1:-1]
    np.testing.assert_allclose(inside, np.ones((4, 4, 1)), rtol=1e-6)


def test_activate_keeps_the_mean_square_of_normal_inputs():
    x = np.random.default_rng(0).normal(size=200_000).astype(np.float32)
    y = styled.activate(tf.constant(x)).numpy()
    np.testing.assert_allclose(y, activated(x), rtol=1e-6)
    assert np.mean(y**2) == pytest.approx(1 + 0.2**2, rel=0.01)


# Equalised learning rates.


@pytest.mark.parametrize("rate", [1.0, 0.01])
def test_equalised_dense_scales_its_kernel_in_each_call(rate, draw):
    layer = styled.EqualisedDense(300, rate=rate, bias=0.5)
    x = draw(4, 200)
    layer(x)
    kernel = layer.kernel.numpy()
    assert kernel.std() == pytest.approx(1 / rate, rel=0.02)
    expected = x @ (kernel * rate / np.sqrt(200)) + 0.5
    np.testing.assert_allclose(layer(x), expected, rtol=1e-4, atol=1e-4)
    assert np.std(layer(x) - 0.5) == pytest.approx(1, rel=0.1)


def test_equalised_dense_rate_scales_the_update_of_adam(draw):
    """At one learning rate, a layer with rate=0.01 changes its output 0.01 times as much."""
    x = draw(64, 50)

    def moved(rate):
        keras.utils.set_random_seed(1)
        layer = styled.EqualisedDense(10, rate=rate)
        before = layer(x)
        optimizer = keras.optimizers.Adam(0.01)
        optimizer.build(layer.trainable_variables)
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(layer(x))
        optimizer.apply(tape.gradient(loss, [v.value for v in layer.trainable_variables]))
        return np.abs(layer(x) - before).mean()

    assert moved(0.01) == pytest.approx(moved(1.0) / 100, rel=1e-2)


def test_equalised_conv_scales_its_kernel_by_the_fan_in(draw):
    layer = styled.EqualisedConv2D(40, 3, activated=True)
    x = draw(2, 6, 6, 30)
    layer(x)
    layer.bias.assign(draw(40))
    kernel = layer.kernel.numpy()
    assert kernel.std() == pytest.approx(1, rel=0.02)
    expected = activated(convolved(x, kernel / np.sqrt(9 * 30)) + layer.bias.numpy())
    np.testing.assert_allclose(layer(x), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("size", [1, 3])
def test_equalised_conv_with_resampling_equals_the_two_separate_steps(size, draw):
    up = styled.EqualisedConv2D(5, size, resample="up", use_bias=False)
    down = styled.EqualisedConv2D(5, size, resample="down", use_bias=False)
    x = draw(2, 6, 6, 3)
    upsampled, downsampled = up(x), down(x)
    assert upsampled.shape == (2, 12, 12, 5)
    kernel = up.kernel.numpy() / np.sqrt(size * size * 3)
    expected = blurred(convolved(repeated(x), kernel))
    np.testing.assert_allclose(upsampled, expected, rtol=1e-4, atol=1e-5)
    assert downsampled.shape == (2, 3, 3, 5)
    kernel = down.kernel.numpy() / np.sqrt(size * size * 3)
    expected = halved(convolved(blurred(x).astype(np.float32), kernel))
    np.testing.assert_allclose(downsampled, expected, rtol=1e-4, atol=1e-5)


# Styles.


def test_adain_outputs_have_mean_and_standard_deviation_of_the_style(draw):
    layer = styled.AdaIN()
    x, w = 3 * draw(2, 8, 8, 5) + 1, draw(2, 4)
    layer(x, w)
    layer.style.bias.assign(draw(10))
    y = np.asarray(layer(x, w))
    scale, bias = np.split(layer.style(w).numpy(), 2, axis=1)
    np.testing.assert_allclose(y.mean(axis=(1, 2)), bias, atol=1e-5)
    np.testing.assert_allclose(y.std(axis=(1, 2)), np.abs(scale + 1), rtol=1e-4)
    np.testing.assert_allclose(layer(5 * x - 2, w), y, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("resample", ["", "up"])
@pytest.mark.parametrize("demodulate", [True, False])
def test_modulated_conv_equals_a_kernel_per_image(demodulate, resample, draw):
    """Equations 1 and 3: w' = s w, w'' = w' / sqrt(sum w'² + e)."""
    layer = styled.ModulatedConv2D(7, 3, demodulate=demodulate, resample=resample)
    x, w = draw(2, 6, 6, 5), draw(2, 4)
    y = layer(x, w)
    layer.bias.assign(draw(7))
    y = np.asarray(layer(x, w))
    styles = layer.style(w).numpy()
    for k in range(2):
        kernel = layer.kernel.numpy() / np.sqrt(9 * 5) * styles[k][:, None]
        if demodulate:
            kernel = kernel / np.sqrt((kernel**2).sum(axis=(0, 1, 2)) + 1e-8)
            np.testing.assert_allclose((kernel**2).sum(axis=(0, 1, 2)), np.ones(7), rtol=1e-5)
        one = x[k : k + 1]
        expected = blurred(convolved(repeated(one), kernel)) if resample else convolved(one, kernel)
        expected = expected + layer.bias.numpy()
        np.testing.assert_allclose(y[k : k + 1], expected, rtol=1e-3, atol=1e-4)


def test_modulated_conv_with_demodulation_is_invariant_to_the_scale_of_the_style(draw):
    layer = styled.ModulatedConv2D(7, 3, use_bias=False)
    x, w = draw(2, 6, 6, 5), draw(2, 4)
    y = layer(x, w)
    for v in (layer.style.kernel, layer.style.bias):
        v.assign(10 * v.value)
    np.testing.assert_allclose(layer(x, w), y, rtol=1e-3, atol=1e-4)


def test_noise_is_scaled_by_the_strength_per_channel_or_shared(draw):
    layer = styled.Noise()
    x, noise = draw(2, 4, 4, 3), draw(2, 4, 4, 1)
    np.testing.assert_array_equal(layer(x, noise), x)
    layer.strength.assign([0.0, 1.0, -2.0])
    np.testing.assert_allclose(layer(x, noise), x + noise * [0, 1, -2], rtol=1e-5, atol=1e-6)
    layer = styled.Noise(shared=True)
    np.testing.assert_array_equal(layer(x, noise), x)
    layer.strength.assign([3.0])
    np.testing.assert_allclose(layer(x, noise), x + 3 * noise, rtol=1e-5, atol=1e-6)


# Minibatch standard deviation.


@pytest.mark.parametrize(("batch", "group"), [(8, 4), (4, 4), (6, 2), (3, 1)])
@pytest.mark.parametrize("static", [True, False])
def test_minibatch_standard_deviation_appends_that_of_each_group(batch, group, static, draw):
    x = draw(batch, 3, 3, 5)
    layer = styled.MinibatchStandardDeviation()
    shape = [batch if static else None, 3, 3, 5]
    y = tf.function(layer, input_signature=[tf.TensorSpec(shape)])(x).numpy()
    np.testing.assert_array_equal(y[..., :5], x)
    groups = x.reshape(batch // group, group, 3, 3, 5)
    expected = np.sqrt(groups.var(axis=1) + 1e-8).mean(axis=(1, 2, 3))
    np.testing.assert_allclose(
        y[..., 5], np.repeat(expected, group)[:, None, None] * np.ones((1, 3, 3)), rtol=1e-4
    )


def test_minibatch_standard_deviation_of_equal_images_is_zero(draw):
    x = np.repeat(draw(1, 3, 3, 5), 4, axis=0)
    assert np.abs(styled.MinibatchStandardDeviation()(x)[..., 5]).max() < 1e-3
