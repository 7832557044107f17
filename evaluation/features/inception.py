"""Inception network of FID, clean-fid and Inception Score, with its published weights.

Google's graph inception-2015-12-05, an Inception v3 (Szegedy et al. 2016, "Rethinking the Inception
Architecture for Computer Vision"). The Frechet distance uses the features of its last pooling layer
(Heusel et al. 2017, "GANs Trained by a Two Time-Scale Update Rule"). Other Inception v3 networks,
such as that of keras.applications, have other weights and pooling layers, and their distances are
not comparable.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import io
import os
import pathlib
import socket
import tempfile
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from errors import UserError
from evaluation.features import INCEPTION, clean_resizing, torch_file
from evaluation.features.extractor import Extractor
from storage.cache import FEATURES, cache_directory, mark_used

if TYPE_CHECKING:
    import keras

# Weights of Google's graph, exported by pytorch-fid; torch-fidelity publishes the same file as
# weights-inception-2015-12-05-6726825d.pth.
NAME = "pt_inception-2015-12-05-6726825d.pth"
URL = f"https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/{NAME}"
SHA256 = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"
TIMEOUT_SECONDS = 8.0

_SIZE = 299
_HALVING = {"strides": 2, "padding": "valid"}
_ACROSS, _DOWN = (1, 7), (7, 1)
# The weights are assigned later; zeros do not advance Keras' random seeds.
_PLAIN = {"kernel_initializer": "zeros", "dtype": "float32"}
_BATCH_NORM_EPSILON = 0.001
_BATCH_NORM_PARTS = ("weight", "bias", "running_mean", "running_var")


def available() -> bool:
    """Return whether the weights are in the cache, so that `load` does not download them."""
    return _path().is_file()


def load() -> Extractor:
    """Load the network "inception" with 2048 features of the last pooling layer and 1008 logits.

    Its `clean` is the same network with the resizing of clean-fid.
    The logits omit the bias of the last layer, as in the Inception Score of Salimans et al. 2016.
    Gray images are repeated over 3 channels. Computes in float32 under any Keras dtype policy.

    Raises:
        UserError: the weights (96 MB) are not in the cache directory and cannot be downloaded, or
            differ from the published ones.
    """
    path = _path()
    if path.is_file():
        _check(path)
        mark_used(path)
    else:
        _download(path)
    return _extractor(_on_images(with_weights(torch_file.read_state(path))))


def _extractor(on_images) -> Extractor:
    """Return the extractor of a network, which has the one with clean resizing as `clean`.

    Args:
        on_images: the network as a function of images.
    """
    plain = Extractor(
        name=INCEPTION,
        sha256=SHA256,
        resizing=f"bilinear to {_SIZE} x {_SIZE} as in TensorFlow 1: no antialiasing, pixel (0, 0) "
        "stays where it is",
        dimension=2048,
        network=on_images,
        batch_size=50,
    )
    clean = dataclasses.replace(
        plain,
        resizing=clean_resizing.RESIZING,
        network=lambda images: on_images(clean_resizing.resize(images)),
    )
    return dataclasses.replace(plain, clean=clean)


def _on_images(network: keras.Model):
    """Return the network as a function of images [b, h, w, 1 or 3]: uint8, or float32 to 255.

    Images of 299 x 299 pixels are not resized.
    """
    import tensorflow as tf

    @tf.function(autograph=False)
    def on_images(images):
        kinds, channels = (tf.uint8, tf.float32), (1, 3)
        if images.dtype not in kinds or images.shape.rank != 4 or images.shape[-1] not in channels:
            raise UserError(
                "the Inception network requires images uint8 or float32 [b, h, w, 1 or 3], got "
                f"{images.dtype.name} {images.shape}"
            )
        x = tf.raw_ops.ResizeBilinear(
            images=tf.cast(images, tf.float32),
            size=[_SIZE, _SIZE],
            align_corners=False,
            half_pixel_centers=False,
        )
        x = tf.repeat((x - 128) / 128, 3 // images.shape[-1], axis=-1)
        return network(x, training=False)

    return on_images


# The network


def build() -> keras.Model:
    """Build the network with zero weights.

    Maps images [b, 299, 299, 3] in [-1, 1] to features [b, 2048] and logits [b, 1008]. Layers are
    named as in torchvision's Inception3; batch normalization is folded into the convolutions. As in
    Google's graph, and unlike the paper, the last block uses max pooling.
    """
    import keras

    image = x = keras.Input([_SIZE, _SIZE, 3], dtype="float32")
    x = _convolution(x, "Conv2d_1a_3x3", 32, 3, **_HALVING)
    x = _convolution(x, "Conv2d_2a_3x3", 32, 3, padding="valid")
    x = _convolution(x, "Conv2d_2b_3x3", 64, 3)
    x = _max_pool(x, **_HALVING)
    x = _convolution(x, "Conv2d_3b_1x1", 80, 1)
    x = _convolution(x, "Conv2d_4a_3x3", 192, 3, padding="valid")
    x = _max_pool(x, **_HALVING)
    for name, pooled in [("Mixed_5b", 32), ("Mixed_5c", 64), ("Mixed_5d", 64)]:
        x = _block_35(x, name, pooled)
    x = _to_17(x, "Mixed_6a")
    for name, c in [("Mixed_6b", 128), ("Mixed_6c", 160), ("Mixed_6d", 160), ("Mixed_6e", 192)]:
        x = _block_17(x, name, c)
    x = _to_8(x, "Mixed_7a")
    x = _block_8(x, "Mixed_7b", _average_pool)
    x = _block_8(x, "Mixed_7c", _max_pool)
    features = keras.layers.GlobalAveragePooling2D(dtype="float32")(x)
    logits = keras.layers.Dense(1008, use_bias=False, name="fc", **_PLAIN)(features)
    return keras.Model(image, [features, logits], name="inception")


def _block_35(x, name, pooled):
    """Block at 35 x 35, after figure 5 of the paper."""
    return _join(
        _convolution(x, f"{name}.branch1x1", 64, 1),
        _tower(x, f"{name}.branch5x5", (48, 1), (64, 5)),
        _tower(x, f"{name}.branch3x3dbl", (64, 1), (96, 3), (96, 3)),
        _convolution(_average_pool(x), f"{name}.branch_pool", pooled, 1),
    )


def _to_17(x, name):
    """Reduction from 35 x 35 to 17 x 17, figure 10."""
    return _join(
        _convolution(x, f"{name}.branch3x3", 384, 3, **_HALVING),
        _tower(x, f"{name}.branch3x3dbl", (64, 1), (96, 3), (96, 3), halving=True),
        _max_pool(x, **_HALVING),
    )


def _block_17(x, name, c):
    """Block at 17 x 17, figure 6: 7 x 7 convolutions factorized into 1 x 7 and 7 x 1."""
    twice = (c, 1), (c, _DOWN), (c, _ACROSS), (c, _DOWN), (192, _ACROSS)
    return _join(
        _convolution(x, f"{name}.branch1x1", 192, 1),
        _tower(x, f"{name}.branch7x7", (c, 1), (c, _ACROSS), (192, _DOWN)),
        _tower(x, f"{name}.branch7x7dbl", *twice),
        _convolution(_average_pool(x), f"{name}.branch_pool", 192, 1),
    )


def _to_8(x, name):
    """Reduction from 17 x 17 to 8 x 8."""
    seven = (192, 1), (192, _ACROSS), (192, _DOWN), (192, 3)
    return _join(
        _tower(x, f"{name}.branch3x3", (192, 1), (320, 3), halving=True),
        _tower(x, f"{name}.branch7x7x3", *seven, halving=True),
        _max_pool(x, **_HALVING),
    )


def _block_8(x, name, pool):
    """Block at 8 x 8, figure 7: the last convolutions are parallel."""
    y = _tower(x, f"{name}.branch3x3", (384, 1))
    z = _tower(x, f"{name}.branch3x3dbl", (448, 1), (384, 3))
    return _join(
        _convolution(x, f"{name}.branch1x1", 320, 1),
        _convolution(y, f"{name}.branch3x3_2a", 384, (1, 3)),
        _convolution(y, f"{name}.branch3x3_2b", 384, (3, 1)),
        _convolution(z, f"{name}.branch3x3dbl_3a", 384, (1, 3)),
        _convolution(z, f"{name}.branch3x3dbl_3b", 384, (3, 1)),
        _convolution(pool(x), f"{name}.branch_pool", 192, 1),
    )


def _tower(x, name, *convolutions, halving=False):
    """Sequential convolutions name_1, name_2, ... of (filters, size).

    With halving, the last one has stride 2.
    """
    for i, (filters, size) in enumerate(convolutions, 1):
        step = _HALVING if halving and i == len(convolutions) else {}
        x = _convolution(x, f"{name}_{i}", filters, size, **step)
    return x


def _convolution(x, name, filters, size, strides=1, padding="same"):
    """Convolution, batch normalization (in its weights) and rectifier."""
    from keras import layers

    kind = {"strides": strides, "padding": padding, "activation": "relu", "name": name}
    return layers.Conv2D(filters, size, **kind, **_PLAIN)(x)


def _max_pool(x, strides=1, padding="same"):
    from keras import layers

    return layers.MaxPooling2D(3, strides, padding, dtype="float32")(x)


def _average_pool(x):
    """3 x 3 average pooling that excludes the padding."""
    from keras import layers

    return layers.AveragePooling2D(3, 1, "same", dtype="float32")(x)


def _join(*branches):
    from keras import layers

    return layers.Concatenate(dtype="float32")(branches)


# Weights


def with_weights(state: Mapping[str, np.ndarray]) -> keras.Model:
    """Build the network with the weights of a PyTorch state, name -> array.

    The state is that of torchvision's Inception3 with 1008 classes and no auxiliary classifier. A
    convolution W * x and its batch normalization are folded into s W * x + (beta - s mean) with
    s = gamma / sqrt(variance + epsilon). The bias of the last layer is not used, see `load`.

    Raises:
        UserError: an array is missing, unknown or has another shape.
    """
    network = build()
    _check_state(state, state_shapes(network))
    for layer in network.layers:
        if layer.name == "fc":
            layer.kernel.assign(state["fc.weight"].T)
        elif layer.weights:
            gamma, beta, mean, variance = (
                state[f"{layer.name}.bn.{part}"].astype(np.float64) for part in _BATCH_NORM_PARTS
            )
            scale = gamma / np.sqrt(variance + _BATCH_NORM_EPSILON)
            layer.kernel.assign(state[f"{layer.name}.conv.weight"].transpose(2, 3, 1, 0) * scale)
            layer.bias.assign(beta - scale * mean)
    return network


def state_shapes(network: keras.Model) -> dict[str, tuple[int, ...]]:
    """Return the names and shapes of the arrays of the network's PyTorch state."""
    shapes = {}
    for layer in network.layers:
        if layer.name == "fc":
            shapes["fc.weight"] = tuple(layer.kernel.shape[::-1])
            shapes["fc.bias"] = (layer.units,)
        elif layer.weights:
            height, width, inputs, outputs = layer.kernel.shape
            shapes[f"{layer.name}.conv.weight"] = (outputs, inputs, height, width)
            for part in _BATCH_NORM_PARTS:
                shapes[f"{layer.name}.bn.{part}"] = (outputs,)
    return shapes


def _check_state(state, shapes):
    # The file also contains the number of batches of each statistic, which is not used.
    given = {name for name in state if not name.endswith(".bn.num_batches_tracked")}
    problems = [f"{name} is missing" for name in shapes if name not in given]
    problems += [f"{name} is unknown" for name in sorted(given - shapes.keys())]
    problems += [
        f"{name} must be {list(shape)}, got {list(state[name].shape)}"
        for name, shape in shapes.items()
        if name in given and state[name].shape != shape
    ]
    if problems:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise UserError(f"not the weights of the Inception network: {problems[0]}{more}")


# Weight file


def _path() -> pathlib.Path:
    return cache_directory() / FEATURES / NAME


def _check(path):
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    if sha256 != SHA256:
        raise UserError(
            f"{path}: expected the SHA-256 {SHA256} of the published weights, got {sha256}; delete "
            f"the file to download it again, or replace it by {URL}"
        )


def _download(path):
    """Download the weights to the path; a partial or wrong file is deleted."""
    import keras

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with (
            tempfile.TemporaryDirectory(prefix=".download-", dir=path.parent) as folder,
            _socket_timeout(TIMEOUT_SECONDS),
            contextlib.redirect_stdout(io.StringIO()),  # the progress bar
        ):
            file = keras.utils.get_file(
                NAME,
                URL,
                cache_dir=folder,
                cache_subdir="",
                file_hash=SHA256,
                hash_algorithm="sha256",
            )
            os.replace(file, path)
    except Exception as error:  # get_file raises bare Exceptions
        text = " ".join(str(error).split())
        reason = text.partition(f"{URL}: ")[2] or text or type(error).__name__
        raise UserError(
            f"the Inception weights are not at {path}, and cannot download them ({reason}); "
            f"download {URL} on a machine with a network and copy it there"
        ) from error


@contextlib.contextmanager
def _socket_timeout(seconds: float):
    """Set the default timeout of new sockets, which get_file uses."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
