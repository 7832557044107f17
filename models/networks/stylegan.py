"""Networks of StyleGAN and StyleGAN2, with a depth that follows from the image size.

Karras et al. 2019, "A Style-Based Generator Architecture for Generative Adversarial Networks";
Karras et al. 2020, "Analyzing and Improving the Image Quality of StyleGAN".
"""

import dataclasses
import math

import keras
import numpy as np
import tensorflow as tf

from models.networks import stages
from models.networks.dcgan import channels
from models.networks.styled import (
    AdaptiveLayer,
    EqualisedConv2D,
    EqualisedDense,
    MinibatchStandardDeviation,
    ModulatedConv2D,
    ModulatedLayer,
    StyledLayer,
    blur,
    downsample,
    register,
    upsample,
)
from models.randomness import length


def sizes(image_shape: tuple[int, int, int], width: int) -> list[tuple[int, int]]:
    """Return (side, channels) of the feature maps, from the smallest to the image's size.

    There are `width` channels at the image's size, doubled at each halving up to 8 width.

    Raises:
        UserError: if the image size is not supported, see models.networks.stages.
    """
    base, halvings = stages(image_shape)
    return [(base << k, channels(width, halvings - k + 1)) for k in range(halvings + 1)]


def mapping(latent_dim: int, w_dim: int, depth: int, rate: float) -> keras.Model:
    """Build the mapping network, z [b, latent_dim] -> w [b, w_dim].

    Args:
        latent_dim: dimensions of the joined latents, which are divided by their root mean square.
        w_dim: dimensions of the style.
        depth: number of dense layers.
        rate: learning rate, as a multiple of that of the other layers.
    """
    z = keras.Input((latent_dim,), name="latents")
    w = NormalisedLatent(name="normalised")(z)
    for k in range(depth):
        w = EqualisedDense(w_dim, rate=rate, activated=True, name=f"dense_{k}")(w)
    return keras.Model(z, w, name="mapping")


@register
class NormalisedLatent(keras.layers.Layer):
    """Divide z [b, d] by its root mean square: Karras et al. 2018, section 4.2."""

    def call(self, z):
        z = tf.cast(z, tf.float32)
        z *= tf.math.rsqrt(tf.reduce_mean(tf.square(z), axis=-1, keepdims=True) + 1e-8)
        return tf.cast(z, self.compute_dtype)


@register
class Styles(keras.layers.Layer):
    """Broadcast w [b, d] to every layer of the synthesis network, [b, layers, d].

    Attributes:
        mean: float32 variable [d], the moving average of w, which a model updates.
    """

    def __init__(self, layers: int, **kwargs):
        super().__init__(**kwargs)
        self.count = layers

    def get_config(self):
        return {**super().get_config(), "layers": self.count}

    def build(self, input_shape):
        self.mean = self.add_weight(
            name="mean", shape=input_shape[-1:], initializer="zeros", trainable=False,
            dtype="float32",
        )  # fmt: skip

    def call(self, w):
        return w[:, None] * tf.ones([self.count, 1], w.dtype)


class Synthesis(keras.layers.Layer):
    """Base of synthesis networks: styles w [b, layers, d] -> images [b, h, w, c], float32.

    A learned constant is followed by two layers per size. The images are not bounded. The constant
    is initialised from N(0, 1), as in StyleGAN2; with StyleGAN's ones, instance normalisation would
    leave only the noise.

    Subclasses build the layers in `layers_at` and `colour` and connect them in `call`.

    Args:
        image_shape: (h, w, c).
        width: channels at the size of the image; see `sizes`.

    Attributes:
        styles: number of layers with a style.
    """

    def __init__(self, image_shape: tuple[int, int, int], width: int, **kwargs):
        super().__init__(**kwargs)
        self.image_shape, self.width = tuple(image_shape), width
        self.sizes = sizes(self.image_shape, width)
        self.styles = 2 * len(self.sizes)

    def get_config(self):
        return {**super().get_config(), "image_shape": self.image_shape, "width": self.width}

    def build(self, input_shape):
        (side, filters), *_ = self.sizes
        self.constant = self.add_weight(
            name="constant",
            shape=(1, side, side, filters),
            initializer=keras.initializers.RandomNormal(stddev=1.0),
        )
        style = (None, input_shape[-1])
        self.styled, self.colours = [], []
        shape = (None, side, side, filters)
        for k, (side, filters) in enumerate(self.sizes):
            for layer in self.layers_at(k, filters):
                layer.build(shape, style)
                shape = (None, side, side, filters)
                self.styled.append(layer)
            self.colours.append(self.colour(k, shape, style))

    def layers_at(self, k: int, filters: int) -> list[StyledLayer]:
        """Return the layers at the k-th size, not built yet."""
        raise NotImplementedError

    def colour(self, k: int, shape, style) -> keras.layers.Layer | None:
        """Return the built layer that converts maps of the k-th size to an image, or None.

        Args:
            k: index of the size.
            shape: of the maps, (None, side, side, c).
            style: shape of a layer's style, (None, d).
        """
        raise NotImplementedError

    def noise_shapes(self) -> list[tuple[int, int, int]]:
        """Return the shape of the noise of each layer, (side, side, 1)."""
        return [(layer.side, layer.side, 1) for layer in self.styled]

    def fixed_noise(self) -> list[tf.Tensor]:
        """Return the noise for evaluation, [1, side, side, 1] for each layer.

        It is the same for all images and for all models of one image size.
        """
        return [
            tf.constant(np.random.default_rng(k).standard_normal((1, *shape)), tf.float32)
            for k, shape in enumerate(self.noise_shapes())
        ]

    def maps(self, w, noise, last: int):
        """Yield the maps [b, side, side, c] of each size.

        Args:
            w: styles [b, layers, d].
            noise: [b or 1, side, side, 1] for each layer; None for the fixed noise.
            last: index of the last size.
        """
        batch = length(w)
        noise = self.fixed_noise() if noise is None else noise
        noise = iter(tf.cast(one, self.compute_dtype) for one in noise)
        styles = iter(tf.unstack(w, axis=1))
        x = self.constant * tf.ones([batch, 1, 1, 1], self.compute_dtype)
        for side, _ in self.sizes[: last + 1]:
            for layer in (layer for layer in self.styled if layer.side == side):
                x = layer(x, next(styles), next(noise))
            yield x


@register
class AdaptiveSynthesis(Synthesis):
    """Synthesis network of StyleGAN: Karras et al. 2019, figure 1b.

    Args:
        image_shape: (h, w, c).
        width: channels at the size of the image; see `sizes`.
        growing: whether images of smaller sizes are supported (progressive growing).
        **kwargs: of keras.layers.Layer.

    Attributes:
        level: float32 variable, only if growing: the current size, see `at_level`.
    """

    def __init__(self, image_shape, width: int, growing: bool = False, **kwargs):
        super().__init__(image_shape, width, **kwargs)
        self.growing = growing

    def get_config(self):
        return {**super().get_config(), "growing": self.growing}

    def build(self, input_shape):
        super().build(input_shape)
        if self.growing:
            self.level = self.add_weight(
                name="level", shape=(), initializer="zeros", trainable=False, autocast=False
            )

    def layers_at(self, k, filters):
        first = {"resample": "up"} if k else {"resample": "", "convolved": False}
        return [
            AdaptiveLayer(filters, dtype=self.dtype_policy, name=f"layer_{2 * k}", **first),
            AdaptiveLayer(filters, "", dtype=self.dtype_policy, name=f"layer_{2 * k + 1}"),
        ]

    def colour(self, k, shape, style):
        if not self.growing and k + 1 < len(self.sizes):
            return None
        colour = EqualisedConv2D(
            self.image_shape[-1], 1, dtype=self.dtype_policy, name=f"colour_{k}"
        )
        colour.build(shape)
        return colour

    def call(self, w, noise=None, stage=None, alpha=None):
        """Return images [b, h, w, c], float32.

        Args:
            w: styles [b, layers, d].
            noise: [b, side, side, 1] for each layer; None for the fixed noise.
            stage: number of doublings of the smallest size, for a growing network; None for the
                stage and alpha of `level`. The image is upsampled to the full size.
            alpha: weight of the image of that size, in [0, 1]; 1 - alpha is the weight of the
                upsampled image of the previous size. None for 1.
        """
        if stage is None and self.growing:
            return at_level(self.level, len(self.sizes), lambda *at: self.call(w, noise, *at))
        last = len(self.sizes) - 1 if stage is None else stage
        *_, before, x = [None, *self.maps(w, noise, last)]
        image = tf.cast(self.colours[last](x), tf.float32)
        if alpha is not None and before is not None:
            earlier = upsample(tf.cast(self.colours[last - 1](before), tf.float32), 2)
            image = earlier + tf.cast(alpha, tf.float32) * (image - earlier)
        return upsample(image, self.image_shape[0] // self.sizes[last][0])


def at_level(level: tf.Tensor, sizes: int, function):
    """Return function(stage, alpha) at a level of progressive growing.

    Args:
        level: float scalar in [0, sizes - 1]. At 1.3, the stage is 2 and alpha is 0.3.
        sizes: number of sizes.
        function: (int stage, scalar tensor alpha) -> tensors. It is traced once per size.
    """
    stage = tf.cast(tf.math.ceil(level), tf.int32)
    alpha = level - tf.math.ceil(level) + 1.0
    branches = [lambda s=s: function(s, alpha) for s in range(sizes)]
    return tf.switch_case(stage, branches)


@register
class SkipSynthesis(Synthesis):
    """Synthesis network of StyleGAN2: Karras et al. 2020, figures 2d and 7b.

    The layers are modulated convolutions. The image is the sum of the upsampled images of all
    sizes (skip connections).
    """

    def layers_at(self, k, filters):
        upsampling = ModulatedLayer(
            filters, "up", dtype=self.dtype_policy, name=f"layer_{2 * k - 1}"
        )
        plain = ModulatedLayer(filters, "", dtype=self.dtype_policy, name=f"layer_{2 * k}")
        return [upsampling, plain] if k else [plain]

    def colour(self, k, shape, style):
        colour = ModulatedConv2D(
            self.image_shape[-1], 1, demodulate=False, dtype=self.dtype_policy, name=f"colour_{k}"
        )
        colour.build(shape, style)
        return colour

    def call(self, w, noise=None):
        """Return images [b, h, w, c], float32, for styles w [b, layers, d].

        `noise` is as in AdaptiveSynthesis.
        """
        image = None
        for k, x in enumerate(self.maps(w, noise, len(self.sizes) - 1)):
            addend = tf.cast(self.colours[k](x, w[:, 2 * k + 1]), tf.float32)
            image = addend if image is None else blur(upsample(image, 2)) + addend
        return image


@register
class Image(keras.layers.Layer):
    """Clip images to [-1, 1], float32."""

    def call(self, x):
        return tf.clip_by_value(tf.cast(x, tf.float32), -1.0, 1.0)


@dataclasses.dataclass(frozen=True)
class GeneratorParts:
    """Parts of a style-based generator."""

    mapping: keras.Model
    styles: Styles
    synthesis: Synthesis


def parts_of(generator: keras.Model) -> GeneratorParts:
    """Return the parts of a generator, or of a copy of one."""
    names = (field.name for field in dataclasses.fields(GeneratorParts))
    return GeneratorParts(*map(generator.get_layer, names))


def generator(latent_dim: int, mapping_network: keras.Model, synthesis: Synthesis) -> keras.Model:
    """Build G: joined latents [b, d] -> images [b, h, w, c] in [-1, 1], with the fixed noise.

    Its layers have the names of the `GeneratorParts`.
    """
    z = keras.Input((latent_dim,), name="latents")
    w = Styles(synthesis.styles, name="styles")(mapping_network(z))
    return keras.Model(z, Image(dtype="float32", name="image")(synthesis(w)), name="generator")


@register
class Discriminator(keras.layers.Layer):
    """Discriminator: images [b, h, w, c] -> scores [b, 1], float32.

    Two convolutions per size, minibatch standard deviation, a convolution and two dense layers:
    Karras et al. 2018, table 2. With residual blocks: Karras et al. 2020, figure 7c.

    Args:
        image_shape: (h, w, c).
        width: channels at the size of the image; see `sizes`.
        residual: whether the blocks of two convolutions have residual connections.
        growing: whether images of smaller sizes are supported (progressive growing).
        **kwargs: of keras.layers.Layer.
    """

    def __init__(
        self, image_shape, width: int, residual: bool = False, growing: bool = False, **kwargs
    ):
        super().__init__(**kwargs)
        self.image_shape, self.width = tuple(image_shape), width
        self.residual, self.growing = residual, growing
        self.sizes = sizes(self.image_shape, width)

    def get_config(self):
        config = {"image_shape": self.image_shape, "width": self.width}
        config |= {"residual": self.residual, "growing": self.growing}
        return {**super().get_config(), **config}

    def build(self, input_shape):
        def built(layer, shape):
            layer.build(shape)
            return layer

        def conv(name, shape, filters, size, resample="", activated=True, use_bias=True):
            layer = EqualisedConv2D(
                filters, size, resample=resample, activated=activated, use_bias=use_bias,
                dtype=self.dtype_policy, name=name,
            )  # fmt: skip
            return built(layer, shape)

        self.colours, self.blocks, self.shortcuts = [], [], []
        for k, (side, filters) in enumerate(self.sizes):
            reads_images = self.growing or k + 1 == len(self.sizes)
            image, maps = (None, side, side, self.image_shape[-1]), (None, side, side, filters)
            self.colours.append(conv(f"colour_{k}", image, filters, 1) if reads_images else None)
            if k == 0:
                continue
            fewer = self.sizes[k - 1][1]
            self.blocks += [
                conv(f"conv_{2 * k}", maps, filters, 3),
                conv(f"conv_{2 * k - 1}", maps, fewer, 3, "down"),
            ]
            if self.residual:
                self.shortcuts.append(
                    conv(f"shortcut_{k}", maps, fewer, 1, "down", activated=False, use_bias=False)
                )
        side, filters = self.sizes[0]
        self.deviation = MinibatchStandardDeviation(dtype=self.dtype_policy, name="deviation")
        self.last = conv("conv_0", (None, side, side, filters + 1), filters, 3)
        self.dense = built(
            EqualisedDense(filters, activated=True, dtype=self.dtype_policy, name="dense"),
            (None, side * side * filters),
        )
        self.score = built(EqualisedDense(1, dtype="float32", name="score"), (None, filters))

    def block(self, k: int, x):
        """Apply the k-th block: maps of the k-th size -> maps of half that size."""
        first, second = self.blocks[2 * k - 2 : 2 * k]
        y = second(first(x))
        return (y + self.shortcuts[k - 1](x)) * 2**-0.5 if self.residual else y

    def call(self, x, stage=None, alpha=None):
        """Return scores [b, 1], float32.

        Args:
            x: images [b, h, w, c].
            stage: number of doublings of the smallest size, for a growing network: the images are
                downsampled to that size. None for the full size.
            alpha: weight of the features of that size, in [0, 1]; 1 - alpha is the weight of the
                features of the image downsampled to the previous size. None for 1.
        """
        last = len(self.sizes) - 1 if stage is None else stage
        x = downsample(x, self.image_shape[0] // self.sizes[last][0])
        h = self.colours[last](x)
        for k in range(last, 0, -1):
            h = self.block(k, h)
            if k == last and alpha is not None:
                earlier = self.colours[k - 1](downsample(x, 2))
                h = earlier + tf.cast(alpha, h.dtype) * (h - earlier)
        h = self.last(self.deviation(h))
        h = self.dense(tf.reshape(h, [-1, math.prod(h.shape[1:])]))
        return self.score(tf.cast(h, tf.float32))
