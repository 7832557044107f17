"""Network that predicts categories from images: a trunk of convolutions, and heads."""

from collections.abc import Mapping

import keras

from losses.clustering import AUXILIARY
from models import layers

INITIALIZER = "he"
SMALLEST_MAP = 3  # side


def trunk(image_shape: tuple[int, int, int], width: int) -> keras.Model:
    """Build convolutions with batch norm, ReLU and max pooling, then the mean over positions.

    Args:
        image_shape: (h, w, c).
        width: channels of the first convolution, doubled by each pooling, up to 8 times the first.

    Returns:
        Model: images [b, h, w, c] -> features [b, f].
    """
    factory = layers.LayerFactory("batch", INITIALIZER)
    x = h = keras.Input(image_shape, name="images")
    side = min(image_shape[:2])
    sides = [side >> k for k in range(side.bit_length()) if side >> k >= SMALLEST_MAP]
    for k, side in enumerate(sides):
        h = factory.conv(h, width * min(2**k, 8), 3, normalised=True)
        h = keras.layers.ReLU()(h)
        if side != sides[-1]:
            h = keras.layers.MaxPool2D()(h)
    return keras.Model(x, keras.layers.GlobalAveragePooling2D()(h), name="q_trunk")


def heads(
    features: int, codes: Mapping[str, int], count: int, auxiliary: int, units: int
) -> keras.Model:
    """Build the heads, each with a hidden layer of its own.

    Args:
        features: number of features f.
        codes: name of each categorical code -> its number of categories k.
        count: number of heads of each code.
        auxiliary: outputs of the auxiliary head.
        units: units of the hidden layers.

    Returns:
        Model: features [b, f] -> name of a code -> logits [b, count, k], and AUXILIARY ->
        [b, auxiliary]; float32.
    """
    factory = layers.LayerFactory("none", INITIALIZER)
    x = keras.Input((features,), name="features")

    def head(size: int, name: str):
        h = keras.layers.ReLU()(factory.dense(x, units))
        return layers.head(size, INITIALIZER, name=name)(h)

    outputs, exact = {}, {"dtype": "float32"}
    for name, size in codes.items():
        each = [
            keras.layers.Reshape((1, size), **exact)(head(size, f"{name}_{k}"))
            for k in range(count)
        ]
        joined = keras.layers.Concatenate(axis=1, **exact)
        outputs[name] = joined(each) if count > 1 else each[0]
    outputs[AUXILIARY] = head(auxiliary, AUXILIARY)
    return keras.Model(x, outputs, name="q_categories")
