"""The networks of StyleGAN (Karras et al. 2019) and StyleGAN2 (Karras et al. 2020), sized from the
image."""

import math

import keras
import numpy as np
import tensorflow as tf

from models.networks import stages
from models.networks.dcgan import channels
from models.networks.styled import (
    AdaIN,
    EqualisedConv2D,
    EqualisedDense,
    MinibatchDeviation,
    ModulatedConv2D,
    Noise,
    activate,
    blur,
    enlarge,
    register,
    shrink,
)
from models.randomness import length


def sizes(image_shape: tuple[int, int, int], width: int) -> list[tuple[int, int]]:
    """(side, channels) of the maps from the smallest to the image: `width` channels there, doubled
    at each halving up to eight times as many."""
    base, halvings = stages(image_shape)
    return [(base << k, channels(width, halvings - k + 1)) for k in range(halvings + 1)]


def mapping(latent_dim: int, w_dim: int, depth: int, rate: float) -> keras.Model:
    """z [b, latent_dim] -> w [b, w_dim]: z divided by its root mean square, then so many dense
    layers with an equalised learning rate, `rate` times that of the rest."""
    z = keras.Input((latent_dim,), name="latents")
    w = NormalisedLatent(name="normalised")(z)
    for k in range(depth):
        w = EqualisedDense(w_dim, rate=rate, activated=True, name=f"dense_{k}")(w)
    return keras.Model(z, w, name="mapping")


@register
class NormalisedLatent(keras.layers.Layer):
    """z / sqrt(mean(z²)): Karras et al. 2018, section 4.2."""

    def call(self, z):
        z = tf.cast(z, tf.float32)
        z *= tf.math.rsqrt(tf.reduce_mean(tf.square(z), axis=-1, keepdims=True) + 1e-8)
        return tf.cast(z, self.compute_dtype)


@register
class Styles(keras.layers.Layer):
    """w [b, d] -> that of each layer [b, layers, d]; knows the running mean of w, float32 [d]."""

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


class StyledLayer(keras.layers.Layer):
    """What a synthesis network repeats: convolution, noise, bias, activation, and the style."""

    shared_noise = False  # whether all channels have one strength of it

    def __init__(self, filters: int, resample: str, convolved: bool = True, **kwargs):
        super().__init__(**kwargs)
        self.filters, self.resample, self.convolved = filters, resample, convolved
        self.noise = Noise(self.shared_noise, dtype=self.dtype_policy, name="noise")

    def build_parts(self, input_side: int) -> None:
        """Makes the noise's strength and the bias; says the `side` of the output."""
        self.side = input_side * (2 if self.resample else 1)
        self.noise.build((None, self.side, self.side, self.filters))
        self.bias = self.add_weight(name="bias", shape=(self.filters,), initializer="zeros")


class AdaptiveLayer(StyledLayer):
    """Convolution, if there is one, noise, bias, activation, AdaIN: Karras et al. 2019, figure
    1b."""

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


class Synthesis(keras.layers.Layer):
    """Styles w of each layer -> images [b, h, w, c], float32 of any value: two layers at each
    size, from a learnt constant on. That is N(0, 1) at first, as in StyleGAN2: of StyleGAN's ones
    instance normalisation would leave nothing but noise.

    Subclasses make the `layer`s and what turns maps into an image, and put these together in
    `call`.

    Args:
        image_shape: (h, w, c).
        width: channels at the size of the image; see `sizes`.
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
        """The layers at the k-th size."""
        raise NotImplementedError

    def colour(self, k: int, shape, style) -> keras.layers.Layer | None:
        """What turns the maps of the k-th size into an image, built."""
        raise NotImplementedError

    def noise_shapes(self) -> list[tuple[int, int, int]]:
        """(side, side, 1) of the noise of each layer."""
        return [(layer.side, layer.side, 1) for layer in self.styled]

    def fixed_noise(self) -> list[tf.Tensor]:
        """The noise that images are evaluated with: of each layer [1, side, side, 1], the same for
        all images, and for all models of one size."""
        return [
            tf.constant(np.random.default_rng(k).standard_normal((1, *shape)), tf.float32)
            for k, shape in enumerate(self.noise_shapes())
        ]

    def maps(self, w, noise, last: int):
        """Yields the maps [b, side, side, c] of each size up to the last."""
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
    """The synthesis network of StyleGAN: Karras et al. 2019, figure 1b.

    Args:
        image_shape, width: as Synthesis.
        growing: whether it can be asked for smaller images.
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
        """Images of the styles.

        Args:
            w: [b, layers, d].
            noise: of each layer [b, side, side, 1]; else the fixed one.
            stage: how many times the smallest size is doubled, of a network that grows; else what
                its level says. The image is enlarged to its full size.
            alpha: the weight of the image of that size, beside the enlarged one of the size before.
        """
        if stage is None and self.growing:
            return at_level(self.level, len(self.sizes), lambda *at: self.call(w, noise, *at))
        last = len(self.sizes) - 1 if stage is None else stage
        *_, before, x = [None, *self.maps(w, noise, last)]
        image = tf.cast(self.colours[last](x), tf.float32)
        if alpha is not None and before is not None:
            earlier = enlarge(tf.cast(self.colours[last - 1](before), tf.float32), 2)
            image = earlier + tf.cast(alpha, tf.float32) * (image - earlier)
        return enlarge(image, self.image_shape[0] // self.sizes[last][0])


def at_level(level: tf.Tensor, sizes: int, function):
    """function(stage, alpha) at a level from 0 to sizes - 1: at 1.3 the second doubling has a
    weight of 0.3."""
    stage = tf.cast(tf.math.ceil(level), tf.int32)
    alpha = level - tf.math.ceil(level) + 1.0
    branches = [lambda s=s: function(s, alpha) for s in range(sizes)]
    return tf.switch_case(stage, branches)


@register
class SkipSynthesis(Synthesis):
    """The synthesis network of StyleGAN2: modulated convolutions, and the sum of the enlarged
    images of all sizes. Karras et al. 2020, figures 2d and 7b."""

    def layers_at(self, k, filters):
        enlarging = ModulatedLayer(
            filters, "up", dtype=self.dtype_policy, name=f"layer_{2 * k - 1}"
        )
        plain = ModulatedLayer(filters, "", dtype=self.dtype_policy, name=f"layer_{2 * k}")
        return [enlarging, plain] if k else [plain]

    def colour(self, k, shape, style):
        colour = ModulatedConv2D(
            self.image_shape[-1], 1, demodulate=False, dtype=self.dtype_policy, name=f"colour_{k}"
        )
        colour.build(shape, style)
        return colour

    def call(self, w, noise=None):
        """Images of the styles w [b, layers, d]; `noise` as AdaptiveSynthesis."""
        image = None
        for k, x in enumerate(self.maps(w, noise, len(self.sizes) - 1)):
            addend = tf.cast(self.colours[k](x, w[:, 2 * k + 1]), tf.float32)
            image = addend if image is None else blur(enlarge(image, 2)) + addend
        return image


@register
class Image(keras.layers.Layer):
    """What lies beyond [-1, 1] is cut off; float32."""

    def call(self, x):
        return tf.clip_by_value(tf.cast(x, tf.float32), -1.0, 1.0)


def generator(latent_dim: int, mapping_network: keras.Model, synthesis: Synthesis) -> keras.Model:
    """Joined latents [b, d] -> images [b, h, w, c] in [-1, 1], with the fixed noise.

    Its layers `mapping`, `styles` and `synthesis` are the parts.
    """
    z = keras.Input((latent_dim,), name="latents")
    w = Styles(synthesis.styles, name="styles")(mapping_network(z))
    return keras.Model(z, Image(dtype="float32", name="image")(synthesis(w)), name="generator")


@register
class Discriminator(keras.layers.Layer):
    """Images [b, h, w, c] -> scores [b, 1], float32: two convolutions at each size, the deviation
    over the minibatch as a channel, a convolution and two dense layers. Karras et al. 2018, table
    2; with residual blocks as Karras et al. 2020, figure 7c.

    Args:
        image_shape, width: as Synthesis.
        residual: whether the blocks are.
        growing: whether it can be asked of smaller images.
    """

    def __init__(
        self, image_shape, width: int, residual: bool = False, growing: bool = False, **kwargs
    ):
        super().__init__(**kwargs)
        self.image_shape, self.width = tuple(image_shape), width
        self.residual, self.growing = residual, growing
        self.sizes = sizes(self.image_shape, width)

    def get_config(self):
        told = {"image_shape": self.image_shape, "width": self.width}
        told |= {"residual": self.residual, "growing": self.growing}
        return {**super().get_config(), **told}

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
            wanted = self.growing or k + 1 == len(self.sizes)
            image, maps = (None, side, side, self.image_shape[-1]), (None, side, side, filters)
            self.colours.append(conv(f"colour_{k}", image, filters, 1) if wanted else None)
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
        self.deviation = MinibatchDeviation(dtype=self.dtype_policy, name="deviation")
        self.last = conv("conv_0", (None, side, side, filters + 1), filters, 3)
        self.dense = built(
            EqualisedDense(filters, activated=True, dtype=self.dtype_policy, name="dense"),
            (None, side * side * filters),
        )
        self.score = built(EqualisedDense(1, dtype="float32", name="score"), (None, filters))

    def block(self, k: int, x):
        """Maps of the k-th size -> of the one before."""
        first, second = self.blocks[2 * k - 2 : 2 * k]
        y = second(first(x))
        return (y + self.shortcuts[k - 1](x)) * 2**-0.5 if self.residual else y

    def call(self, x, stage=None, alpha=None):
        """Scores of the images.

        Args:
            x: [b, h, w, c].
            stage: how many times the smallest size is doubled, of a network that grows; the images
                are shrunk to that size.
            alpha: the weight of what is seen at that size, beside what is at the size before.
        """
        last = len(self.sizes) - 1 if stage is None else stage
        x = shrink(x, self.image_shape[0] // self.sizes[last][0])
        h = self.colours[last](x)
        for k in range(last, 0, -1):
            h = self.block(k, h)
            if k == last and alpha is not None:
                earlier = self.colours[k - 1](shrink(x, 2))
                h = earlier + tf.cast(alpha, h.dtype) * (h - earlier)
        h = self.last(self.deviation(h))
        h = self.dense(tf.reshape(h, [-1, math.prod(h.shape[1:])]))
        return self.score(tf.cast(h, tf.float32))
