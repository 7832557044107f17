"""The Inception network of the literature's FID and Inception Score, and its published weights.

It is Google's graph inception-2015-12-05, the third version of the architecture (Szegedy et al.
2016, "Rethinking the Inception Architecture for Computer Vision"), in whose last pool the Frechet
distance is measured (Heusel et al. 2017, "GANs Trained by a Two Time-Scale Update Rule"). Other
Inception v3 networks, such as that of keras.applications, have other weights and other pools, and
distances in their features are other numbers.
"""

from __future__ import annotations

import hashlib
import os
import pathlib
import queue
import secrets
import threading
import urllib.request
from collections.abc import Mapping
from http.client import HTTPException, HTTPResponse
from typing import TYPE_CHECKING

import numpy as np

from errors import UserError
from evaluation.features import torch_file
from evaluation.features.extractor import Extractor
from storage.cache import cache_directory

if TYPE_CHECKING:
    import keras

# Google's graph holds its weights as constants; this is the file that pytorch-fid made of them and
# that torch-fidelity publishes too, there as weights-inception-2015-12-05-6726825d.pth.
NAME = "pt_inception-2015-12-05-6726825d.pth"
URL = f"https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/{NAME}"
SHA256 = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"
TIMEOUT_SECONDS = 8.0

_SIZE = 299
_HALVING = {"strides": 2, "padding": "valid"}
_ACROSS, _DOWN = (1, 7), (7, 1)
# Zeros are replaced, and unlike Keras' default they take nothing from its random numbers.
_PLAIN = {"kernel_initializer": "zeros", "dtype": "float32"}
_BATCH_NORM_EPSILON = 0.001
_BATCH_NORM_PARTS = ("weight", "bias", "running_mean", "running_var")


def available() -> bool:
    """Whether the file of the weights is in its place, so that load() need not download it."""
    return _path().is_file()


def load() -> Extractor:
    """The network "inception": the 2048 features of the last pool, and 1008 logits.

    The logits are the features times the matrix of the last layer, without its bias, since the
    Inception Score of Salimans et al. 2016 is computed so. An image of one channel is shown as a
    gray one of three. Whatever Keras' dtype policy is, the network computes in float32.

    Raises:
        UserError: the weights are not in the cache directory and cannot be downloaded (96 MB),
            or they are not the published ones.
    """
    path = _path()
    if path.is_file():
        _check(path)
    else:
        _download(path)
    return Extractor(
        name="inception",
        sha256=SHA256,
        resizing=f"bilinear to {_SIZE} x {_SIZE} as in TensorFlow 1: no antialiasing, pixel (0, 0) "
        "stays where it is",
        dimension=2048,
        network=_on_images(with_weights(torch_file.read_state(path))),
        batch_size=50,
    )


def _on_images(network: keras.Model):
    """The network as a function of images uint8, or float32 from 0 to 255, [b, h, w, 1 or 3]."""
    import tensorflow as tf

    @tf.function(autograph=False)
    def on_images(images):
        kinds, channels = (tf.uint8, tf.float32), (1, 3)
        if images.dtype not in kinds or images.shape.rank != 4 or images.shape[-1] not in channels:
            raise UserError(
                "the Inception network takes images uint8 or float32 [b, h, w, 1 or 3], not "
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
    """The network, all zeros: [b, 299, 299, 3] in [-1, 1] -> features [b, 2048], logits [b, 1008].

    Its layers are named as in torchvision's Inception3; the batch normalizations are part of the
    convolutions' weights. As in Google's graph, and unlike in the paper, the last block pools by
    maxima instead of means.
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
    """After Figure 5 of the paper, at 35 x 35."""
    return _join(
        _convolution(x, f"{name}.branch1x1", 64, 1),
        _tower(x, f"{name}.branch5x5", (48, 1), (64, 5)),
        _tower(x, f"{name}.branch3x3dbl", (64, 1), (96, 3), (96, 3)),
        _convolution(_average_pool(x), f"{name}.branch_pool", pooled, 1),
    )


def _to_17(x, name):
    """Figure 10, from 35 x 35 to 17 x 17."""
    return _join(
        _convolution(x, f"{name}.branch3x3", 384, 3, **_HALVING),
        _tower(x, f"{name}.branch3x3dbl", (64, 1), (96, 3), (96, 3), halving=True),
        _max_pool(x, **_HALVING),
    )


def _block_17(x, name, c):
    """Figure 6, at 17 x 17: a convolution of 7 x 7 is one along each axis."""
    twice = (c, 1), (c, _DOWN), (c, _ACROSS), (c, _DOWN), (192, _ACROSS)
    return _join(
        _convolution(x, f"{name}.branch1x1", 192, 1),
        _tower(x, f"{name}.branch7x7", (c, 1), (c, _ACROSS), (192, _DOWN)),
        _tower(x, f"{name}.branch7x7dbl", *twice),
        _convolution(_average_pool(x), f"{name}.branch_pool", 192, 1),
    )


def _to_8(x, name):
    """From 17 x 17 to 8 x 8."""
    seven = (192, 1), (192, _ACROSS), (192, _DOWN), (192, 3)
    return _join(
        _tower(x, f"{name}.branch3x3", (192, 1), (320, 3), halving=True),
        _tower(x, f"{name}.branch7x7x3", *seven, halving=True),
        _max_pool(x, **_HALVING),
    )


def _block_8(x, name, pool):
    """Figure 7, at 8 x 8: the last convolutions stand side by side."""
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
    """Convolutions name_1, name_2, ... of (filters, size) one after the other; the last halves."""
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
    """The mean of those of the 3 x 3 neighbours that lie inside the image."""
    from keras import layers

    return layers.AveragePooling2D(3, 1, "same", dtype="float32")(x)


def _join(*branches):
    from keras import layers

    return layers.Concatenate(dtype="float32")(branches)


# Its weights


def with_weights(state: Mapping[str, np.ndarray]) -> keras.Model:
    """The network with the weights of a torch state, name -> array.

    The state is that of torchvision's Inception3 of 1008 classes without the auxiliary classifier.
    A convolution W * x and its batch normalization are s W * x + (beta - s mean) in one, where
    s = gamma / sqrt(variance + epsilon). The last layer's bias is not used: see load.

    Raises:
        UserError: an array is missing, has another shape, or is none of the network.
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
    """Name -> shape of the arrays that make up the network's state in torch."""
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
    # How many batches each statistic was taken of: in the file, of no use here.
    given = {name for name in state if not name.endswith(".bn.num_batches_tracked")}
    problems = [f"{name} is missing" for name in shapes if name not in given]
    problems += [f"{name} is none of its arrays" for name in sorted(given - shapes.keys())]
    problems += [
        f"{name} is {list(state[name].shape)} and should be {list(shape)}"
        for name, shape in shapes.items()
        if name in given and state[name].shape != shape
    ]
    if problems:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise UserError(f"these are not the weights of the Inception network: {problems[0]}{more}")


# Their file


def _path() -> pathlib.Path:
    return cache_directory() / "features" / NAME


def _check(path):
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    if sha256 != SHA256:
        raise UserError(
            f"{path} has the SHA-256 {sha256} and the published weights have {SHA256}: "
            f"delete it to have it downloaded anew, or put what {URL} holds there"
        )


def _download(path):
    """Brings the file to its place, or leaves nothing behind."""
    temporary = path.with_name(f".{NAME}.{secrets.token_hex(4)}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with _response(URL) as response, temporary.open("wb") as file:
                sha256 = _copy(response, file)
            if sha256 != SHA256:
                raise OSError(f"what came has the SHA-256 {sha256}, not {SHA256}")
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    except (OSError, HTTPException) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UserError(
            f"the Inception weights are not at {path} and cannot be downloaded ({reason}): "
            f"fetch {URL} where there is a network and put it there"
        ) from error


def _response(url) -> HTTPResponse:
    """The answer to a request, within TIMEOUT_SECONDS, which resolving the name may outlast."""
    answers = queue.SimpleQueue()

    def ask():
        try:
            answers.put(urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS))
        except Exception as error:
            answers.put(error)

    threading.Thread(target=ask, daemon=True).start()
    try:
        answer = answers.get(timeout=TIMEOUT_SECONDS)
    except queue.Empty:
        raise TimeoutError("timed out") from None
    if isinstance(answer, Exception):
        raise answer
    return answer


def _copy(response, file) -> str:
    """Writes the body to a file; its SHA-256."""
    digest, size = hashlib.sha256(), 0
    while chunk := response.read(1 << 20):
        digest.update(chunk)
        size += file.write(chunk)
    announced = response.headers.get("Content-Length")
    if announced and size < int(announced):
        raise OSError(f"it broke off after {size:,} of {int(announced):,} bytes")
    file.flush()
    os.fsync(file.fileno())
    return digest.hexdigest()
