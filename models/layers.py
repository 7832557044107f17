"""Layers and initialisers that Keras lacks."""

import contextlib

import keras
import tensorflow as tf

from models.initializers import INITIALIZERS
from models.norms import GENERATOR_NORMS, NORMS

PACKAGE = "gan_zoo"


class SpectralKernel:
    """A kernel divided by its largest singular value: Miyato et al. 2018, equations 8 and 9.

    For the kernel as a matrix W [inputs, outputs] and the running estimate u of its leading right
    singular vector, sigma = |W u|. Its gradient with respect to W is that of v^T W u with u and
    v = W u / |W u| held fixed, as in the paper. A call leaves u alone, so that D(x) is the same
    function throughout a step; `power_iteration` moves u once a step.
    """

    # Keras' layers save their kernel and bias by name; these save u as well.
    save_own_variables = keras.layers.Layer.save_own_variables
    load_own_variables = keras.layers.Layer.load_own_variables

    def build(self, input_shape):
        super().build(input_shape)
        self.u = self.add_weight(
            name="u",
            shape=(self.kernel.shape[-1],),
            initializer=keras.initializers.RandomNormal(stddev=1.0),
            trainable=False,
            dtype="float32",
        )
        for _ in range(10):
            self.power_iteration()

    def _matrix(self) -> tf.Tensor:
        kernel = tf.cast(self.kernel, tf.float32)
        return tf.reshape(kernel, [-1, kernel.shape[-1]])

    def power_iteration(self):
        """Moves u one step towards the leading right singular vector of W."""
        w = self._matrix()
        v = tf.math.l2_normalize(tf.linalg.matvec(w, self.u.value))
        self.u.assign(tf.math.l2_normalize(tf.linalg.matvec(w, v, transpose_a=True)))

    def sigma(self) -> tf.Tensor:
        """The estimated largest singular value, a float32 scalar with a gradient to the kernel."""
        u = tf.math.l2_normalize(tf.cast(self.u, tf.float32))
        return tf.norm(tf.linalg.matvec(self._matrix(), u)) + 1e-12

    def normalised(self, kernel):
        return kernel / tf.cast(self.sigma(), self.compute_dtype)


@keras.saving.register_keras_serializable(PACKAGE)
class SpectralDense(SpectralKernel, keras.layers.Dense):
    """keras.layers.Dense with a spectrally normalised kernel."""

    def call(self, inputs):
        outputs = tf.matmul(inputs, self.normalised(tf.cast(self.kernel, self.compute_dtype)))
        if self.use_bias:
            outputs += tf.cast(self.bias, self.compute_dtype)
        return self.activation(outputs)


@keras.saving.register_keras_serializable(PACKAGE)
class SpectralConv2D(SpectralKernel, keras.layers.Conv2D):
    """keras.layers.Conv2D with a spectrally normalised kernel."""

    def convolution_op(self, inputs, kernel):
        return super().convolution_op(inputs, self.normalised(tf.cast(kernel, self.compute_dtype)))


def spectral_layers(network: keras.Layer) -> list[SpectralKernel]:
    """The layers of a network, itself included, at any depth, whose kernel is
    spectrally normalised."""
    return [layer for layer in network._flatten_layers() if isinstance(layer, SpectralKernel)]


@contextlib.contextmanager
def statistics_kept(network: keras.Model):
    """Puts back, at the end, what calls of a network in training have done to its moving averages
    and the like."""
    before = [tf.identity(v.value) for v in network.non_trainable_variables]
    yield
    for variable, value in zip(network.non_trainable_variables, before, strict=True):
        variable.assign(value)


@keras.saving.register_keras_serializable(PACKAGE)
class LayerNorm(keras.layers.Layer):
    """Each example [..., c] normalised over all its axes, with a gain and a bias a channel: Ba et
    al. 2016, for maps as in WGAN-GP.

    Keras' own layers take the mean within the variance for a constant (tf.nn.moments does). That
    leaves the gradient as it is, and makes the gradient of a gradient wrong, which is what a
    penalty of slopes is minimised by.
    """

    def build(self, input_shape):
        self.gain = self.add_weight(name="gain", shape=input_shape[-1:], initializer="ones")
        self.bias = self.add_weight(name="bias", shape=input_shape[-1:], initializer="zeros")

    def call(self, inputs):
        x = tf.cast(inputs, tf.float32)
        axes = list(range(1, x.shape.rank))
        x -= tf.reduce_mean(x, axes, keepdims=True)
        x *= tf.math.rsqrt(tf.reduce_mean(tf.square(x), axes, keepdims=True) + 1e-5)
        return tf.cast(x, self.compute_dtype) * self.gain + self.bias


class Kit:
    """What the layers of one network have in common: kind of norm, and initialiser.

    Args:
        norm: "batch" normalises activations over the batch (Ioffe and Szegedy 2015), with an
            epsilon of 1e-5: the first variances, behind kernels of N(0, 0.02), are less than Keras'
            1e-3, under which a training stalls. "layer" normalises over each example, with a gain
            and a bias a channel (Ba et al. 2016, as in WGAN-GP); "spectral" every kernel (Miyato et
            al. 2018); "both" is batch and spectral.
        initial: a name in INITIALIZERS.
        label: one-hot [b, classes], from which each batch norm takes its gain and bias.

    Attributes:
        batch: whether `norm` subtracts a mean that makes a bias before it idle.
    """

    def __init__(self, norm: str, initial: str, label=None):
        if norm not in NORMS:
            raise ValueError(f"norm={norm!r}: it must be one of {', '.join(NORMS)}")
        self.batch, self.layer = NORMS[norm].batch, NORMS[norm].layer
        spectral = NORMS[norm].spectral
        self.Dense = SpectralDense if spectral else keras.layers.Dense
        self.Conv2D = SpectralConv2D if spectral else keras.layers.Conv2D
        self.initial, self.label = initial, label

    def dense(self, h, units: int, **options):
        """A dense layer on h [b, f]; for the options see `_linear`."""
        return self._linear(self.Dense, h, units, **options)

    def conv(self, h, filters: int, kernel_size: int, **options):
        """A convolution of maps h [b, h, w, c], padded; for the options see `_linear`."""
        return self._linear(self.Conv2D, h, filters, kernel_size, padding="same", **options)

    def _linear(self, kind, h, *sizes, normalised: bool = False, use_bias: bool = True, **options):
        """kind(*sizes, **options) on h; with `normalised` the norm of activations follows, and a
        bias is left out where that would remove it."""
        use_bias = use_bias and not (normalised and self.batch)
        kernel = INITIALIZERS[self.initial].make()
        h = kind(*sizes, use_bias=use_bias, kernel_initializer=kernel, **options)(h)
        return self.norm(h) if normalised else h

    def norm(self, h):
        """h [b, f] or [b, h, w, c], its activations normalised if the kind of norm does so."""
        if self.layer:
            return LayerNorm()(h)
        if self.batch and self.label is not None:
            return self._conditional_norm(h)
        return keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5)(h) if self.batch else h

    def _conditional_norm(self, h):
        """Batch norm with a gain and a bias of each class (Dumoulin et al. 2017; de Vries et al.
        2017), of Keras' own layers, so that a saved generator needs none of ours."""
        *places, channels = h.shape[1:]

        def of_label(initial: str):
            row = keras.layers.Dense(channels, use_bias=False, kernel_initializer=initial)
            return keras.layers.Reshape((*[1] * len(places), channels))(row(self.label))

        h = keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, center=False, scale=False)(
            h
        )
        h = keras.layers.Multiply()([h, of_label("ones")])
        return keras.layers.Add()([h, of_label("zeros")])


def latent_inputs(latent_dim: int, num_classes: int, norm: str, initial: str):
    """How a generator begins.

    Args:
        latent_dim: of the joined latents, label included.
        num_classes: 0, or the length of the one-hot label at the end of the joined latents, which
            sets the gains and biases of the batch norms and feeds nothing else.
        norm: "none" or "batch".
        initial: a name in INITIALIZERS.

    Returns:
        (the input z [b, latent_dim], what of it feeds the first layer, the generator's Kit)

    Raises:
        ValueError: another norm, or classes without batch norms that could tell them apart.
    """
    if norm not in GENERATOR_NORMS:
        raise ValueError(f"norm={norm!r}: a generator's must be {' or '.join(GENERATOR_NORMS)}")
    if num_classes and not GENERATOR_NORMS[norm].batch:
        raise ValueError("norm='none': a class-conditional generator needs norm='batch'")
    z = keras.Input((latent_dim,), name="latents")
    if not num_classes:
        return z, z, Kit(norm, initial)
    return z, z[:, :-num_classes], Kit(norm, initial, label=z[:, -num_classes:])


def self_attention(h, kit: Kit):
    """Attention between the places of maps h [b, h, w, c]: Zhang et al. 2019, equations 1 to 3.

    The paper's f, g, h and v are 1x1 convolutions through c / 8 channels. Its gamma, from 0, is a
    dense layer of one weight, so that all is of Keras' own layers as in a conditional norm; it
    stands before v, which is linear, since there are fewest channels.
    """
    height, width, channels = h.shape[1:]
    inner = max(channels // 8, 1)

    def flat():
        maps = kit.conv(h, inner, 1, use_bias=False)
        return keras.layers.Reshape((height * width, inner))(maps)

    key, query, value = flat(), flat(), flat()
    o = keras.layers.Attention(dtype="float32")([query, value, key])
    o = keras.layers.Reshape((-1, 1))(o)
    o = keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros", name="gamma")(o)
    o = keras.layers.Reshape((height, width, inner))(o)
    return keras.layers.Add()([h, kit.conv(o, channels, 1, use_bias=False)])


def image(h, activation: str):
    """A generator's end, "tanh" or "linear", in float32 whatever the precision of the layers
    below."""
    return keras.layers.Activation(activation, dtype="float32", name="image")(h)


def head(units: int, initial: str, *, spectral: bool = False, name: str) -> keras.layers.Layer:
    """A linear layer on a trunk's features; its outputs are float32."""
    Dense = SpectralDense if spectral else keras.layers.Dense
    return Dense(units, kernel_initializer=INITIALIZERS[initial].make(), dtype="float32", name=name)
