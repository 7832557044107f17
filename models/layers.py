"""Layers that Keras lacks, and the factory that builds the layers of a network."""

import contextlib

import keras
import tensorflow as tf

import replicas
from models.initializers import INITIALIZERS
from models.norms import GENERATOR_NORMS, NORMS

PACKAGE = "gan_zoo"


class SpectralKernel:
    """Mixin for spectral normalisation: Miyato et al. 2018, equations 8 and 9.

    The kernel, as a matrix W [inputs, outputs], is divided by an estimate sigma = |W u| of its
    largest singular value. The vector u estimates the leading right singular vector. The gradient
    of sigma with respect to W is that of v^T W u with u and v = W u / |W u| fixed, as in the paper.

    Calls do not change u, so D(x) is the same function within a training step. `power_iteration`
    updates u and is called once per step.
    """

    # Dense and Conv2D save their kernel and bias only; the base class saves u as well.
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
        """Update u by one power iteration on W^T W."""
        w = self._matrix()
        v = tf.math.l2_normalize(tf.linalg.matvec(w, self.u.value))
        self.u.assign(tf.math.l2_normalize(tf.linalg.matvec(w, v, transpose_a=True)))

    def sigma(self) -> tf.Tensor:
        """Return the estimate of the largest singular value, a float32 scalar.

        Gradients flow to the kernel.
        """
        u = tf.math.l2_normalize(tf.cast(self.u, tf.float32))
        return tf.norm(tf.linalg.matvec(self._matrix(), u)) + 1e-12

    def normalised_kernel(self, kernel):
        """Return `kernel` divided by sigma, in the layer's compute dtype."""
        return kernel / tf.cast(self.sigma(), self.compute_dtype)


@keras.saving.register_keras_serializable(PACKAGE)
class SpectralDense(SpectralKernel, keras.layers.Dense):
    """Dense layer with a spectrally normalised kernel."""

    def call(self, inputs):
        kernel = self.normalised_kernel(tf.cast(self.kernel, self.compute_dtype))
        outputs = tf.matmul(inputs, kernel)
        if self.use_bias:
            outputs += tf.cast(self.bias, self.compute_dtype)
        return self.activation(outputs)


@keras.saving.register_keras_serializable(PACKAGE)
class SpectralConv2D(SpectralKernel, keras.layers.Conv2D):
    """Convolution with a spectrally normalised kernel."""

    def convolution_op(self, inputs, kernel):
        kernel = self.normalised_kernel(tf.cast(kernel, self.compute_dtype))
        return super().convolution_op(inputs, kernel)


def spectral_layers(network: keras.Layer) -> list[SpectralKernel]:
    """Return all spectrally normalised layers of a network, nested ones and itself included."""
    return [layer for layer in network._flatten_layers() if isinstance(layer, SpectralKernel)]


@contextlib.contextmanager
def preserve_batch_stats(network: keras.Model):
    """Context manager that restores the network's non-trainable variables on exit.

    Calls with `training=True` inside it leave the moving statistics of batch norm unchanged.
    """
    before = [tf.identity(v.value) for v in network.non_trainable_variables]
    yield
    for variable, value in zip(network.non_trainable_variables, before, strict=True):
        variable.assign(value)


@keras.saving.register_keras_serializable(PACKAGE)
class LayerNorm(keras.layers.Layer):
    """Layer normalisation over all axes of each example [..., c]: Ba et al. 2016.

    Gain and bias are per channel, as in WGAN-GP's critic. The standard deviation includes an
    epsilon: sqrt(variance + 1e-5).

    It replaces keras.layers.LayerNormalization, whose second-order gradients are wrong:
    tf.nn.moments treats the mean inside the variance as a constant. Gradient penalties need
    second-order gradients.
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


@keras.saving.register_keras_serializable(PACKAGE)
class BatchNorm(keras.layers.BatchNormalization):
    """Batch norm of the channels of [b, c] or [b, h, w, c], in training by the fused kernel.

    Outputs, gradients and moving statistics equal those of Keras but for rounding: the kernel
    normalises by the variance and returns n / (n - 1) of it. 16-bit activations stay 16-bit, with
    statistics in float32. Otherwise, and for other axes and shapes, it is Keras' own layer.

    Attributes:
        of_global_batch: whether the statistics are those of all replicas. Those of one replica are
            normalised by otherwise; the moving statistics are always means over all.
    """

    of_global_batch = True

    def build(self, input_shape):
        super().build(input_shape)
        of_channels = self.axis in (-1, len(input_shape) - 1) and len(input_shape) in (2, 4)
        has_kernel = self.compute_dtype in ("float32", "bfloat16", "float16")
        self.fused = of_channels and has_kernel

    def call(self, inputs, training=None, mask=None):
        if not (training and self.trainable and self.fused) or mask is not None:
            return super().call(inputs, training=training, mask=mask)
        x = tf.cast(inputs, self.compute_dtype)
        if self.of_global_batch and replicas.count() > 1:
            outputs, mean, variance = self._by_global_statistics(x)
        else:
            outputs, mean, variance = self._by_kernel(x)
            mean, variance = replicas.mean([mean, variance])
        for moving, batch in ((self.moving_mean, mean), (self.moving_variance, variance)):
            moving.assign(moving * self.momentum + batch * (1.0 - self.momentum))
        return outputs

    def _by_kernel(self, x) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Return normalised activations, and their means and variances [c]."""
        scale, offset = self._scale_and_offset(x.shape[-1])
        # tf.compat.v1.nn.fused_batch_norm raises epsilon to 1.001e-5.
        outputs, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=x if x.shape.rank == 4 else x[:, None, None, :],
            scale=scale,
            offset=offset,
            mean=tf.zeros(0),
            variance=tf.zeros(0),
            epsilon=self.epsilon,
        )
        shape = tf.shape(x)
        n = tf.cast(tf.reduce_prod(shape[:-1]), tf.float32)
        return tf.reshape(outputs, shape), mean, variance * ((n - 1.0) / n)

    def _by_global_statistics(self, x) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Return the same as `_by_kernel`, with the statistics of all replicas."""
        x32, axes = tf.cast(x, tf.float32), list(range(x.shape.rank - 1))
        mean = replicas.mean(tf.reduce_mean(x32, axes))
        x32 -= mean
        variance = replicas.mean(tf.reduce_mean(tf.square(x32), axes))
        scale, offset = self._scale_and_offset(x.shape[-1])
        outputs = x32 * (tf.math.rsqrt(variance + self.epsilon) * scale) + offset
        return tf.cast(outputs, x.dtype), mean, variance

    def _scale_and_offset(self, channels: int) -> tuple[tf.Tensor, tf.Tensor]:
        return (
            tf.ones(channels) if self.gamma is None else self.gamma.value,
            tf.zeros(channels) if self.beta is None else self.beta.value,
        )


def plain(network: keras.Model, name: str | None = None) -> keras.Model:
    """Return a copy of a network with Keras' layers in place of `BatchNorm`, and the same weights.

    A copy of other Keras layers only loads without this package.

    Args:
        network: the network.
        name: name of the copy; None: that of the network.
    """

    def of_keras(layer: keras.Layer) -> keras.Layer:
        cls = keras.layers.BatchNormalization if isinstance(layer, BatchNorm) else type(layer)
        return cls.from_config(layer.get_config())

    copy = keras.models.clone_model(network, clone_function=of_keras, recursive=True)
    copy.set_weights(network.get_weights())
    copy.name = name or network.name
    return copy


def last_activations(network: keras.Layer) -> list[str]:
    """Return the names of the activations at the outputs of a network.

    Layers that only change the shape are passed over.
    """
    if isinstance(network, keras.layers.Wrapper):
        return last_activations(network.layer)
    if isinstance(network, keras.Sequential):
        shaping = (keras.layers.Reshape, keras.layers.Flatten)
        return last_activations([x for x in network.layers if not isinstance(x, shaping)][-1])
    if isinstance(network, keras.Model) and (outputs := getattr(network, "outputs", None)):
        last = [y._keras_history.operation for y in outputs]
        return [name for layer in last for name in last_activations(layer)]
    activation = getattr(network, "activation", None)
    return [getattr(activation, "__name__", type(network).__name__.lower())]


class LayerFactory:
    """Builder of the layers of one network, which share a normalisation and an initializer.

    Args:
        norm: a name in NORMS.
            "none": no normalisation.
            "batch": batch norm of the activations (Ioffe and Szegedy 2015). Its epsilon is 1e-5:
            behind initial kernels of N(0, 0.02) the variances are below Keras' default of 1e-3,
            and training stalls.
            "layer": layer norm of the activations (see LayerNorm).
            "spectral": spectral norm of all kernels (Miyato et al. 2018).
            "both": batch norm of the activations and spectral norm of all kernels.
        initializer: a name in INITIALIZERS.
        label: one-hot tensor [b, classes] that selects the gain and bias of each batch norm
            (conditional batch norm); None for plain batch norm.

    Attributes:
        batch_norm: whether `norm` normalises activations over the batch, which cancels the bias of
            the preceding layer.
        layer_norm: whether `norm` normalises the activations of each example.

    Raises:
        ValueError: if `norm` is unknown.
    """

    def __init__(self, norm: str, initializer: str, label=None):
        if norm not in NORMS:
            raise ValueError(f"norm: expected one of {', '.join(NORMS)}, got {norm!r}")
        self.batch_norm, self.layer_norm = NORMS[norm].batch, NORMS[norm].layer
        spectral = NORMS[norm].spectral
        self.Dense = SpectralDense if spectral else keras.layers.Dense
        self.Conv2D = SpectralConv2D if spectral else keras.layers.Conv2D
        self.initializer, self.label = initializer, label

    def dense(self, h, units: int, **options):
        """Apply a dense layer to h [b, f] and return [b, units]; options as in `_linear`."""
        return self._linear(self.Dense, h, units, **options)

    def conv(self, h, filters: int, kernel_size: int, **options):
        """Apply a convolution with padding "same" to h [b, h, w, c]; options as in `_linear`."""
        return self._linear(self.Conv2D, h, filters, kernel_size, padding="same", **options)

    def _linear(
        self, layer_class, h, *sizes, normalised: bool = False, use_bias: bool = True, **options
    ):
        """Apply a new linear layer to h, followed by `norm` if `normalised`.

        Args:
            layer_class: constructor of the layer.
            h: input tensor.
            *sizes: positional arguments of the constructor.
            normalised: whether the norm of activations follows.
            use_bias: whether the layer has a bias. It has none before a batch norm, which would
                cancel it.
            **options: further arguments of the constructor.
        """
        use_bias = use_bias and not (normalised and self.batch_norm)
        kernel = INITIALIZERS[self.initializer].make()
        h = layer_class(*sizes, use_bias=use_bias, kernel_initializer=kernel, **options)(h)
        return self.norm(h) if normalised else h

    def norm(self, h):
        """Normalise the activations h [b, f] or [b, h, w, c]; return h if `norm` has no such part.

        With a label, batch norm is conditional.
        """
        if self.layer_norm:
            return LayerNorm()(h)
        if self.batch_norm and self.label is not None:
            return self._conditional_batch_norm(h)
        if self.batch_norm:
            return BatchNorm(momentum=0.9, epsilon=1e-5)(h)
        return h

    def _conditional_batch_norm(self, h):
        """Batch norm with a gain and a bias per class: de Vries et al. 2017.

        It consists of Keras layers only, so that a saved generator loads without this package.
        """
        *spatial, channels = h.shape[1:]

        def per_class(initializer: str):
            row = keras.layers.Dense(channels, use_bias=False, kernel_initializer=initializer)
            return keras.layers.Reshape((*[1] * len(spatial), channels))(row(self.label))

        h = BatchNorm(momentum=0.9, epsilon=1e-5, center=False, scale=False)(h)
        h = keras.layers.Multiply()([h, per_class("ones")])
        return keras.layers.Add()([h, per_class("zeros")])


def latent_inputs(latent_dim: int, num_classes: int, norm: str, initializer: str):
    """Return the input layer and the layer factory of a generator.

    Args:
        latent_dim: dimensions of the joined latents, label included.
        num_classes: 0, or the length of the one-hot label at the end of the joined latents. The
            label selects the gains and biases of the batch norms and has no other effect.
        norm: "none" or "batch".
        initializer: a name in INITIALIZERS.

    Returns:
        (the input z [b, latent_dim], the part of z that feeds the first layer
        [b, latent_dim - num_classes], the LayerFactory).

    Raises:
        ValueError: if `norm` is not one of a generator, or if there are classes but no batch norm
            to condition on them.
    """
    if norm not in GENERATOR_NORMS:
        raise ValueError(
            f"norm: expected one of {', '.join(GENERATOR_NORMS)} for a generator, got {norm!r}"
        )
    if num_classes and not GENERATOR_NORMS[norm].batch:
        raise ValueError(
            f"norm: a generator with conditional batch norm requires 'batch', got {norm!r}"
        )
    z = keras.Input((latent_dim,), name="latents")
    if not num_classes:
        return z, z, LayerFactory(norm, initializer)
    return z, z[:, :-num_classes], LayerFactory(norm, initializer, label=z[:, -num_classes:])


def self_attention(h, factory: LayerFactory):
    """Apply self-attention over the positions of h: Zhang et al. 2019.

    The paper's f, g, h and v are 1x1 convolutions with max(c / 8, 1) inner channels. Its scalar
    gamma, 0 initially, is a dense layer with one weight, so that a saved generator loads without
    this package. Gamma is applied before v, where there are fewest channels; v is linear, so the
    result is the same.

    Args:
        h: feature maps [b, h, w, c].
        factory: builds the convolutions.

    Returns:
        [b, h, w, c].
    """
    height, width, channels = h.shape[1:]
    inner = max(channels // 8, 1)

    def flat():
        maps = factory.conv(h, inner, 1, use_bias=False)
        return keras.layers.Reshape((height * width, inner))(maps)

    key, query, value = flat(), flat(), flat()
    o = keras.layers.Attention(dtype="float32")([query, value, key])
    o = keras.layers.Reshape((-1, 1))(o)
    o = keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros", name="gamma")(o)
    o = keras.layers.Reshape((height, width, inner))(o)
    return keras.layers.Add()([h, factory.conv(o, channels, 1, use_bias=False)])


def image_output(h, activation: str):
    """Apply a generator's output activation, "tanh" or "linear", in float32 at any precision."""
    return keras.layers.Activation(activation, dtype="float32", name="image")(h)


def head(units: int, initializer: str, *, spectral: bool = False, name: str) -> keras.layers.Layer:
    """Return a dense layer for a trunk's features; its outputs [b, units] are float32.

    Args:
        units: dimensions of the output.
        initializer: a name in INITIALIZERS.
        spectral: whether the kernel is spectrally normalised.
        name: name of the layer.
    """
    Dense = SpectralDense if spectral else keras.layers.Dense
    kernel = INITIALIZERS[initializer].make()
    return Dense(units, kernel_initializer=kernel, dtype="float32", name=name)
