"""Layers of StyleGAN (Karras et al. 2019) and StyleGAN2 (Karras et al. 2020)."""

import itertools
import math

import keras
import numpy as np
import tensorflow as tf

from models.layers import PACKAGE
from models.randomness import length

GROUP = 4  # images whose minibatch standard deviation is taken
register = keras.saving.register_keras_serializable(PACKAGE)


def activate(x):
    """Return sqrt(2) times leaky ReLU (0.2) of x; inputs of N(0, 1) keep their scale."""
    return tf.nn.leaky_relu(math.sqrt(2.0) * x, 0.2)


def upsample(x, times: int):
    """Upsample maps [b, h, w, c] to [b, times h, times w, c] by nearest neighbour.

    It avoids tf.repeat, whose gradient XLA does not compile within a condition.
    """
    if times == 1:
        return x
    _, height, width, channels = x.shape
    squares = x[:, :, None, :, None] * tf.ones([times, 1, times, 1], x.dtype)
    return tf.reshape(squares, [-1, times * height, times * width, channels])


def downsample(x, times: int):
    """Downsample maps [b, times h, times w, c] to [b, h, w, c] by average pooling."""
    if times == 1:
        return x
    _, height, width, channels = x.shape
    squares = [-1, height // times, times, width // times, times, channels]
    return tf.reduce_mean(tf.reshape(x, squares), axis=[2, 4])


def blur(x):
    """Filter maps [b, h, w, c] with the binomial kernel [1, 2, 1] / 4 along both axes.

    Outside the map the values are 0. After `upsample`, or before `downsample`, the combination is
    the filter [1, 3, 3, 1] of the authors' code.
    """
    channels = x.shape[-1]
    square = np.outer([1.0, 2.0, 1.0], [1.0, 2.0, 1.0]) / 16.0
    kernel = tf.constant(np.repeat(square[..., None, None], channels, axis=2), x.dtype)
    return tf.nn.depthwise_conv2d(x, kernel, [1, 1, 1, 1], "SAME")


@register
class EqualisedDense(keras.layers.Layer):
    """Dense layer with an equalised learning rate: Karras et al. 2018, section 4.1.

    The kernel is initialised from N(0, 1) and multiplied by the constant 1 / sqrt(inputs) in every
    call. All kernels then have the same dynamic range, so Adam's updates are relatively equal.

    Args:
        units: dimensions of the output.
        rate: multiplier of the learning rate of kernel and bias.
        bias: initial value of the biases.
        activated: whether `activate` is applied to the output.
    """

    def __init__(self, units: int, *, rate=1.0, bias=0.0, activated=False, **kwargs):
        super().__init__(**kwargs)
        self.units, self.rate, self.activated = units, rate, activated
        self.initial_bias = bias

    def get_config(self):
        config = {"units": self.units, "rate": self.rate, "bias": self.initial_bias}
        return {**super().get_config(), **config, "activated": self.activated}

    def build(self, input_shape):
        inputs = input_shape[-1]
        self.scale = self.rate / math.sqrt(inputs)
        normal = keras.initializers.RandomNormal(stddev=1.0 / self.rate)
        self.kernel = self.add_weight(name="kernel", shape=(inputs, self.units), initializer=normal)
        constant = keras.initializers.Constant(self.initial_bias / self.rate)
        self.bias = self.add_weight(name="bias", shape=(self.units,), initializer=constant)

    def call(self, x):
        x = tf.matmul(x, self.scale * self.kernel) + self.rate * self.bias
        return activate(x) if self.activated else x


@register
class EqualisedConv2D(keras.layers.Layer):
    """Convolution with padding "same" and an equalised learning rate; see EqualisedDense.

    Args:
        filters: channels of the output.
        kernel_size: side of the kernel, 1 or 3.
        resample: "up": upsample by 2 before the convolution and blur after it; "down": blur before
            the convolution and downsample by 2 after it; "": neither. Convolution and resampling
            are fused into one convolution with a stride of 2, see `sum_of_four_shifts`.
        use_bias: whether there are biases.
        activated: whether `activate` is applied to the output.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int,
        *,
        resample: str = "",
        use_bias=True,
        activated=False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.filters, self.kernel_size, self.resample = filters, kernel_size, resample
        self.use_bias, self.activated = use_bias, activated

    def get_config(self):
        names = ("filters", "kernel_size", "resample", "use_bias", "activated")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}

    def build(self, input_shape):
        shape = (self.kernel_size, self.kernel_size, input_shape[-1], self.filters)
        self.scale = 1.0 / math.sqrt(math.prod(shape[:3]))
        normal = keras.initializers.RandomNormal(stddev=1.0)
        self.kernel = self.add_weight(name="kernel", shape=shape, initializer=normal)
        if self.use_bias:
            self.bias = self.add_weight(name="bias", shape=(self.filters,), initializer="zeros")

    def convolve(self, x):
        """Apply the scaled kernel and the resampling to x [b, h, w, c], without the bias."""
        kernel = self.scale * tf.convert_to_tensor(self.kernel)
        if self.resample == "up":
            _, height, width, _ = x.shape
            kernel = tf.transpose(sum_of_four_shifts(kernel[::-1, ::-1]), [0, 1, 3, 2])
            shape = [length(x), 2 * height, 2 * width, self.filters]
            return blur(tf.nn.conv2d_transpose(x, kernel, shape, 2, "SAME"))
        if self.resample == "down":
            return tf.nn.conv2d(blur(x), 0.25 * sum_of_four_shifts(kernel), 2, "SAME")
        return tf.nn.conv2d(x, kernel, 1, "SAME")

    def call(self, x):
        x = self.convolve(x)
        x = x + self.bias if self.use_bias else x
        return activate(x) if self.activated else x


def sum_of_four_shifts(kernel):
    """Return the sum of a kernel [k, k, i, o] and its shifts by one pixel: [k + 1, k + 1, i, o].

    One pixel of the small map covers 2x2 pixels of the large map. Summing the kernel over these
    four shifts gives the kernel of the fused convolution.
    """
    shifts = itertools.product((0, 1), repeat=2)
    return tf.add_n([tf.pad(kernel, [[i, 1 - i], [j, 1 - j], [0, 0], [0, 0]]) for i, j in shifts])


@register
class Noise(keras.layers.Layer):
    """Additive noise: x + strength * noise, with a trainable strength that is 0 initially.

    Args:
        shared: whether all channels share one strength (Karras et al. 2020) instead of one per
            channel (Karras et al. 2019, section 2).
    """

    def __init__(self, shared: bool = False, **kwargs):
        super().__init__(**kwargs)
        self.shared = shared

    def get_config(self):
        return {**super().get_config(), "shared": self.shared}

    def build(self, x_shape, noise_shape=None):
        shape = (1 if self.shared else x_shape[-1],)
        self.strength = self.add_weight(name="strength", shape=shape, initializer="zeros")

    def call(self, x, noise):
        return x + self.strength * noise


@register
class AdaIN(keras.layers.Layer):
    """Adaptive instance normalisation: Karras et al. 2019, equation 1.

    Returns y_s (x - mean(x)) / std(x) + y_b, with mean and standard deviation per image and
    channel. The style (y_s, y_b) is an affine function of w, initially around (1, 0).
    """

    def build(self, x_shape, style_shape):
        self.style = EqualisedDense(2 * x_shape[-1], dtype=self.dtype_policy, name="style")
        self.style.build(style_shape)

    def call(self, x, style):
        scale, bias = tf.split(self.style(style)[:, None, None], 2, axis=-1)
        x32 = tf.cast(x, tf.float32)
        x32 -= tf.reduce_mean(x32, axis=[1, 2], keepdims=True)
        x32 *= tf.math.rsqrt(tf.reduce_mean(tf.square(x32), axis=[1, 2], keepdims=True) + 1e-8)
        return (scale + 1.0) * tf.cast(x32, x.dtype) + bias


@register
class ModulatedConv2D(EqualisedConv2D):
    """Modulated convolution: Karras et al. 2020, equations 1 and 3.

    The kernel of each image is multiplied by a style per input channel (modulation), then divided
    by its norm per output channel (demodulation). This is computed by scaling the maps before and
    after one convolution that is common to all images, which is equivalent to the paper's grouped
    convolution (appendix B), as in the non-fused mode of the authors' later code
    (`fused_modconv=False`).

    Args:
        filters: channels of the output.
        kernel_size: side of the kernel, 1 or 3.
        demodulate: whether the kernel is divided by its norm.
        **kwargs: `resample`, `use_bias` and `activated` of EqualisedConv2D.
    """

    def __init__(self, filters: int, kernel_size: int, *, demodulate=True, **kwargs):
        super().__init__(filters, kernel_size, **kwargs)
        self.demodulate = demodulate

    def get_config(self):
        return {**super().get_config(), "demodulate": self.demodulate}

    def build(self, x_shape, style_shape):
        super().build(x_shape)
        self.style = EqualisedDense(x_shape[-1], bias=1.0, dtype="float32", name="style")
        self.style.build(style_shape)

    def call(self, x, style):
        s = self.style(tf.cast(style, tf.float32))
        if self.demodulate:  # cancels the scale of s, which could overflow float16
            s *= tf.math.rsqrt(tf.reduce_mean(tf.square(s), axis=-1, keepdims=True) + 1e-8)
        x = self.convolve(x * tf.cast(s, x.dtype)[:, None, None])
        if self.demodulate:
            squares = tf.square(self.scale * tf.cast(self.kernel, tf.float32))
            norms = tf.matmul(tf.square(s), tf.reduce_sum(squares, axis=[0, 1]))
            x *= tf.cast(tf.math.rsqrt(norms + 1e-8), x.dtype)[:, None, None]
        x = x + self.bias if self.use_bias else x
        return activate(x) if self.activated else x


class StyledLayer(keras.layers.Layer):
    """Base of the layers of a synthesis network: convolution, noise, bias, activation, style.

    Args:
        filters: channels of the output.
        resample: "up", or "" for no resampling; see EqualisedConv2D.
        convolved: whether there is a convolution.
    """

    shared_noise = False  # whether all channels share one noise strength

    def __init__(self, filters: int, resample: str, convolved: bool = True, **kwargs):
        super().__init__(**kwargs)
        self.filters, self.resample, self.convolved = filters, resample, convolved
        self.noise = Noise(self.shared_noise, dtype=self.dtype_policy, name="noise")

    def build_parts(self, input_side: int) -> None:
        """Build the noise strength and the bias, and set `side`, that of the output."""
        self.side = input_side * (2 if self.resample else 1)
        self.noise.build((None, self.side, self.side, self.filters))
        self.bias = self.add_weight(name="bias", shape=(self.filters,), initializer="zeros")


class AdaptiveLayer(StyledLayer):
    """Convolution (optional), noise, bias, activation, AdaIN: Karras et al. 2019, figure 1b."""

    def build(self, x_shape, style_shape, noise_shape=None):
        if self.convolved:
            self.conv = EqualisedConv2D(
                self.filters, 3, resample=self.resample, use_bias=False,
                dtype=self.dtype_policy, name="conv",
            )  # fmt: skip
            self.conv.build(x_shape)
        self.build_parts(x_shape[1])
        self.adain = AdaIN(dtype=self.dtype_policy, name="adain")
        self.adain.build((None, self.side, self.side, self.filters), style_shape)

    def call(self, x, style, noise):
        x = self.conv(x) if self.convolved else x
        return self.adain(activate(self.noise(x, noise) + self.bias), style)


class ModulatedLayer(StyledLayer):
    """Modulated convolution, noise, bias, activation: Karras et al. 2020, figure 2d."""

    shared_noise = True

    def build(self, x_shape, style_shape, noise_shape=None):
        self.conv = ModulatedConv2D(
            self.filters, 3, resample=self.resample, use_bias=False,
            dtype=self.dtype_policy, name="conv",
        )  # fmt: skip
        self.conv.build(x_shape, style_shape)
        self.build_parts(x_shape[1])

    def call(self, x, style, noise):
        return activate(self.noise(self.conv(x, style), noise) + self.bias)


@register
class MinibatchStandardDeviation(keras.layers.Layer):
    """Minibatch standard deviation as an additional channel: Karras et al. 2018, section 3.

    The batch is divided into groups of four consecutive images (of two or one if its size is not
    divisible by four). The channel is the standard deviation within the group, averaged over pixels
    and channels. Maps [b, h, w, c] become [b, h, w, c + 1]. On several replicas a group is within
    one replica.
    """

    def call(self, x):
        batch, height, width, channels = x.shape
        group = math.gcd(GROUP, batch) if batch else largest_group(tf.shape(x)[0])
        x32 = tf.reshape(tf.cast(x, tf.float32), [-1, group, height, width, channels])
        x32 -= tf.reduce_mean(x32, axis=1, keepdims=True)
        deviation = tf.sqrt(tf.reduce_mean(tf.square(x32), axis=1) + 1e-8)
        deviation = tf.reduce_mean(deviation, axis=[1, 2, 3])
        # Without tf.repeat, whose gradient XLA does not compile within a condition.
        per_image = tf.reshape(deviation[:, None] * tf.ones([1, group]), [-1, 1, 1, 1])
        maps = tf.ones_like(x[..., :1]) * tf.cast(per_image, x.dtype)
        return tf.concat([x, maps], axis=-1)


def largest_group(batch: tf.Tensor) -> tf.Tensor:
    """Return the greatest common divisor of GROUP and a batch size that is a scalar tensor."""
    return tf.where(batch % GROUP == 0, GROUP, tf.where(batch % 2 == 0, 2, 1))
