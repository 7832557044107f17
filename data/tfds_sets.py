"""Image sets of TensorFlow Datasets, by name; importing this module does not import TFDS."""

from __future__ import annotations

import collections
import difflib
import os
import pathlib
import re
import socket
import threading
import urllib.parse
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from data import conversion
from data.cache import Decoder, Filled, cached
from data.image_data import ImageData
from errors import UserError

if TYPE_CHECKING:
    import tensorflow_datasets as tfds

PROBE_SECONDS = 3.0
_PROXIES = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy")
_BATCH = 512


def load(
    name: str, data_dir: str | None, image_size: int | None, known: Iterable[str] = ()
) -> ImageData:
    """The train split of a set, and its test or else its validation split.

    Args:
        name: as for tfds.load, e.g. "cifar10" or "emnist/letters".
        data_dir: where the prepared sets are; None: TFDS_DATA_DIR or else TFDS's default.
        image_size: side of the square to bring every image to; None if all have one square size.
        known: names of other sets that an unknown one may be meant for.

    Raises:
        UserError: the set is unknown, holds no images, needs image_size, or is not prepared and
            cannot be downloaded.
    """
    data_dir = data_dir or os.environ.get("TFDS_DATA_DIR") or None
    builder = _builder(name, data_dir and os.path.expanduser(data_dir), known)
    shape, class_names = _image_features(builder, name)
    size = image_size or _common_size(name, shape)
    _prepare(builder, name)
    splits, notes = _chosen_splits(builder, name)
    channels = 1 if shape[-1] in (1, 2) else 3
    config = f"-{builder.builder_config.name}" if builder.builder_config else ""
    return cached(
        builder.name + config,
        [
            "tfds",
            builder.info.full_name,
            [[s.name, s.num_examples, s.num_bytes, list(s.shard_lengths)] for s in splits],
            image_size,
        ],
        lambda: Decoder(
            sum(split.num_examples for split in splits),
            (size, size, channels),
            class_names,
            lambda images, labels: _fill(builder, splits, notes, images, labels),
        ),
    )


def _builder(name: str, data_dir: str | None, known: Iterable[str]) -> tfds.core.DatasetBuilder:
    try:
        import tensorflow_datasets as tfds
        from tensorflow_datasets import list_builders  # TFDS only logs why it cannot be imported
    except ImportError as error:
        raise UserError(
            f"--dataset {name} needs tensorflow-datasets, which cannot be imported ({error}): "
            "install it, and ask pip check whether its requirements agree"
        ) from error
    base, rest = re.fullmatch(r"([^:/]*)(.*)", name, re.DOTALL).groups()
    base = base.lower().replace("-", "_")
    names = list_builders(with_community_datasets=False)
    if base not in names and not (data_dir and base and pathlib.Path(data_dir, base).is_dir()):
        names = {n.lower(): n for n in [*names, *known]}
        near = [names[n] for n in difflib.get_close_matches(base, names, n=3)]
        meant = f"did you mean {' or '.join(near)}?" if near else f"known are {', '.join(known)}"
        raise UserError(
            f"--dataset {name} is neither a folder, an .npz file nor a known data set: {meant} "
            "(others: https://www.tensorflow.org/datasets/catalog)"
        )
    try:
        return tfds.builder(base + rest, data_dir=data_dir)
    except Exception as error:  # a builder's own code may raise anything
        raise UserError(f"--dataset {name} cannot be set up: {_one_line(error)}") from error


def _one_line(error: Exception) -> str:
    message = re.sub(r"^Failed to construct dataset .*?}\": ", "", str(error).strip())
    return (message.splitlines() or [type(error).__name__])[0][:300]


def _image_features(
    builder: tfds.core.DatasetBuilder, name: str
) -> tuple[tuple[int | None, ...], tuple[str, ...]]:
    """The shape (h, w, c) of the images, None for what varies, and the class names."""
    import tensorflow_datasets as tfds

    features = builder.info.features
    features = dict(features.items()) if isinstance(features, tfds.features.FeaturesDict) else {}
    image, label = features.get("image"), features.get("label")
    if not isinstance(image, tfds.features.Image):
        held = ", ".join(sorted(features)) or "none"
        raise UserError(f'--dataset {name} is no image set: no feature "image" among: {held}')
    if image.np_dtype not in (np.uint8, np.uint16):
        raise UserError(f"--dataset {name} holds {image.np_dtype} images: only 8 and 16 bits do")
    if not isinstance(label, tfds.features.ClassLabel) or not label.num_classes:
        return image.shape, ()
    return image.shape, tuple(map(label.int2str, range(label.num_classes)))


def _common_size(name: str, shape: tuple[int | None, ...]) -> int:
    height, width, _ = shape
    if height is None or height != width:
        sizes = f"{width} x {height} (width x height)" if height and width else "of many sizes"
        raise UserError(
            f"--dataset {name}: its images are {sizes}: give the size to bring them to, "
            "e.g. --image_size=64"
        )
    return height


def _prepare(builder: tfds.core.DatasetBuilder, name: str):
    """Downloads the set unless it is there. Without a network TFDS would retry for minutes."""
    if builder.is_prepared():
        return
    where = pathlib.Path(builder.data_dir).parents[builder.info.full_name.count("/")]
    remedy = "prepare it where there is a network and set --data_dir or TFDS_DATA_DIR to its folder"
    url = next(iter(builder.url_infos or ()), "https://storage.googleapis.com")
    if not any(map(os.environ.get, _PROXIES)) and not _reachable(url):
        host = urllib.parse.urlsplit(url).hostname
        raise UserError(
            f"--dataset {name} is not prepared in {where} and {host} cannot be reached to download "
            f"it: {remedy}"
        )
    try:
        builder.download_and_prepare()
    except Exception as error:  # a builder's own code may raise anything
        raise UserError(
            f"--dataset {name} is not prepared in {where} and downloading it failed "
            f"({_one_line(error)}): {remedy}"
        ) from error


def _reachable(url: str) -> bool:
    """Whether the host takes connections, within PROBE_SECONDS, which DNS alone may outlast."""
    parts = urllib.parse.urlsplit(url)
    port = parts.port or {"http": 80, "ftp": 21}.get(parts.scheme, 443)
    connected = []

    def connect():
        try:
            socket.create_connection((parts.hostname, port), timeout=PROBE_SECONDS).close()
            connected.append(True)
        except OSError:
            pass

    probe = threading.Thread(target=connect, daemon=True)
    probe.start()
    probe.join(PROBE_SECONDS)
    return bool(connected)


def _chosen_splits(builder: tfds.core.DatasetBuilder, name: str):
    """The SplitInfo of train and of test if there is one, and notes."""
    splits = {key: split for key, split in builder.info.splits.items() if split.num_examples}
    if "train" not in splits:
        held = ", ".join(splits) or "none"
        raise UserError(f"--dataset {name} has no train split: its splits are {held}")
    test = next((key for key in ("test", "validation") if key in splits), None)
    notes = ["the validation split stands in for a test split"] if test == "validation" else []
    return [splits["train"], *([splits[test]] if test else [])], notes


def _fill(builder, splits, notes: list[str], images: np.ndarray, labels: np.ndarray) -> Filled:
    """Decodes the splits in the order of their records."""
    import tensorflow as tf
    import tensorflow_datasets as tfds

    shape, class_names = _image_features(builder, builder.name)
    size, channels = images.shape[2:]
    eight_bit = builder.info.features["image"].np_dtype == np.uint8
    as_they_are = eight_bit and shape == images.shape[1:]
    kinds, counts, k = collections.Counter(), [], 0
    for split in splits:
        start = k
        records = builder.as_dataset(
            split=split.name,
            shuffle_files=False,
            decoders=tfds.decode.PartialDecoding(
                {"image": True, "label": True} if class_names else {"image": True}
            ),
            read_config=tfds.ReadConfig(interleave_cycle_length=1, try_autocache=False),
        )
        try:
            for batch in tfds.as_numpy(records.batch(1 if None in shape else _BATCH).prefetch(2)):
                rows = slice(k, k + len(batch["image"]))
                if as_they_are:
                    images[rows] = batch["image"]
                else:
                    for j, image in enumerate(batch["image"]):
                        images[k + j], image_kinds = conversion.convert_array(image, channels, size)
                        kinds.update(image_kinds)
                if class_names:
                    labels[rows] = batch["label"]
                k = rows.stop
        except tf.errors.OpError as error:
            raise UserError(
                f"the {split.name} records in {builder.data_dir} cannot be read "
                f"({_one_line(error)}): prepare {builder.name} again"
            ) from error
        counts.append(k - start)
    return Filled(*counts, notes=(*notes, *conversion.notes(kinds)))
