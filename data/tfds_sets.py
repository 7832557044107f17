"""Image sets of TensorFlow Datasets by name. Importing this module does not import TFDS."""

from __future__ import annotations

import contextlib
import os
import pathlib
import re
import socket
import threading
import urllib.parse
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from data.conversion import Conversions, convert_array, require_16_bits
from data.decoded import Decoded, Decoder, cached
from data.image_data import ImageData
from data.labels import MOST_CLASSES, UNKNOWN, numbered
from data.listing import count
from data.reading import DEFAULT, Reading
from errors import UserError, near
from storage.paths import expanded
from waiting import Work, waiting

if TYPE_CHECKING:
    import tensorflow_datasets as tfds

PROBE_SECONDS = 3.0
_PROXIES = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy")
_BATCH = 512
_OWN_FEATURES = "tensorflow_datasets."


def load(
    name: str, data_dir: str | None, reading: Reading = DEFAULT, known: Iterable[str] = ()
) -> ImageData:
    """Load the train split of a set, and its test split or otherwise its validation split.

    Args:
        name: as for tfds.load, e.g. "cifar10" or "emnist/letters".
        data_dir: directory of the prepared sets. None: TFDS_DATA_DIR or TFDS's default.
        reading: options of the reading.
        known: further names suggested for an unknown one.

    Raises:
        UserError: the set is unknown, has no images, requires image_size, has a feature class that
            is not of TFDS, or is not prepared and cannot be downloaded.
    """
    data_dir = data_dir or os.environ.get("TFDS_DATA_DIR") or None
    directory = expanded(data_dir or "~", "data_dir")  # by default TFDS uses ~
    with waiting("loading TensorFlow Datasets"):
        builder = _builder(name, data_dir and directory, known)
    shape, class_names, has_numbers = _image_features(builder, name)
    has_numbers = has_numbers and not reading.uses_first_rules
    has_16_bits = builder.info.features["image"].np_dtype == np.uint16
    require_16_bits(reading.bits, has_16_bits, builder.name)
    size = reading.image_size or _common_size(name, shape)
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
            reading.image_size,
            *([f"bits={reading.bits}"] if reading.bits else []),
            *(["numbers"] if has_numbers else []),
        ],
        lambda: Decoder(
            sum(split.num_examples for split in splits),
            (size, size, channels),
            class_names,
            lambda images, labels, work: _decode(
                builder, splits, notes, reading, has_numbers, images, labels, work
            ),
        ),
        builder.data_dir,
    )


def _builder(name: str, data_dir: str | None, known: Iterable[str]) -> tfds.core.DatasetBuilder:
    try:
        import tensorflow_datasets as tfds
        from tensorflow_datasets import list_builders  # TFDS only logs why it cannot be imported
    except ImportError as error:
        raise UserError(
            f"{name}: cannot import tensorflow-datasets ({error}); install it and run pip check",
            "dataset",
        ) from error
    base, rest = re.fullmatch(r"([^:/]*)(.*)", name, re.DOTALL).groups()
    base = base.lower().replace("-", "_")
    names = list_builders(with_community_datasets=False)
    if base not in names and not (data_dir and base and pathlib.Path(data_dir, base).is_dir()):
        hint = near(base, [*names, *known]) or f"; known are {', '.join(known)}"
        raise UserError(
            f"{name}: neither a folder, an .npz file nor a known data set{hint} "
            "(others: https://www.tensorflow.org/datasets/catalog)",
            "dataset",
        )
    try:
        with _own_features_only(name):
            return tfds.builder(base + rest, data_dir=data_dir)
    except UserError:
        raise
    except Exception as error:  # a builder's own code may raise anything
        raise UserError(f"{name}: TFDS cannot set it up ({_one_line(error)})", "dataset") from error


@contextlib.contextmanager
def _own_features_only(name: str) -> Iterator[None]:
    """Context in which feature classes of a prepared set that are not of TFDS raise UserError.

    TFDS imports the module of each class that features.json names, which executes it.
    """
    from tensorflow_datasets.core.features import feature

    connector = feature.FeatureConnector
    found_by_tfds = connector.__dict__["cls_from_name"]

    def checked(cls, python_class_name: str) -> type:
        if not python_class_name.startswith(_OWN_FEATURES):
            raise UserError(
                f"{name}: its features.json names the class {python_class_name}, and only classes "
                "of tensorflow_datasets are imported; write an .npz file or a folder of images",
                "dataset",
            )
        return found_by_tfds.__get__(None, cls)(python_class_name)

    connector.cls_from_name = classmethod(checked)
    try:
        yield
    finally:
        connector.cls_from_name = found_by_tfds


def _one_line(error: Exception) -> str:
    message = re.sub(r"^Failed to construct dataset .*?}\": ", "", str(error).strip())
    return (message.splitlines() or [type(error).__name__])[0][:300]


def _image_features(
    builder: tfds.core.DatasetBuilder, name: str
) -> tuple[tuple[int | None, ...], tuple[str, ...], bool]:
    """Return the shape (h, w, c) of the images, the class names, and whether labels are numbers.

    The shape has None where it varies. Numbers are integers without names of classes.
    """
    import tensorflow_datasets as tfds

    features = builder.info.features
    features = dict(features.items()) if isinstance(features, tfds.features.FeaturesDict) else {}
    image, label = features.get("image"), features.get("label")
    if not isinstance(image, tfds.features.Image):
        found = ", ".join(sorted(features)) or "none"
        raise UserError(f'{name}: not an image set: no feature "image", only {found}', "dataset")
    if image.np_dtype not in (np.uint8, np.uint16):
        raise UserError(f"{name}: expected uint8 or uint16 images, got {image.np_dtype}", "dataset")
    if isinstance(label, tfds.features.ClassLabel) and label.num_classes:
        return image.shape, tuple(map(label.int2str, range(label.num_classes))), False
    numeric = isinstance(label, tfds.features.Tensor) and label.shape == ()
    return image.shape, (), numeric and np.issubdtype(label.np_dtype, np.integer)


def _common_size(name: str, shape: tuple[int | None, ...]) -> int:
    height, width, _ = shape
    if height is None or height != width:
        sizes = f"{width} x {height} (width x height)" if height and width else "of many sizes"
        raise UserError(
            f"{name}: the images are {sizes}; set image_size=64 or another side", "dataset"
        )
    return height


def _prepare(builder: tfds.core.DatasetBuilder, name: str):
    """Download the set unless it is prepared.

    Without a network it fails within PROBE_SECONDS; TFDS itself would retry for minutes.
    """
    if builder.is_prepared():
        return
    where = pathlib.Path(builder.data_dir).parents[builder.info.full_name.count("/")]
    remedy = (
        "prepare it on a machine with a network and set data_dir or TFDS_DATA_DIR to its folder"
    )
    url = next(iter(builder.url_infos or ()), "https://storage.googleapis.com")
    if not any(map(os.environ.get, _PROXIES)) and not _reachable(url):
        host = urllib.parse.urlsplit(url).hostname
        raise UserError(
            f"{name}: not prepared in {where}, and cannot reach {host} to download it; {remedy}",
            "dataset",
        )
    try:
        builder.download_and_prepare()
    except Exception as error:  # a builder's own code may raise anything
        raise UserError(
            f"{name}: not prepared in {where}, and the download failed ({_one_line(error)}); "
            f"{remedy}",
            "dataset",
        ) from error


def _reachable(url: str) -> bool:
    """Return whether the host accepts a connection within PROBE_SECONDS.

    A thread bounds the time, since resolving the name has no timeout.
    """
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
    """Return the SplitInfo of the train split and of the test split, if any, and notes."""
    splits = {key: split for key, split in builder.info.splits.items() if split.num_examples}
    if "train" not in splits:
        found = ", ".join(splits) or "none"
        raise UserError(f"{name}: no train split; its splits are {found}", "dataset")
    test = next((key for key in ("test", "validation") if key in splits), None)
    notes = ["the validation split is used as the test split"] if test == "validation" else []
    return [splits["train"], *([splits[test]] if test else [])], notes


def _decode(
    builder: tfds.core.DatasetBuilder,
    splits: list[tfds.core.SplitInfo],
    notes: list[str],
    reading: Reading,
    has_numbers: bool,
    images: np.ndarray,
    labels: np.ndarray,
    work: Work,
) -> Decoded:
    """Decode the splits into images and labels, in the order of their records."""
    import tensorflow as tf
    import tensorflow_datasets as tfds

    shape, class_names, _ = _image_features(builder, builder.name)
    labelled = bool(class_names) or has_numbers
    size, channels = images.shape[2:]
    eight_bit = builder.info.features["image"].np_dtype == np.uint8
    unchanged = eight_bit and shape == images.shape[1:]
    conversions, counts, k = Conversions(reading.bits), [], 0
    for split in splits:
        start = k
        records = builder.as_dataset(
            split=split.name,
            shuffle_files=False,
            decoders=tfds.decode.PartialDecoding(
                {"image": True, "label": True} if labelled else {"image": True}
            ),
            read_config=tfds.ReadConfig(interleave_cycle_length=1, try_autocache=False),
        )
        try:
            for batch in tfds.as_numpy(records.batch(1 if None in shape else _BATCH).prefetch(2)):
                rows = slice(k, k + len(batch["image"]))
                if unchanged:
                    images[rows] = batch["image"]
                else:
                    for j, image in enumerate(batch["image"]):
                        images[k + j] = conversions.add(
                            convert_array(image, channels, size, reading.bits)
                        )
                if labelled:
                    labels[rows] = batch["label"]
                k = work.done = rows.stop
        except tf.errors.OpError as error:
            raise UserError(
                f"{builder.data_dir}: cannot read the {split.name} records ({_one_line(error)}); "
                f"prepare {builder.name} again"
            ) from error
        counts.append(k - start)
    notes = (*notes, *conversions.notes())
    if not has_numbers:
        return Decoded(*counts, notes=notes)
    names, problem = _number(labels[:k], counts[0])
    return Decoded(*counts, notes=(*notes, *problem), class_names=names)


def _number(labels: np.ndarray, train: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Replace integers by the numbers of their classes; return the names of these and a note.

    Negative ones are those of images without a label. If training images have some, or there are
    too many different values, no image gets a label.

    Args:
        labels: int64 [n], training images first; changed.
        train: number of training images.
    """
    known = labels >= 0
    if missing := train - np.count_nonzero(known[:train]):
        problem = f"those of {count(missing, 'training image')} are negative"
    else:
        (numbers,), names = numbered([labels[known]])
        if len(names) <= MOST_CLASSES:
            labels[known], labels[~known] = numbers, UNKNOWN
            return names, ()
        problem = f"they have {len(names):,} different values"
    labels[:] = UNKNOWN
    return (), (f"the labels are not used: {problem}",)
