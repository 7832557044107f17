"""Fuzz of prepared sets of TensorFlow Datasets: descriptions, features, shards of records."""

import copy
import functools
import io
import struct
import tempfile
from collections.abc import Sequence
from pathlib import Path
from unittest import mock

import numpy as np
from hypothesis import strategies as st
from PIL import Image

from benchmarks.fuzz.examples import (
    DELETED,
    FLIPS,
    IN_MEMORY,
    JSON,
    damaged,
    encoded,
    files,
    flipped,
)
from benchmarks.fuzz.image_folders import PNG, check_read, chunk, whole_files, zeros
from benchmarks.fuzz.limits import TRAP
from data import tfds_sets

SIDE = 8
OWN = "tensorflow_datasets.core.features."
CLASSES = (
    "image_feature.Image", "class_label_feature.ClassLabel", "features_dict.FeaturesDict",
    "sequence_feature.Sequence", "dataset_feature.Dataset", "text_feature.Text",
    "tensor_feature.Tensor", "scalar.Scalar", "video_feature.Video", "audio_feature.Audio",
    "labeled_image.LabeledImage", "optional_feature.Optional", "feature.FeatureConnector",
    "gone.Gone", "feature.importlib",
)  # fmt: skip
PLAIN = "stranger_set"
KNOWN = "mnist"  # its features are those of its builder
VALUES = st.one_of(
    st.sampled_from([OWN + name for name in CLASSES]),
    st.sampled_from([f"{TRAP}.Image", TRAP, f"{OWN}../{TRAP}.Image", "tensorflow_datasets.Image"]),
    st.sampled_from(["0", "1", "2", "-1", "3", "10000000000000", "65537", "uint16", "float32"]),
    st.sampled_from(["int64", "string", "tfrecord", "array_record", "riegeli", "parquet", "bagz"]),
    st.sampled_from(["/etc/passwd", "../../x", "{DATASET}", "{X}", "train", "test", "2.0.0"]),
    st.sampled_from([["8", "8", "1"], ["-1", "-1", "3"], ["8"], ["0", "8", "3"], ["65536"] * 3]),
    st.sampled_from([["3"], ["2"], ["1", "1"], ["4611686018427387904"], ["-3"], [], DELETED]),
    JSON,
)


@functools.cache
def description() -> dict:
    """Return the content of dataset_info.json."""
    split = {
        "name": "train",
        "numBytes": "600",
        "shardLengths": ["3"],
        "filepathTemplate": "{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}",
    }
    about = {"name": PLAIN, "version": "1.0.0", "fileFormat": "tfrecord", "splits": [split]}
    return {**about, "moduleName": f"{TRAP}.Builder", "description": "x", "citation": "x"}


@functools.cache
def features(labels: str) -> dict:
    """Return the content of features.json with labels that are "classes", "numbers" or "none"."""
    shape = {"dimensions": [str(SIDE), str(SIDE), "3"]}
    image = {"shape": shape, "dtype": "uint8", "encodingFormat": "png"}
    found = {"image": {"image": image, "pythonClassName": f"{OWN}image_feature.Image"}}
    number = {"tensor": {"shape": {}, "dtype": "int64", "encoding": "none"}}
    found |= {
        "classes": {
            "label": {
                "classLabel": {"numClasses": "3"},
                "pythonClassName": f"{OWN}class_label_feature.ClassLabel",
            }
        },
        "numbers": {"label": {**number, "pythonClassName": f"{OWN}scalar.Scalar"}},
        "none": {},
    }[labels]
    name = f"{OWN}features_dict.FeaturesDict"
    return {"featuresDict": {"features": found}, "pythonClassName": name}


@functools.cache
def image_files() -> tuple[bytes, ...]:
    """Return files of images: those that fit first, then of other sizes and formats."""

    def png(*shape: int) -> bytes:
        file = io.BytesIO()
        Image.fromarray(np.full(shape, 7, np.uint8)).save(file, "PNG")
        return file.getvalue()

    def promised(side: int) -> bytes:
        header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
        return PNG + b"".join(
            (chunk(b"IHDR", header), chunk(b"IDAT", zeros(3)), chunk(b"IEND", b""))
        )

    others = [png(1, 1, 3), png(SIDE, 9, 3), png(40, 40, 3), png(SIDE, SIDE), b"", b"x"]
    huge = [promised(side) for side in (0, 9433, 20_000, 2**31 - 1)]
    return (png(SIDE, SIDE, 3), *others, *huge, *whole_files())


def records(examples: Sequence[tuple[bytes, list[int]]]) -> bytes:
    """Return TFRecords of images and labels."""
    import tensorflow as tf

    def feature(values: list) -> tf.train.Feature:
        if values and isinstance(values[0], bytes):
            return tf.train.Feature(bytes_list=tf.train.BytesList(value=values))
        return tf.train.Feature(int64_list=tf.train.Int64List(value=values))

    with tempfile.NamedTemporaryFile(dir=IN_MEMORY) as file:
        with tf.io.TFRecordWriter(file.name) as writer:
            for image, labels in examples:
                content = {"image": feature([image]), "label": feature(labels)}
                example = tf.train.Example(features=tf.train.Features(feature=content))
                writer.write(example.SerializeToString())
        return Path(file.name).read_bytes()


@st.composite
def shards(draw: st.DrawFn) -> bytes | None:
    """Return files of records; None for a missing one."""
    kind = draw(st.sampled_from(["whole"] * 8 + ["missing", "cut", "flipped", "bytes", "length"]))
    if kind == "missing":
        return None
    if kind == "bytes":
        return draw(st.binary(max_size=80))
    fitting = st.just(image_files()[0])
    images = st.one_of(fitting, fitting, fitting, st.sampled_from(image_files()))
    labels = st.sampled_from([[0], [1], [2], [0], [1], [3], [-1], [-9], [2**62], [], [0, 1]])
    count = draw(st.sampled_from([3, 3, 3, 3, 3, 2, 4, 0]))
    content = records([(draw(images), draw(labels)) for _ in range(count)])
    if kind == "cut":
        return content[: len(content) * draw(st.integers(0, 63)) // 64]
    if kind == "length":  # of the first record, with a wrong checksum
        return struct.pack("<Q", draw(st.sampled_from([0, 2**40, 2**63]))) + content[8:]
    return flipped(content, draw(FLIPS)) if kind == "flipped" else content


@st.composite
def sets(draw: st.DrawFn) -> tuple[str, dict[str, bytes], dict]:
    """Return the name of a set, its files by relative path, and options of the reading."""
    name = draw(st.sampled_from([PLAIN] * 6 + [KNOWN]))
    version, about = "1.0.0", description()
    if name == KNOWN:
        version = "3.0.1"
        about = {**copy.deepcopy(about), "name": KNOWN, "version": version}
    labels = draw(st.sampled_from(["classes", "classes", "numbers", "none"]))
    whole = st.sampled_from([True, True, False])
    parts = {
        "dataset_info.json": (about, whole),
        "features.json": (features(labels), whole),
    }
    found = {}
    for file, (content, intact) in parts.items():
        made = encoded(content, ()) if draw(intact) else draw(damaged(content, VALUES))
        if draw(st.integers(0, 30)):
            found[f"{name}/{version}/{file}"] = made
    shard = draw(shards())
    if shard is not None:
        found[f"{name}/{version}/{name}-train.tfrecord-00000-of-00001"] = shard
    if draw(st.integers(0, 3)) == 0:
        found[f"{name}/{version}/label.labels.txt"] = draw(
            st.sampled_from([b"a\nb\nc\n", b"a\n", b"a\na\na", b"\xff\n\x1b\nc", b""])
        )
    options = {
        "image_size": draw(st.sampled_from([None, None, None, 4])),
        "rules": draw(st.sampled_from([2, 2, 2, 1])),
    }
    return name, found, options


def check_set(example: tuple[str, dict[str, bytes], dict]) -> None:
    """Read a prepared set, which may not change; nothing may be downloaded."""
    name, found, options = example
    with tempfile.TemporaryDirectory(dir=IN_MEMORY) as place:
        folder = Path(place) / "sets"
        folder.mkdir()
        for path, content in found.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(content)
        before = files(folder)
        with mock.patch.object(tfds_sets, "_reachable", return_value=False):
            check_read(name, Path(place) / "cache", data_dir=str(folder), **options)
        assert files(folder) == before
