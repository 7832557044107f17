"""Layers and initialisers that Keras lacks."""

import keras
import tensorflow as tf

PACKAGE = "gan_zoo"


def initializer(name: str) -> keras.initializers.Initializer:
    """A fresh kernel initialiser: "normal" is N(0, 0.02), "xavier" and "he" scale with the fan."""
    return {
        "normal": lambda: keras.initializers.RandomNormal(stddev=0.02),
        "xavier": keras.initializers.GlorotNormal,
        "he": keras.initializers.HeNormal,
    }[name]()


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


def tanh_image(h):
    """Images in [-1, 1], in float32 whatever the precision of the layers below."""
    return keras.layers.Activation("tanh", dtype="float32", name="image")(h)


def head(units: int, initial: str, *, spectral: bool = False, name: str) -> keras.layers.Layer:
    """A linear layer on a trunk's features; its outputs are float32."""
    Dense = SpectralDense if spectral else keras.layers.Dense
    return Dense(units, kernel_initializer=initializer(initial), dtype="float32", name=name)
