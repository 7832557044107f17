"""Sets of TensorFlow Datasets: two made here without a network, two real ones if prepared."""

import json
import os
import socket
import struct
import time

import numpy as np
import pytest
import tensorflow_datasets as tfds

from benchmarks.fuzz import prepared_sets
from benchmarks.fuzz.examples import changed
from data import tfds_sets
from data.catalogue import load
from errors import UserError


def pixels(*shape, seed=0, dtype=np.uint8):
    top = np.iinfo(dtype).max
    return np.random.default_rng(seed).integers(0, top, shape, dtype=dtype, endpoint=True)


class TinySquares(tfds.core.GeneratorBasedBuilder):
    """Squares of one size with labels, a train and a test split."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self):
        features = {
            "image": tfds.features.Image(shape=(8, 8, 3)),
            "label": tfds.features.ClassLabel(names=["cat", "dog", "newt"]),
            "comment": tfds.features.Text(),
        }
        return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

    def _split_generators(self, dl_manager):
        return {"train": self._examples(0, 20), "test": self._examples(20, 25)}

    def _examples(self, first, last):
        for k in range(first, last):
            image = pixels(8, 8, 3, seed=k)
            yield f"{k:02}", {"image": image, "label": k % 3, "comment": "none"}

    def _generate_examples(self, **_):
        raise NotImplementedError


class TinyOdd(tfds.core.GeneratorBasedBuilder):
    """RGBA of many sizes without labels, a train and a validation split."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self):
        features = {"image": tfds.features.Image(shape=(None, None, 4))}
        return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

    def _split_generators(self, dl_manager):
        return {"train": self._examples(4), "validation": self._examples(2)}

    def _examples(self, count):
        for k in range(count):
            image = np.full((8 + k, 8, 4), (200, 100, 50, 0 if k else 255), np.uint8)
            yield str(k), {"image": image}

    def _generate_examples(self, **_):
        raise NotImplementedError


class TinyNumbers(tfds.core.GeneratorBasedBuilder):
    """Labels that are integers and no class labels: those of BUILDER_CONFIGS in turn."""

    VERSION = tfds.core.Version("1.0.0")
    BUILDER_CONFIGS = [  # noqa: RUF012, of TFDS
        tfds.core.BuilderConfig(name=name, version="1.0.0")
        for name in ("ages", "unknown", "unknown_test")
    ]
    LABELS = {  # noqa: RUF012
        "ages": ([30, 7, 30, 100], [7]),
        "unknown": ([3, -1, 3, 4], [4]),
        "unknown_test": ([3, 4, 3, 4], [-1]),
    }

    def _info(self):
        kind = tfds.features.Scalar(np.int32)
        if self.builder_config.name == "unknown_test":
            kind = tfds.features.Tensor(shape=(), dtype=np.int64)
        features = {"image": tfds.features.Image(shape=(8, 8, 1)), "label": kind}
        return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

    def _split_generators(self, dl_manager):
        train, test = self.LABELS[self.builder_config.name]
        return {"train": self._examples(train), "test": self._examples(test)}

    def _examples(self, labels):
        for k, label in enumerate(labels):
            yield str(k), {"image": np.full((8, 8, 1), abs(label), np.uint8), "label": label}

    def _generate_examples(self, **_):
        raise NotImplementedError


class TinyTable(tfds.core.GeneratorBasedBuilder):
    """No images."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self):
        features = {"text": tfds.features.Text(), "label": tfds.features.ClassLabel(num_classes=2)}
        return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

    def _split_generators(self, dl_manager):
        raise NotImplementedError

    def _generate_examples(self, **_):
        raise NotImplementedError


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    data_dir = str(tmp_path_factory.mktemp("tfds"))
    for builder in (TinySquares, TinyOdd):
        builder(data_dir=data_dir).download_and_prepare()
    for config in TinyNumbers.BUILDER_CONFIGS:
        TinyNumbers(config=config.name, data_dir=data_dir).download_and_prepare()
    return data_dir


@pytest.fixture
def no_network(monkeypatch):
    """No proxy, and a host name service that answers too late."""

    def wait(*_, **__):
        time.sleep(20)
        raise TimeoutError

    for proxy in tfds_sets._PROXIES:
        monkeypatch.delenv(proxy, raising=False)
    monkeypatch.setattr(socket, "create_connection", wait)


def test_load_of_a_tfds_set_returns_its_images_and_labels(prepared):
    data = load("tiny_squares", data_dir=prepared)
    assert data.name == "tiny_squares"
    assert data.class_names == ("cat", "dog", "newt")
    assert data.image_shape == (8, 8, 3)
    assert data.notes == ()
    for split, name in ((data.train, "train"), (data.test, "test")):
        examples = list(tfds.as_numpy(tfds.load("tiny_squares", split=name, data_dir=prepared)))
        np.testing.assert_array_equal(split.images, [e["image"] for e in examples])
        np.testing.assert_array_equal(split.labels, [e["label"] for e in examples])
        assert split.labels.dtype == np.int64
    made = {pixels(8, 8, 3, seed=k).tobytes(): k % 3 for k in range(20)}
    assert [made[image.tobytes()] for image in data.train.images] == data.train.labels.tolist()


def test_load_of_a_cached_tfds_set_decodes_nothing(prepared, monkeypatch):
    first = load("tiny_squares", data_dir=prepared)
    monkeypatch.setattr(tfds_sets, "_decode", None)
    second = load("tiny_squares", data_dir=prepared)
    np.testing.assert_array_equal(first.test.images, second.test.images)
    assert first.fingerprint == second.fingerprint
    with pytest.raises(TypeError):
        load("tiny_squares", data_dir=prepared, image_size=4)


def test_load_of_a_tfds_set_of_many_sizes_requires_image_size(prepared):
    with pytest.raises(UserError, match=r"many sizes; set image_size=64"):
        load("tiny_odd", data_dir=prepared)


def test_load_of_rgba_images_converts_and_counts_them(prepared):
    data = load("tiny_odd", data_dir=prepared, image_size=8)
    assert (data.train.labels, data.test.labels, data.class_names) == (None, None, ())
    assert sorted(data.train.images[:, 0, 0].tolist()) == [[200, 100, 50]] + [[255, 255, 255]] * 3
    assert len(data.test.images) == 2
    assert data.notes == (
        "the validation split is used as the test split",
        "6 RGBA images composited over white",
        "4 images cropped to the centre square",
    )


def test_integer_labels_of_a_tfds_set_are_numbered_by_ascending_value(prepared):
    data = load("tiny_numbers/ages", data_dir=prepared)
    again = load("tiny_numbers/ages", data_dir=prepared)
    assert data.class_names == again.class_names == ("7", "30", "100")
    named = np.array([7, 30, 100])[data.train.labels]
    np.testing.assert_array_equal(data.train.images[:, 0, 0, 0], named)
    assert data.class_counts() == {"7": 1, "30": 2, "100": 1}
    assert data.test.labels.tolist() == [0]
    assert load("tiny_numbers/ages", data_dir=prepared, rules=1).class_names == ()


def test_negative_labels_of_a_tfds_set_are_no_classes(prepared):
    data = load("tiny_numbers/unknown", data_dir=prepared)
    assert (data.train.labels, data.test.labels, data.class_names) == (None, None, ())
    assert data.notes == ("the labels are not used: those of 1 training image are negative",)
    data = load("tiny_numbers/unknown_test", data_dir=prepared)
    assert (data.test.labels, data.class_names, data.notes) == (None, ("3", "4"), ())


def test_load_of_a_tfds_set_without_images_raises(tmp_path):
    with pytest.raises(UserError, match='not an image set: no feature "image", only label, text'):
        load("tiny_table", data_dir=str(tmp_path))


def test_data_dir_overrides_the_environment(prepared, tmp_path, monkeypatch, no_network):
    monkeypatch.setattr(tfds_sets, "PROBE_SECONDS", 0.1)
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "environment"))
    with pytest.raises(UserError, match=f"not prepared in {tmp_path}/environment"):
        load("tiny_squares")
    assert len(load("tiny_squares", data_dir=prepared).train.images) == 20
    monkeypatch.setenv("TFDS_DATA_DIR", prepared)
    assert len(load("tiny_squares").train.images) == 20
    with pytest.raises(UserError, match=f"not prepared in {tmp_path}/flag"):
        load("tiny_squares", data_dir=str(tmp_path / "flag"))


@pytest.mark.parametrize("name", ["svhn_cropped", "emnist/letters"])
def test_load_without_a_network_raises_within_seconds(tmp_path, no_network, name):
    start = time.monotonic()
    with pytest.raises(UserError, match=r"set data_dir or TFDS_DATA_DIR") as refusal:
        load(name, data_dir=str(tmp_path))
    assert time.monotonic() - start < 10
    assert str(refusal.value).startswith(
        f"dataset: {name}: not prepared in {tmp_path}, and cannot "
    )
    assert "\n" not in str(refusal.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("proxy", [False, True])
def test_load_with_a_network_or_a_proxy_downloads_the_set(tmp_path, no_network, monkeypatch, proxy):
    if proxy:
        monkeypatch.setenv("HTTPS_PROXY", "http://proxy:3128")
    else:
        monkeypatch.setattr(tfds_sets, "_reachable", lambda url: url.startswith("https://"))
    assert len(load("tiny_squares", data_dir=str(tmp_path)).train.images) == 20


def test_load_with_a_failing_download_raises_its_first_line(tmp_path, monkeypatch):
    def fail(self):
        raise ConnectionError("first line\nsecond line")

    monkeypatch.setattr(tfds_sets, "_reachable", lambda _: True)
    monkeypatch.setattr(TinySquares, "download_and_prepare", fail)
    with pytest.raises(UserError, match=r"the download failed \(first line\); prepare it on"):
        load("tiny_squares", data_dir=str(tmp_path))


def test_load_of_damaged_records_raises_with_the_split(tmp_path):
    TinySquares(data_dir=str(tmp_path)).download_and_prepare()
    for record in tmp_path.rglob("*-train.*"):
        content = bytearray(record.read_bytes())
        content[len(content) // 2] ^= 255
        record.write_bytes(content)
    with pytest.raises(
        UserError, match=r"cannot read the train records .*; prepare tiny_squares again"
    ):
        load("tiny_squares", data_dir=str(tmp_path))


@pytest.mark.parametrize(
    ("name", "first_class"), [("CIFAR10", "airplane"), ("FASHION_MNIST", "T-shirt/top")]
)
def test_load_of_a_published_tfds_set_equals_its_records(name, first_class):
    if not os.environ.get("TFDS_DATA_DIR"):
        pytest.skip(f"{name}: TFDS_DATA_DIR is not set")
    builder = tfds.builder(name.lower(), data_dir=os.environ["TFDS_DATA_DIR"])
    if not builder.is_prepared():
        pytest.skip(f"{name} is not prepared in TFDS_DATA_DIR")
    data = load(name)
    assert data.class_names[0] == first_class
    assert len(set(np.bincount(data.train.labels))) == 1
    assert len(data.test.images) == len(data.test.labels) == 10000
    for split, part in (("train", data.train), ("test", data.test)):
        records = builder.as_dataset(split=split, shuffle_files=False).skip(1000).take(3)
        for k, record in enumerate(tfds.as_numpy(records), 1000):
            np.testing.assert_array_equal(part.images[k], record["image"])
            assert part.labels[k] == record["label"]


def write_set(folder, changes=(), shard=None, labels="classes"):
    """Write a prepared set of three images, whose description and features have changes."""
    described = prepared_sets.description(), prepared_sets.features(labels)
    place = folder / prepared_sets.PLAIN / "1.0.0"
    place.mkdir(parents=True)
    for name, content in zip(("dataset_info.json", "features.json"), described, strict=True):
        here = [(path[1:], value) for path, value in changes if path[0] == name]
        (place / name).write_text(json.dumps(changed(content, here)))
    whole = prepared_sets.records([(prepared_sets.image_files()[0], [k]) for k in range(3)])
    file = place / f"{prepared_sets.PLAIN}-train.tfrecord-00000-of-00001"
    file.write_bytes(whole if shard is None else shard)
    return {"name": prepared_sets.PLAIN, "data_dir": str(folder)}


FEATURES = ("features.json", "featuresDict", "features")
DIMENSIONS = (*FEATURES, "image", "image", "shape", "dimensions")
CLASSES = (*FEATURES, "label", "classLabel", "numClasses")
SHARDS = ("dataset_info.json", "splits", 0, "shardLengths")
FORMAT = ("dataset_info.json", "fileFormat")
TEMPLATE = (*SHARDS[:-1], "filepathTemplate")
AGAIN = "; prepare stranger_set again"


def test_set_of_a_stranger_that_is_whole_is_read(tmp_path):
    data = load(**write_set(tmp_path))
    assert data.class_names == ("0", "1", "2")
    assert data.train.labels.tolist() == [0, 1, 2]
    np.testing.assert_array_equal(data.train.images, np.full((3, 8, 8, 3), 7))


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        (
            [(CLASSES, "1000000000000")],
            "stranger_set: it has 1,000,000,000,000 classes, and there may be at most 65,536",
        ),
        (
            [(DIMENSIONS, ["65536", "65536", "3"])],
            "stranger_set: expected images [h, w, c] with sides up to 65,535, got (65536, 65536, ",
        ),
        (
            [(DIMENSIONS, ["2", "8", "8", "3"])],
            "stranger_set: expected images [h, w, c] with sides up to 65,535, got (2, 8, 8, 3)",
        ),
        (
            [(SHARDS, ["4611686018427387904"])],
            "too few for the 4,611,686,018,427,387,904 records that dataset_info.json promises",
        ),
        ([(SHARDS, ["2"])], "cannot read the train records (Input dataset was expected to contain"),
        ([(SHARDS, ["4"])], "cannot read the train records (Input dataset was expected to contain"),
        ([(SHARDS, ["2", "1"])], "stranger_set-train.tfrecord-00000-of-00002: no such file"),
        (
            [(FORMAT, "array_record"), (TEMPLATE, "{DATASET}-{SPLIT}.tfrecord-{SHARD_X_OF_Y}")],
            "cannot read the train records (",
        ),
        ([(CLASSES, "2")], f"cannot read the train records (a label is 2, of 2 classes){AGAIN}"),
        (
            [(DIMENSIONS, ["9", "9", "3"])],
            "expected [?,9,9,3] but got [3,8,8,3]",
        ),
    ],
)
def test_set_that_promises_what_its_files_have_not_is_one_line(tmp_path, changes, line):
    with pytest.raises(UserError) as refusal:
        load(**write_set(tmp_path, changes))
    assert line in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_image_of_one_pixel_is_not_repeated(tmp_path):
    shard = prepared_sets.records([(prepared_sets.image_files()[1], [0])] * 3)
    with pytest.raises(UserError, match=r"expected \[\?,8,8,3\] but got"):
        load(**write_set(tmp_path, shard=shard))


@pytest.mark.parametrize(
    ("side", "shape", "most"),
    [(9, ["8", "8", "3"], "64"), (9500, ["-1", "-1", "3"], "89,000,000")],
)
@pytest.mark.parametrize("kind", ["PNG", "GIF", "JPEG"])
def test_image_that_promises_too_many_pixels_is_not_decoded(tmp_path, kind, side, shape, most):
    jpeg = next(file for file in prepared_sets.whole_files() if file.startswith(b"\xff\xd8"))
    frame = jpeg.index(b"\xff\xc0") + 5
    header = {
        "PNG": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + struct.pack(">II", side, side) + b"\x08\2\0\0\0",
        "GIF": b"GIF89a" + struct.pack("<HH", side, side) + bytes(3),
        "JPEG": jpeg[:frame] + struct.pack(">HH", side, side) + jpeg[frame + 4 :],
    }[kind]
    shard = prepared_sets.records([(header, [0])] * 3)
    with pytest.raises(
        UserError, match=rf"train records \(an image has more than {most} pixels\); "
    ):
        load(**write_set(tmp_path, [(DIMENSIONS, shape)], shard), image_size=8)


@pytest.mark.parametrize("start", [b"RIFF", b"\xff\x0a", b"", b"\x89PNG\r\n\x1a\n" + bytes(16)])
def test_image_of_a_format_without_a_limit_is_not_decoded(tmp_path, start):
    shard = prepared_sets.records([(start, [0])] * 3)
    with pytest.raises(
        UserError, match=r"train records \(an image is no PNG, JPEG, GIF or BMP file"
    ):
        load(**write_set(tmp_path, shard=shard))
