"""Layers of StyleGAN (Karras et al. 2019) and StyleGAN2 (Karras et al. 2020)."""

import itertools
import math

import keras
import numpy as np
import tensorflow as tf

from models.layers import PACKAGE
from models.randomness import length

register = keras.saving.register_keras_serializable(PACKAGE)


def activate(x):
    """Leaky ReLU with a slope of 0.2, times sqrt(2), so that N(0, 1) keeps its scale."""
    return tf.nn.leaky_relu(math.sqrt(2.0) * x, 0.2)


def enlarge(x, times: int):
    """Maps [b, h, w, c] -> [b, times h, times w, c], each pixel repeated; without tf.repeat, whose
    gradient XLA does not compile within a condition."""
    if times == 1:
        return x
    _, height, width, channels = x.shape
    squares = x[:, :, None, :, None] * tf.ones([times, 1, times, 1], x.dtype)
    return tf.reshape(squares, [-1, times * height, times * width, channels])


def shrink(x, times: int):
    """Maps [b, times h, times w, c] -> [b, h, w, c], the means of squares of pixels."""
    if times == 1:
        return x
    _, height, width, channels = x.shape
    squares = [-1, height // times, times, width // times, times, channels]
    return tf.reduce_mean(tf.reshape(x, squares), axis=[2, 4])


def blur(x):
    """Maps [b, h, w, c] under the binomial filter [1, 2, 1] / 4 along both axes, zeros beyond.

    After `enlarge`, or before `shrink`, that is the filter [1, 3, 3, 1] of the authors' code.
    """
    channels = x.shape[-1]
    square = np.outer([1.0, 2.0, 1.0], [1.0, 2.0, 1.0]) / 16.0
    kernel = tf.constant(np.repeat(square[..., None, None], channels, axis=2), x.dtype)
    return tf.nn.depthwise_conv2d(x, kernel, [1, 1, 1, 1], "SAME")


@register
class EqualisedDense(keras.layers.Layer):
    """A dense layer with an equalised learning rate: Karras et al. 2018, section 4.1.

    Its kernel is N(0, 1) and is multiplied, when it is used, by the constant 1 / sqrt(inputs), so
    that all kernels have one range of values, and Adam one rate for them.

    Args:
        units: outputs.
        rate: what the learning rate of kernel and bias is multiplied with, by their scale.
        bias: the first value of the biases.
        activated: whether `activate` follows.
    """

    def __init__(self, units: int, *, rate=1.0, bias=0.0, activated=False, **kwargs):
        super().__init__(**kwargs)
        self.units, self.rate, self.first, self.activated = units, rate, bias, activated

    def get_config(self):
        told = {"units": self.units, "rate": self.rate, "bias": self.first}
        return {**super().get_config(), **told, "activated": self.activated}

    def build(self, input_shape):
        inputs = input_shape[-1]
        self.scale = self.rate / math.sqrt(inputs)
        normal = keras.initializers.RandomNormal(stddev=1.0 / self.rate)
        self.kernel = self.add_weight(name="kernel", shape=(inputs, self.units), initializer=normal)
        first = keras.initializers.Constant(self.first / self.rate)
        self.bias = self.add_weight(name="bias", shape=(self.units,), initializer=first)

    def call(self, x):
        x = tf.matmul(x, self.scale * self.kernel) + self.rate * self.bias
        return activate(x) if self.activated else x


@register
class EqualisedConv2D(keras.layers.Layer):
    """A padded convolution with an equalised learning rate; see EqualisedDense.

    Args:
        filters: channels of the output.
        kernel_size: side of the kernel, 1 or 3.
        resample: "up", the map is enlarged before the convolution and blurred after it; "down", it
            is blurred before and shrunk after. Each is one convolution with a stride of 2, whose
            kernel is the sum of the four places that a pixel of the smaller map stands for.
        use_bias: whether there are biases.
        activated: whether `activate` follows.
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
        """x [b, h, w, c] under the scaled kernel, resampled, without the bias."""
        kernel = self.scale * tf.convert_to_tensor(self.kernel)
        if self.resample == "up":
            _, height, width, _ = x.shape
            kernel = tf.transpose(at_four_places(kernel[::-1, ::-1]), [0, 1, 3, 2])
            shape = [length(x), 2 * height, 2 * width, self.filters]
            return blur(tf.nn.conv2d_transpose(x, kernel, shape, 2, "SAME"))
        if self.resample == "down":
            return tf.nn.conv2d(blur(x), 0.25 * at_four_places(kernel), 2, "SAME")
        return tf.nn.conv2d(x, kernel, 1, "SAME")

    def call(self, x):
        x = self.convolve(x)
        x = x + self.bias if self.use_bias else x
        return activate(x) if self.activated else x


def at_four_places(kernel):
    """The sum of a kernel [k, k, i, o] at the corners of a square one pixel larger."""
    places = itertools.product((0, 1), repeat=2)
    return tf.add_n([tf.pad(kernel, [[i, 1 - i], [j, 1 - j], [0, 0], [0, 0]]) for i, j in places])


@register
class Noise(keras.layers.Layer):
    """x + strength noise, with a strength, 0 at first, of each channel (Karras et al. 2019, section
    2) or one that all share (Karras et al. 2020)."""

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
    """Adaptive instance normalisation: y_s (x - mean(x)) / deviation(x) + y_b, with the mean and
    the deviation of each channel of each image, and (y_s, y_b) an affine function of w, (1, 0) at
    first: Karras et al. 2019, equation 1."""

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
    """A convolution whose kernel is multiplied, for each image, by a style of each input channel
    (modulation) and divided by the norm of the result (demodulation): Karras et al. 2020,
    equations 1 and 3.

    As in the paper's appendix B, the same is done by scaling the maps before and after a
    convolution that all images share.

    Args:
        filters, kernel_size, resample, use_bias, activated: as EqualisedConv2D.
        demodulate: whether it is divided.
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
        if self.demodulate:  # which takes the size of s away, that float16 may not hold
            s *= tf.math.rsqrt(tf.reduce_mean(tf.square(s), axis=-1, keepdims=True) + 1e-8)
        x = self.convolve(x * tf.cast(s, x.dtype)[:, None, None])
        if self.demodulate:
            squares = tf.square(self.scale * tf.cast(self.kernel, tf.float32))
            norms = tf.matmul(tf.square(s), tf.reduce_sum(squares, axis=[0, 1]))
            x *= tf.cast(tf.math.rsqrt(norms + 1e-8), x.dtype)[:, None, None]
        x = x + self.bias if self.use_bias else x
        return activate(x) if self.activated else x


@register
class MinibatchDeviation(keras.layers.Layer):
    """Adds a channel: in groups of four images (two, or one, if the batch does not divide), the
    mean over pixels and channels of the deviation within the group. Karras et al. 2018, section 3.
    """

    def call(self, x):
        batch, height, width, channels = x.shape
        group = math.gcd(4, batch) if batch else greatest_group(tf.shape(x)[0])
        x32 = tf.reshape(tf.cast(x, tf.float32), [group, -1, height, width, channels])
        x32 -= tf.reduce_mean(x32, axis=0, keepdims=True)
        deviation = tf.sqrt(tf.reduce_mean(tf.square(x32), axis=0) + 1e-8)
        deviation = tf.reduce_mean(deviation, axis=[1, 2, 3])
        each = tf.tile(deviation, [group])[:, None, None, None]
        maps = tf.ones_like(x[..., :1]) * tf.cast(each, x.dtype)
        return tf.concat([x, maps], axis=-1)


def greatest_group(batch: tf.Tensor) -> tf.Tensor:
    """The greatest common divisor of 4 and a batch size that is known only as the step runs."""
    return tf.where(batch % 4 == 0, 4, tf.where(batch % 2 == 0, 2, 1))
