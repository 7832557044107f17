"""Image sets of TensorFlow Datasets by name. Importing this module does not import TFDS."""

from __future__ import annotations

import contextlib
import functools
import math
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
from data.reading import DEFAULT, MAX_IMAGE_PIXELS, Reading
from errors import UserError, near
from storage.memory import described
from storage.paths import expanded
from waiting import Work, waiting

if TYPE_CHECKING:
    import tensorflow as tf
    import tensorflow_datasets as tfds

PROBE_SECONDS = 3.0
_PROXIES = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy")
_BATCH, _BATCH_BYTES = 512, 2**26  # images and bytes that are decoded at once, at most
_LONGEST_SIDE = 2**16 - 1
# What TensorFlow writes before a message: nodes and iterators.
_OF_TENSORFLOW = re.compile(
    r"^(?:\{\{function_node .*?\}\} )?"
    r"(?:Error in user-defined function passed to \S+ transformation with iterator: \S+: )?"
    r"(?:\{\{function_node .*?\}\} )?"
)
_RECORD = 16  # bytes of a TFRecord beside its content
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
    with _one_line_of_tfds(f"{name}: TFDS cannot read its features"):
        shape, class_names, has_numbers = _image_features(builder, name)
    has_numbers = has_numbers and not reading.uses_first_rules
    has_16_bits = builder.info.features["image"].np_dtype == np.uint16
    require_16_bits(reading.bits, has_16_bits, builder.name)
    size = reading.image_size or _common_size(name, shape)
    _prepare(builder, name)
    with _one_line_of_tfds(f"{name}: TFDS cannot read its splits"):
        splits, notes = _chosen_splits(builder, name)
        _require_files(splits, name)
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
    with _one_line_of_tfds(f"{name}: TFDS cannot set it up"), _own_features_only(name):
        return tfds.builder(base + rest, data_dir=data_dir)


@contextlib.contextmanager
def _one_line_of_tfds(problem: str, advice: str = "") -> Iterator[None]:
    """Context of calls of TFDS and of a builder's own code, whose errors become a UserError."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        raise UserError(f"{problem} ({_one_line(error)}){advice}", "dataset") from error


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
    message = _OF_TENSORFLOW.sub("", message)
    message = re.sub(r"^assertion failed: \[(.*?)\].*", r"\1", message, flags=re.DOTALL)
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
    if len(image.shape) != 3 or not all(
        side is None or 0 < side <= _LONGEST_SIDE for side in image.shape
    ):
        raise UserError(
            f"{name}: expected images [h, w, c] with sides up to {_LONGEST_SIDE:,}, got "
            f"{image.shape}",
            "dataset",
        )
    if image.np_dtype not in (np.uint8, np.uint16):
        raise UserError(f"{name}: expected uint8 or uint16 images, got {image.np_dtype}", "dataset")
    if isinstance(label, tfds.features.ClassLabel) and label.num_classes:
        if label.num_classes > MOST_CLASSES:
            raise UserError(
                f"{name}: it has {label.num_classes:,} classes, and there may be at most "
                f"{MOST_CLASSES:,}",
                "dataset",
            )
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


def _require_files(splits: list[tfds.core.SplitInfo], name: str) -> None:
    """Raise UserError if the files of splits cannot have as many records as the set promises."""
    for split in splits:
        paths = [pathlib.Path(path) for path in split.filepaths]
        if missing := [path for path in paths if not path.is_file()]:
            raise UserError(f"{missing[0]}: no such file; prepare {name} again", "dataset")
        size = sum(path.stat().st_size for path in paths)
        if split.num_examples * _RECORD > size:
            raise UserError(
                f"{name}: the files of the {split.name} split have {described(size)}, too few for "
                f"the {split.num_examples:,} records that dataset_info.json promises; prepare it "
                "again",
                "dataset",
            )


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
    import tensorflow_datasets as tfds

    shape, class_names, _ = _image_features(builder, builder.name)
    labelled = bool(class_names) or has_numbers
    size, channels = images.shape[2:]
    eight_bit = builder.info.features["image"].np_dtype == np.uint8
    unchanged = eight_bit and shape == images.shape[1:]
    conversions, counts, k = Conversions(reading.bits), [], 0
    varies = None in shape
    most = MAX_IMAGE_PIXELS if varies else shape[0] * shape[1]
    at_once = 1 if varies else max(min(_BATCH, _BATCH_BYTES // math.prod(shape)), 1)
    limited = tfds.decode.make_decoder()(functools.partial(_decoded, most=most))
    for split in splits:
        start = k
        problem = f"{builder.data_dir}: cannot read the {split.name} records"
        with _one_line_of_tfds(problem, f"; prepare {builder.name} again"):
            records = builder.as_dataset(
                split=split.name,
                shuffle_files=False,
                decoders=tfds.decode.PartialDecoding(
                    {"image": True, "label": True} if labelled else {"image": True},
                    decoders={"image": limited()},
                ),
                read_config=tfds.ReadConfig(interleave_cycle_length=1, try_autocache=False),
            )
            for batch in tfds.as_numpy(records.batch(at_once).prefetch(2)):
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
            if class_names and labels[start:k].max() >= len(class_names):
                raise ValueError(
                    f"a label is {labels[start:k].max()}, of {len(class_names)} classes"
                )
        counts.append(k - start)
    notes = (*notes, *conversions.notes())
    if not has_numbers:
        return Decoded(*counts, notes=notes)
    names, problem = _number(labels[:k], counts[0])
    return Decoded(*counts, notes=(*notes, *problem), class_names=names)


def _decoded(serialized: tf.Tensor, feature: tfds.features.Image, most: int) -> tf.Tensor:
    """Return the pixels of an image file; an error before it is decoded if it has too many.

    Args:
        serialized: bytes of the file.
        feature: the feature.
        most: number of pixels.
    """
    import tensorflow as tf

    def sides(position: int, kind: tf.DType, little: bool) -> tf.Tensor:
        both = tf.strings.substr(serialized, position, 2 * kind.size)
        return tf.cast(tf.io.decode_raw(both, kind, little_endian=little), tf.int64)

    def begins_with(start: bytes) -> tf.Tensor:
        return tf.equal(tf.strings.substr(serialized, 0, len(start)), start)

    found = tf.case(
        [
            (begins_with(b"\x89PNG"), lambda: sides(16, tf.int32, False)),
            (begins_with(b"GIF8"), lambda: sides(6, tf.uint16, True)),
            (
                begins_with(b"\xff\xd8"),
                lambda: tf.cast(tf.io.extract_jpeg_shape(serialized)[:2], tf.int64),
            ),
            # TensorFlow requires all bytes of a BMP file.
            (begins_with(b"BM"), lambda: tf.constant([1, 1], tf.int64)),
        ],
        default=lambda: tf.constant([0, 0], tf.int64),
    )
    pixels = tf.reduce_prod(found)
    checks = [
        tf.debugging.Assert(
            tf.reduce_all(found > 0), ["an image is no PNG, JPEG, GIF or BMP file"]
        ),
        tf.debugging.Assert(pixels <= most, [f"an image has more than {most:,} pixels"]),
    ]
    with tf.control_dependencies(checks):
        return feature.decode_example(tf.identity(serialized))


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
