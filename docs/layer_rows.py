"""Layers of Keras networks as rows of a table.

A row is a layer with weights and the layers without that follow it, such as norm and activation.
"""

import dataclasses
import functools
import math
import re
from collections.abc import Iterator, Sequence

import keras

from models import layers
from models.networks import styled, stylegan

SILENT = (keras.layers.InputLayer, keras.layers.Flatten, keras.layers.Reshape)
LINEAR = (
    keras.layers.Dense, keras.layers.Conv2D, keras.layers.Conv2DTranspose, styled.EqualisedDense,
)  # fmt: skip
MERGING = (
    keras.layers.Concatenate, keras.layers.Add, keras.layers.Multiply, keras.layers.Dot,
)  # fmt: skip
TEXTS = {
    "Concatenate": "concatenation",
    "Add": "sum",
    "Multiply": "product",
    "Dot": "inner product",
    "BatchNorm": "batch norm",
    "BatchNormalization": "batch norm",
    "LayerNorm": "layer norm",
    "ReLU": "ReLU",
    "LeakyReLU": "leaky ReLU",
    "AveragePooling2D": "average pooling",
    "MaxPooling2D": "max pooling",
    "GlobalAveragePooling2D": "mean over positions",
    "UpSampling2D": "upsample",
    "NormalisedLatent": "division by the root mean square",
    "Styles": "w for each layer",
    "Image": "clipped to [-1, 1]",
    "MinibatchStandardDeviation": "minibatch standard deviation",
}


@dataclasses.dataclass(frozen=True)
class Row:
    """Row of the table.

    Attributes:
        text: layers, such as "convolution 4x4, stride 2, 128, batch norm, leaky ReLU".
        shape: shape of the output for one example.
        parameters: number of trainable parameters.
    """

    text: str
    shape: tuple[int, ...]
    parameters: int


def rows_of(network: keras.Layer) -> list[Row]:
    """Return the rows of a network; equal layers or pairs of layers in succession share one."""
    rows = list(_rows(network))
    for period in (1, 2):
        rows = list(grouped(rows, period))
    return rows


def grouped(rows: Sequence[Row], period: int) -> Iterator[Row]:
    """Yield rows, with one in the place of a repeated sequence of `period` rows."""

    def alike(k: int) -> list[tuple]:
        return [(row.text, row.shape) for row in rows[k : k + period]]

    k = 0
    while k < len(rows):
        count = 1
        while len(alike(k + count * period)) == period and alike(k + count * period) == alike(k):
            count += 1
        if count == 1:
            yield rows[k]
            k += 1
            continue
        text = "; ".join(row.text for row in rows[k : k + period])
        group = rows[k : k + count * period]
        yield Row(f"{count} times {text}", group[-1].shape, sum(row.parameters for row in group))
        k += count * period


def _rows(network: keras.Layer) -> Iterator[Row]:
    if isinstance(network, stylegan.Synthesis):
        yield from _rows_of_synthesis(network)
    elif isinstance(network, stylegan.Discriminator):
        yield from _rows_of_discriminator(network)
    else:
        yield from _Graph(network).rows


class _Graph:
    """Rows of a functional or sequential model, each layer after those that it depends on.

    If there are several inputs, the first layer of each begins with the input's name.
    """

    def __init__(self, network: keras.Model):
        self.rows: list[Row] = []
        inputs = [tensor._keras_history[0] for tensor in network.inputs]
        self.inputs = {layer: layer.name for layer in inputs} if len(inputs) > 1 else {}
        self.seen: set[int] = set()
        self.last: object = None  # operation at the end of the last row
        for tensor in network.outputs:
            self.add(tensor)

    def add(self, tensor) -> None:
        """Add the rows that a tensor depends on."""
        operation, index, _ = tensor._keras_history
        if id(operation) in self.seen:
            return
        self.seen.add(id(operation))
        before = operation._inbound_nodes[index].input_tensors
        for one in before:
            self.add(one)
        sources = {one._keras_history[0] for one in before}
        follows = sources == {self.last} and bool(self.rows)
        if isinstance(operation, (keras.Model, stylegan.Synthesis)):
            added = list(_rows(operation))
        else:
            text, starts = described(operation), isinstance(operation, (*LINEAR, *MERGING))
            row = Row(text, tuple(tensor.shape[1:]), _count(operation))
            if follows and not starts:
                self.rows[-1] = _joined(self.rows[-1], row, operation)
                self.last = operation
                return
            if not text:  # a change of the shape of an input
                for source in sources & self.inputs.keys():
                    self.inputs[operation] = self.inputs[source]
                return
            added = [row]
        for source in sources & self.inputs.keys():
            text, name = added[0].text, self.inputs[source]
            text = f"{text} with {name}" if isinstance(operation, MERGING) else f"{name}: {text}"
            added[0] = dataclasses.replace(added[0], text=text)
        self.rows += added
        self.last = operation


def _joined(row: Row, following: Row, operation) -> Row:
    """Return a row with a layer that follows it; the shape is that before a `Flatten`."""
    text = f"{row.text}, {following.text}" if following.text else row.text
    shape = row.shape if isinstance(operation, keras.layers.Flatten) else following.shape
    return Row(text, shape, row.parameters + following.parameters)


@functools.singledispatch
def described(operation) -> str:
    """Return a layer in words; empty for layers that only change the shape."""
    if isinstance(operation, SILENT) or not isinstance(operation, keras.Layer):
        return ""
    name = type(operation).__name__
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower()
    return TEXTS.get(name, words)


@described.register
def _(layer: keras.layers.Activation) -> str:
    name = layer.activation.__name__
    return "" if name == "linear" else name


@described.register
def _(layer: keras.layers.Dense) -> str:
    return _with_details(layer, f"dense {layer.units}")


@described.register
def _(layer: keras.layers.Conv2D) -> str:
    return _with_details(layer, f"convolution {_kernel(layer)}, {layer.filters}")


@described.register
def _(layer: keras.layers.Conv2DTranspose) -> str:
    return _with_details(layer, f"transposed convolution {_kernel(layer)}, {layer.filters}")


@described.register
def _(layer: styled.EqualisedDense) -> str:
    text = f"dense {layer.units}" + ", leaky ReLU" * layer.activated
    return text if layer.rate == 1 else f"{text}, learning rate times {layer.rate:g}"


@described.register
def _(layer: styled.EqualisedConv2D) -> str:
    side = layer.kernel_size
    text = f"convolution {side}x{side}, {layer.filters}"
    if isinstance(layer, styled.ModulatedConv2D):
        text = f"modulated {text}"
    if layer.resample:
        text = f"upsample, {text}" if layer.resample == "up" else f"{text}, downsample"
    return text + ", leaky ReLU" * layer.activated


@described.register
def _(layer: styled.StyledLayer) -> str:
    conv = f"{described(layer.conv)}, " if layer.convolved else ""
    style = ", AdaIN" if isinstance(layer, styled.AdaptiveLayer) else ""
    return f"{conv}noise, bias, leaky ReLU{style}"


def _with_details(layer: keras.Layer, text: str) -> str:
    """Return the text of a linear layer with spectral norm, activation and a name of its own."""
    if isinstance(layer, layers.SpectralKernel):
        text += ", spectral norm"
    activation = layer.activation.__name__
    if activation != "linear":
        text += f", {activation}"
    plain = layer.name.replace("_", "").rstrip("0123456789")
    if plain == type(layer).__name__.lower().rstrip("0123456789"):  # a name given by Keras
        return text
    return f"{text} ({re.sub(r'[_0-9]+', ' ', layer.name).strip()})"


def _kernel(layer: keras.layers.Conv2D) -> str:
    """Return side and stride of a kernel."""
    height, width = layer.kernel_size
    stride = layer.strides[0]
    return f"{height}x{width}" + (f", stride {stride}" if stride > 1 else "")


def _count(layer) -> int:
    """Return the number of trainable parameters of a layer."""
    return sum(math.prod(v.shape) for v in getattr(layer, "trainable_variables", []))


def _rows_of_synthesis(network: stylegan.Synthesis) -> Iterator[Row]:
    """Yield the rows of a synthesis network, by size."""
    image = network.image_shape
    shape = tuple(network.constant.shape[1:])
    yield Row("learned constant", shape, math.prod(shape))
    for (side, filters), colour in zip(network.sizes, network.colours, strict=True):
        for layer in (layer for layer in network.styled if layer.side == side):
            yield Row(described(layer), (side, side, filters), _count(layer))
        if colour:
            shape = (side, side, image[-1])
            yield Row(f"{described(colour)} (image)", shape, _count(colour))


def _rows_of_discriminator(network: stylegan.Discriminator) -> Iterator[Row]:
    """Yield the rows of StyleGAN's discriminator, from the size of the image on."""
    for k in range(len(network.sizes) - 1, -1, -1):
        side, filters = network.sizes[k]
        if colour := network.colours[k]:
            yield Row(f"image: {described(colour)}", (side, side, filters), _count(colour))
        if k == 0:
            continue
        half, fewer = network.sizes[k - 1]
        first, second = network.blocks[2 * k - 2 : 2 * k]
        yield Row(described(first), (side, side, filters), _count(first))
        yield Row(described(second), (half, half, fewer), _count(second))
        if network.residual:
            shortcut = network.shortcuts[k - 1]
            text = f"{described(shortcut)} (residual connection)"
            yield Row(text, (half, half, fewer), _count(shortcut))
    side, filters = network.sizes[0]
    yield Row(f"{described(network.deviation)} (concatenated)", (side, side, filters + 1), 0)
    yield Row(described(network.last), (side, side, filters), _count(network.last))
    yield Row(described(network.dense), (filters,), _count(network.dense))
    yield Row(f"{described(network.score)} (score)", (1,), _count(network.score))
