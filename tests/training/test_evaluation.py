"""Measuring a model: real images and their cache, codes, baselines, and nearest neighbours."""

import dataclasses

import keras
import numpy as np
import pytest
import scipy.ndimage
import tensorflow as tf

from data import ImageData, Split
from data.image_data import fingerprint
from errors import UserError
from evaluation.features import Extractor
from fields import listed
from metrics import factors
from metrics.measurement import Measurement
from models.autoencoder import Autoencoder
from models.base import GenerativeModel
from models.latents import Latents, noise, one_hot
from models.stylegan import StyleGAN
from models.vae import VAE
from training import evaluation
from training.evaluation import CLUSTERS, CODES, FACTORS, PIXELS, STROKES, RealImages, Stopwatch


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """An empty cache."""
    monkeypatch.setenv("GAN_ZOO_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "statistics"


def pictures(n, seed, classes=None):
    """Random images of 4 by 4 pixels; with labels, which the first pixel shows, of classes."""
    random = np.random.default_rng(seed)
    images = random.integers(0, 256, (n, 4, 4, 1), np.uint8)
    labels = None
    if classes:
        labels = random.permutation(np.arange(n) % classes)
        images[:, 0, 0, 0] = 20 * labels
    return Split(images, labels)


def data_of(train, test, classes=0, name="Set"):
    names = tuple(map(str, range(classes)))
    return ImageData(name, train, test, names, fingerprint(train, test))


@pytest.fixture
def unlabelled():
    """300 training and 120 test images."""
    return data_of(pictures(300, 1), pictures(120, 2))


@pytest.fixture
def extractor():
    """Its features are pixels; `calls` lists how many images it was given at a time."""
    calls = []

    def network(images):
        calls.append(len(images))
        return images.reshape(len(images), -1).astype(np.float32), None

    found = Extractor("pixels", "00", "none", 16, network, batch_size=50)
    object.__setattr__(found, "calls", calls)
    return found


def assert_same(one, other):
    assert one.n == other.n
    np.testing.assert_array_equal(one.features, other.features)
    np.testing.assert_allclose(one.moments.mean, other.moments.mean, rtol=1e-12)
    np.testing.assert_allclose(one.moments.covariance, other.moments.covariance, rtol=1e-12)


# Real images.


@pytest.mark.parametrize("split", ["test", "train"])
def test_real_images_are_those_of_the_split_in_random_order(unlabelled, extractor, split):
    real = RealImages(unlabelled, split, extractor)
    images = getattr(unlabelled, split).images
    assert real.split == split
    assert real.images.images is images
    assert real.pixels.count == real.statistics.n == len(images)
    assert real.pixels.mean == pytest.approx(images.mean())
    rows, features = images.reshape(len(images), -1), real.statistics.features
    assert sorted(map(tuple, features)) == sorted(map(tuple, rows))
    assert (features[:20] != rows[:20]).any()


def test_where_there_is_no_test_split_it_is_train(unlabelled, extractor):
    real = RealImages(dataclasses.replace(unlabelled, test=None), "test", extractor)
    assert real.split == "train"
    assert real.images is unlabelled.train


def test_statistics_are_kept_and_read_the_second_time(unlabelled, extractor, cache):
    first = RealImages(unlabelled, "test", extractor).statistics
    assert extractor.calls == [50] * 3  # of 120 images
    (file,) = cache.iterdir()
    again = RealImages(unlabelled, "test", extractor).statistics
    assert len(extractor.calls) == 3
    assert_same(first, again)
    assert list(cache.iterdir()) == [file]


def test_what_decides_about_the_statistics_is_their_content(unlabelled, extractor, cache):
    """The same images elsewhere share them; other images or another network do not."""

    def entries(data, split, extractor):
        assert len(RealImages(data, split, extractor).statistics.features) == len(
            getattr(data, split).images
        )
        return len(list(cache.iterdir()))

    assert entries(unlabelled, "test", extractor) == 1
    renamed = dataclasses.replace(unlabelled, name="Elsewhere")
    assert entries(renamed, "test", extractor) == 1
    faster = dataclasses.replace(extractor, batch_size=10)
    assert entries(unlabelled, "test", faster) == 1
    assert entries(unlabelled, "train", extractor) == 2
    other = data_of(unlabelled.train, pictures(120, 3))
    assert entries(other, "test", extractor) == 3
    for count, change in enumerate(
        ({"sha256": "01"}, {"resizing": "to 8 x 8"}, {"name": "others"}), start=4
    ):
        assert entries(unlabelled, "test", dataclasses.replace(extractor, **change)) == count


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: b"garbage",
        lambda content: content[: len(content) // 2],
        lambda content: content[:200] + bytes(64) + content[264:],
        lambda content: content.replace(b"mean", b"maen"),
        lambda content: content[: content.index(b"PK\x01\x02") + 8] + bytes([1]) * 50,
        lambda content: (
            b"\x93NUMPY\x01\x00v\x00{'descr': '<f8', 'fortran_order': False, "
            b"'shape': (1,), }".ljust(128)
            + bytes(8)
        ),
    ],
)
def test_a_damaged_file_of_the_cache_is_made_again(unlabelled, extractor, cache, damage):
    first = RealImages(unlabelled, "test", extractor).statistics
    (file,) = cache.iterdir()
    content = file.read_bytes()
    file.write_bytes(damage(content))
    assert_same(RealImages(unlabelled, "test", extractor).statistics, first)
    assert file.read_bytes() == content
    assert len(extractor.calls) == 6


def test_statistics_are_had_also_where_they_cannot_be_kept(unlabelled, extractor, cache):
    cache.parent.write_text("in the way")
    assert RealImages(unlabelled, "test", extractor).statistics.n == 120


def test_a_single_real_image_is_a_reason_and_no_end(extractor):
    real = RealImages(data_of(pictures(9, 1), pictures(1, 2)), "test", extractor)
    draw = evaluation.baselines(real.data.train)["training images"]
    found, _ = evaluation.measure_samples(draw, 9, 0, real, ["fd_pixels"], Stopwatch())
    assert found["fd_pixels"].value is None
    assert found["fd_pixels"].protocol["reason"] == "needs at least 2 images, there are 1"


# Batches.


def test_batches_hold_all_images_in_their_order():
    split = pictures(520, 0)
    batches = list(evaluation.in_batches(split))
    assert [len(batch) for batch in batches] == [250, 250, 20]
    np.testing.assert_array_equal(np.concatenate(batches), split.images)


@pytest.mark.parametrize("most", [1, 250, 300, 520, 900])
def test_of_batches_there_may_be_the_first_only(most):
    split = pictures(520, 0)
    some = np.concatenate(list(evaluation.in_batches(split, most=most)))
    np.testing.assert_array_equal(some, split.images[:most])
    shuffled = np.concatenate(list(evaluation.in_batches(split, seed=4)))
    some = np.concatenate(list(evaluation.in_batches(split, seed=4, most=most)))
    np.testing.assert_array_equal(some, shuffled[:most])


def test_the_order_is_that_of_the_seed():
    split = pictures(60, 0)
    one, same, other = (
        np.concatenate(list(evaluation.in_batches(split, seed=seed))) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()
    assert sorted(map(bytes, one)) == sorted(map(bytes, split.images))


# Baselines.


def test_baselines_are_training_images_those_blurred_and_noise(unlabelled):
    train = unlabelled.train
    draws = {
        name: np.concatenate(list(draw(270, 3)))
        for name, draw in evaluation.baselines(train).items()
    }
    assert list(draws) == ["training images", "blurred", "uniform noise"]
    for images in draws.values():
        assert images.shape == (270, 4, 4, 1)
        assert images.dtype == np.uint8
    real, blurred, noise = draws.values()
    assert len(set(map(bytes, real))) == 270
    assert set(map(bytes, real)) <= set(map(bytes, train.images))
    np.testing.assert_array_equal(blurred[0, ..., 0], scipy.ndimage.gaussian_filter(
        real[0, ..., 0], 1
    ))  # fmt: skip
    assert noise.mean() == pytest.approx(127.5, abs=6)
    assert not set(map(bytes, noise)) & set(map(bytes, train.images))


@pytest.mark.parametrize("name", ["training images", "blurred", "uniform noise"])
def test_a_baseline_is_a_function_of_its_seed(unlabelled, name):
    draw = evaluation.baselines(unlabelled.train)[name]
    one, same, other = (np.concatenate(list(draw(30, seed))) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()


# Names.


@pytest.mark.parametrize("value", ["fid,kid", " fid , kid ", "fid,,kid,"])
def test_a_list_of_names_has_commas(value):
    assert listed(value) == ["fid", "kid"]
    assert listed(" ") == []


def test_all_metrics_are_those_of_samples_and_of_codes(extractor):
    assert evaluation.sample_metrics(None) == PIXELS
    error = "reconstruction_error"
    assert evaluation.all_metrics(None) == (*PIXELS, *STROKES, error, *evaluation.ANYWHERE)
    assert evaluation.sample_metrics(extractor)[0] == "fd_pixels"
    assert evaluation.all_metrics(extractor)[-23:] == (
        *PIXELS[-2:],
        "path_length_pixels",
        "conditional_accuracy",
        *("slant_correlation", "thickness_correlation"),
        *("class_change", "mutual_information_gap"),
        *("reconstruction_error", "reconstruction_feature_distance", "reconstruction_accuracy"),
        *("knn1_accuracy", "knn3_accuracy", "linear_probe_accuracy"),
        *("cluster_accuracy", "nmi", "ari"),
        *("reconstruction_loss", "kl_loss", "active_units"),
        *("elbo", "importance_weighted_bound", "bits_per_dimension"),
    )


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "fid",
            "--metrics=fid: it is measured in the features inception, and these are pixels; "
            "take --features=inception",
        ),
        (
            "kd_digits",
            "--metrics=kd_digits: it is measured in the features digits, and these are pixels; "
            "take --features=digits",
        ),
        ("recal", "--metrics=recal: no such metric; did you mean recall?"),
        ("?", "--metrics=?: no such metric; there are recall, ari"),
    ],
)
def test_a_metric_that_cannot_be_had_is_refused(extractor, name, message):
    known = ("recall", "ari")
    evaluation.check_metrics("--metrics", known, known, extractor)
    with pytest.raises(UserError) as refused:
        evaluation.check_metrics("--metrics", ["ari", name], known, extractor)
    assert str(refused.value) == message


def test_without_features_a_metric_in_them_is_unknown():
    with pytest.raises(UserError, match=r"^--metrics=fid: no such metric"):
        evaluation.check_metrics("--metrics", ["fid"], PIXELS, None)


# Samples.


def test_the_metrics_of_samples_carry_their_protocol(unlabelled, extractor):
    real = RealImages(unlabelled, "test", extractor)
    draw = evaluation.baselines(unlabelled.train)["training images"]
    watch = Stopwatch()
    wanted = ("fd_pixels", "pixel_mean", "copied_share", "kd_pixels")
    found, shown = evaluation.measure_samples(draw, 300, 0, real, wanted, watch)
    assert sorted(found) == sorted(wanted)
    assert len(shown) == 300
    of_all = {"n_fake": 300, "n_real": 120, "split": "test"}
    network = {"features": "pixels", "features_sha256": "00", "resizing": "none"}
    assert found["fd_pixels"].protocol == {**of_all, **network}
    assert found["pixel_mean"].protocol == {**of_all, "real": real.pixels.mean}
    assert found["kd_pixels"].value is None
    assert found["kd_pixels"].protocol["reason"].startswith("needs at least 1,000 samples")
    assert found["copied_share"].value == 1
    assert all(seconds >= 0 for seconds in watch.seconds.values())


def test_what_needs_no_features_needs_no_extractor(unlabelled):
    real = RealImages(unlabelled, "test", None)
    draw = evaluation.baselines(unlabelled.train)["uniform noise"]
    found, _ = evaluation.measure_samples(draw, 120, 0, real, PIXELS, Stopwatch())
    assert set(found) == set(PIXELS)
    assert found["copied_share"].value < 0.1
    assert found["distinct_share"].value == 1


def test_the_first_samples_are_shown(unlabelled, monkeypatch):
    monkeypatch.setattr(evaluation, "SHOWN", 30)
    draw = evaluation.baselines(unlabelled.train)["training images"]
    real = RealImages(unlabelled, "test", None)
    _, shown = evaluation.measure_samples(draw, 300, 5, real, ["pixel_mean"], Stopwatch())
    np.testing.assert_array_equal(shown, next(draw(300, 5))[:30])


def test_beside_training_images_nothing_counts_as_copied(unlabelled):
    real = RealImages(unlabelled, "train", None)
    assert evaluation.copied_share(unlabelled.train.images, real) == Measurement(
        None, {"reason": "needs images that were not learnt from"}
    )


def test_a_copied_training_image_shows_itself_first(unlabelled, monkeypatch):
    drawn = {}
    monkeypatch.setattr(evaluation.plotting, "grid", lambda images, **how: drawn.update(
        images=images, **how
    ))  # fmt: skip
    train, samples = unlabelled.train.images, pictures(12, 9).images
    samples[3] = train[44]
    evaluation.neighbours_grid(samples, train)
    assert drawn["columns"] == 9
    assert drawn["column_labels"] == ["sample", 1, 2, 3, 4, 5, 6, 7, 8]
    rows = drawn["images"].reshape(10, 9, 4, 4, 1)
    np.testing.assert_array_equal(rows[:, 0], samples[:10])
    np.testing.assert_array_equal(rows[3, 1], train[44])
    distances = np.square(rows[:, 1:].astype(float) - rows[:, :1]).sum((2, 3, 4))
    assert (np.diff(distances) >= 0).all()
    assert (distances[:3, 0] > 0).all()


@pytest.mark.parametrize(("n", "m"), [(1, 1), (3, 5), (10, 300)])
def test_the_grid_of_neighbours_is_a_picture_however_few_there_are(n, m):
    sheet = evaluation.neighbours_grid(pictures(n, 1).images, pictures(m, 2).images)
    assert sheet.dtype == np.uint8
    assert sheet.ndim == 3


# Codes.

CLUSTER_OF = np.array([2, 0, 3, 1])  # the cluster of each class


class Bare(GenerativeModel):
    """A model that can do nothing."""

    def build_networks(self):
        pass


class Perfect(Bare):
    """It reads the label off the first pixel; its clusters are the classes in another order."""

    def labels(self, x):
        return tf.cast(tf.round((x[:, 0, 0, 0] + 1) * 127.5 / 20), tf.int32)

    def encode(self, x):
        return tf.one_hot(self.labels(x), 4)

    def code_logits(self, x):
        return tf.one_hot(tf.gather(CLUSTER_OF, self.labels(x)), 4) * 3


def measured(model, data, wanted=(*CODES, *CLUSTERS)):
    return evaluation.measure_codes(model((4, 4, 1)), data, wanted, Stopwatch())


@pytest.fixture
def labelled():
    return data_of(pictures(280, 1, classes=4), pictures(120, 2, classes=4), classes=4)


def test_a_perfect_code_has_all_accuracies(labelled):
    found = measured(Perfect, labelled)
    assert list(found) == [*CODES, *CLUSTERS]
    assert {name: metric.value for name, metric in found.items()} == dict.fromkeys(
        (*CODES, *CLUSTERS), pytest.approx(1)
    )
    for name in CODES:
        sizes = {"n_train": 280, "n_test": 120, "code_dimension": 4}
        assert found[name].protocol.items() >= sizes.items()
    assert [found[name].protocol.get("k") for name in CODES] == [1, 3, None]

    protocol = found["cluster_accuracy"].protocol
    assert protocol["n_test"] == 120
    assert [protocol["mapping"][cluster] for cluster in CLUSTER_OF] == [0, 1, 2, 3]
    np.testing.assert_array_equal(protocol["confusion"], 30 * np.eye(4)[CLUSTER_OF])


def test_a_code_that_knows_nothing_is_at_chance(labelled):
    class Blind(Perfect):
        def labels(self, x):
            return tf.cast(x[:, 3, 3, 0] > 0, tf.int32) + 2 * tf.cast(x[:, 2, 2, 0] > 0, tf.int32)

    found = measured(Blind, labelled)
    for name in (*CODES, "cluster_accuracy"):
        assert found[name].value < 0.5
    assert abs(found["ari"].value) < 0.1


def test_only_the_wanted_codes_are_measured(labelled, monkeypatch):
    monkeypatch.setattr(Perfect, "encode", None)
    assert list(measured(Perfect, labelled, ["fid", "ari"])) == ["ari"]
    assert measured(Perfect, labelled, ["fid"]) == {}


def test_a_model_without_codes_is_a_reason(labelled):
    found = measured(Bare, labelled)
    encodes, clusters = "Bare does not encode images", "Bare has no categorical code"
    assert found == {
        **dict.fromkeys(CODES, Measurement(None, {"reason": encodes})),
        **dict.fromkeys(CLUSTERS, Measurement(None, {"reason": clusters})),
    }


@pytest.mark.parametrize("test", [None, pictures(9, 2)])
def test_images_without_labels_are_a_reason(test):
    found = measured(Perfect, data_of(pictures(9, 1), test))
    assert list(found) == [*CODES, *CLUSTERS]
    for metric in found.values():
        assert metric == Measurement(None, {"reason": "Set has no labelled test images"})


# Factors.


class Strokes(Bare):
    """Its images are bars that lean as code 1 says, up to 30 degrees, and are as thick as code 0
    says, from 2 to 8 pixels; the third code does nothing."""

    continuous, categories, channels = 3, (), 1

    def build_networks(self):
        codes = {f"category_{k}": one_hot(size) for k, size in enumerate(self.categories)}
        if self.continuous:
            codes["continuous"] = noise(self.continuous, "uniform")
        self.latents = Latents(noise=noise(2, "normal"), **codes)
        self.given = []

    def generator_network(self):
        def network(joined, training):
            assert not training
            codes = np.array(joined)[:, -self.continuous :, None, None]
            thick, lean = codes[:, 0], codes[:, min(1, self.continuous - 1)]
            y, x = np.mgrid[-13.5:14, -13.5:14]
            across = np.abs(x + np.tan(np.pi / 6 * lean) * y)
            bars = np.clip(2.5 + 1.5 * thick - across + 0.5, 0, 1) * (np.abs(y) < 9)
            self.given.append(np.array(joined))
            return np.repeat(2.0 * bars[..., None] - 1, self.channels, -1).astype(np.float32)

        return network


def strokes(**attributes):
    return type("Strokes", (Strokes,), attributes)((28, 28, attributes.get("channels", 1)))


def of_images(shape=(28, 28, 1), name="Set"):
    """A data set of blank images."""
    blank = Split(np.zeros((3, *shape), np.uint8), np.arange(3))
    return ImageData(name, blank, blank, ("a", "b", "c"), fingerprint(blank, blank))


def by_thickness(classes_of="Set"):
    """A classifier of three classes: strokes of less than 4 pixels, of less than 6, and others."""

    def network(images):
        thickness = factors.measured_stroke_thickness(np.asarray(images))
        return images.reshape(len(images), -1), np.eye(3)[np.digitize(thickness, [3.7, 5.3])]

    return Extractor("strokes", "00", "none", 784, network, classes_of, batch_size=50)


def factors_of(model, extractor=None, wanted=FACTORS, n=400, data=None):
    real = RealImages(data or of_images(), "test", extractor)
    return evaluation.measure_factors(model, n, 7, real, wanted, Stopwatch())


def test_the_code_that_a_factor_follows_is_named():
    model = strokes()
    found = factors_of(model, by_thickness())
    assert list(found) == list(FACTORS)
    for name, code in (("slant_correlation", 1), ("thickness_correlation", 0)):
        metric = found[name]
        assert metric.value > 0.97
        assert metric.protocol["code"] == code
        assert metric.protocol["n_fake"] == 400
        each = metric.protocol["correlations"]
        assert abs(each[code]) == metric.value
        assert max(abs(x) for k, x in enumerate(each) if k != code) < 0.2
    # Thickness, and with it the class, is known by code 0 alone, slant by code 1.
    gap = found["mutual_information_gap"]
    assert set(gap.protocol["gaps"]) == {"slant", "thickness", "class"}
    assert gap.value == pytest.approx(np.mean(list(gap.protocol["gaps"].values())))
    assert min(gap.protocol["gaps"].values()) > 0.4
    assert gap.protocol["n_fake"] == 400


def test_a_code_that_a_factor_falls_with_counts_as_much():
    class Falling(Strokes):
        def generate_batches(self, latents, batch_size=250):
            return super().generate_batches(
                latents | {"continuous": -latents["continuous"]}, batch_size
            )

    found = factors_of(Falling((28, 28, 1)), wanted=STROKES)
    for name, code in (("slant_correlation", 1), ("thickness_correlation", 0)):
        metric = found[name]
        assert metric.value > 0.97
        assert metric.protocol["correlations"][code] == -metric.value


def test_a_slant_that_follows_nothing_has_no_correlation_to_speak_of():
    class Random(Strokes):
        def generate_batches(self, latents, batch_size=250):
            other = self.latents.draw(len(latents["continuous"]), 99)
            return super().generate_batches(other, batch_size)

    found = factors_of(Random((28, 28, 1)), by_thickness())
    for name in STROKES:
        assert found[name].value < 0.2
    assert found["mutual_information_gap"].value < 0.1


def test_the_class_changes_with_the_code_that_it_follows():
    """Of 3 codes code 0 alone, and always: 1/3; all else is held."""
    model = strokes()
    found = factors_of(model, by_thickness(), ["class_change"], n=300)["class_change"]
    assert found.protocol["shares"] == [1.0, 0.0, 0.0]
    assert found.value == pytest.approx(1 / 3)
    assert found.protocol["n_fake"] == 300
    drawn = model.latents.join(model.latents.draw(300, 7)).numpy()
    pairs = np.concatenate(model.given).reshape(3, 2, 300, -1)
    for code, ends in enumerate(pairs):
        for end, value in zip(ends, (-1, 1), strict=True):
            expected = drawn.copy()
            expected[:, 2 + code] = value
            np.testing.assert_array_equal(end, expected)


def test_of_many_samples_the_class_change_is_that_of_the_first(monkeypatch):
    monkeypatch.setattr(evaluation, "SHOWN", 20)
    found = factors_of(strokes(), by_thickness(), ["class_change"], n=60)["class_change"]
    assert found.protocol["n_fake"] == 20


@pytest.mark.parametrize("extractor", [None, by_thickness("Another")])
def test_without_a_classifier_of_the_data_the_class_is_a_reason_and_left_out(extractor):
    found = factors_of(strokes(), extractor)
    assert found["class_change"] == Measurement(
        None, {"reason": "class_change needs a classifier of Set; take --features=classifier"}
    )
    gap = found["mutual_information_gap"]
    assert set(gap.protocol["gaps"]) == {"slant", "thickness"}
    assert found["slant_correlation"].value > 0.97


def test_categorical_codes_count_among_those_that_may_know_a_factor():
    alone = factors_of(strokes(continuous=1), wanted=FACTORS)
    assert alone["mutual_information_gap"] == Measurement(
        None, {"reason": "mutual_information_gap needs two codes"}
    )
    assert alone["thickness_correlation"].value > 0.97
    beside = factors_of(strokes(continuous=1, categories=(4,)))["mutual_information_gap"]
    assert beside.value > 0.3


def test_factors_that_are_the_same_in_all_samples_are_a_reason():
    class Still(Strokes):
        def generate_batches(self, latents, batch_size=250):
            yield np.full((len(latents["noise"]), 28, 28, 1), -1, np.float32)

    found = factors_of(Still((28, 28, 1)), by_thickness())
    same = "a code, or what it is held against, is the same in all samples"
    for name in STROKES:
        assert found[name] == Measurement(None, {"reason": same})
    reason = found["mutual_information_gap"].protocol["reason"]
    assert reason == "the slant is the same in all samples"


def test_only_the_wanted_factors_are_measured_and_given(monkeypatch):
    monkeypatch.setitem(factors.FACTORS, "thickness", None)
    assert list(factors_of(strokes(), wanted=["fid", "slant_correlation"])) == ["slant_correlation"]


def test_where_there_are_no_codes_all_are_a_reason():
    model = strokes(continuous=0, categories=(4,))
    reason = "Strokes has no continuous codes"
    found = factors_of(model, by_thickness())
    assert found == dict.fromkeys(FACTORS, Measurement(None, {"reason": reason}))
    assert model.given == []


def test_of_colour_images_it_is_the_class_that_codes_can_say():
    data = of_images((28, 28, 3))
    found = factors_of(strokes(channels=3), by_thickness(), data=data)
    for name in ("slant", "thickness"):
        reason = f"the {name} is measured in gray images, light on dark"
        assert found[f"{name}_correlation"] == Measurement(None, {"reason": reason})
    assert found["class_change"].value == pytest.approx(1 / 3)
    assert list(found["mutual_information_gap"].protocol["gaps"]) == ["class"]
    unclassified = factors_of(strokes(channels=3), data=data)
    reason = "mutual_information_gap needs gray images or a classifier of them"
    assert unclassified["mutual_information_gap"] == Measurement(None, {"reason": reason})


def test_what_is_said_of_classes_names_the_network():
    found = factors_of(strokes(), by_thickness())
    for name in ("class_change", "mutual_information_gap"):
        protocol = found[name].protocol
        assert (protocol["features"], protocol["features_sha256"]) == ("strokes", "00")
    gap = factors_of(strokes())["mutual_information_gap"].protocol
    assert "features" not in gap
    assert gap["bins"] == factors.BINS


# Reconstructions.


class Halving(Bare):
    """Makes each image again half as bright, in pixels."""

    def reconstruct(self, x):
        return (x + 1) / 2 - 1


def brightness(classes_of="Set"):
    """A classifier by the first pixel, 20 times the class in `pictures`; its features are two."""

    def network(images):
        first = np.asarray(images)[:, 0, 0, 0].astype(np.float32)
        features = np.stack([np.ones_like(first), first / 20], 1)
        return features, -np.abs(first[:, None] / 20 - np.arange(3))

    return Extractor("bright", "00", "none", 2, network, classes_of, batch_size=50)


def reconstructed(model, data, wanted=evaluation.RECONSTRUCTIONS, extractor=None):
    real = RealImages(data, "test", extractor or brightness())
    return evaluation.measure_reconstructions(model((4, 4, 1)), real, wanted, Stopwatch())


def test_reconstructions_of_the_test_images_are_measured(labelled):
    data = data_of(pictures(30, 1, 3), pictures(300, 2, 3), 3)
    found = reconstructed(Halving, data)
    x, labels = data.test.images / 127.5 - 1, data.test.labels
    error = np.mean((x - ((x + 1) / 2 - 1)) ** 2)
    np.testing.assert_allclose(found["reconstruction_error"].value, error, rtol=1e-5)
    # Class k, seen as k / 2: 0 stays 0, 1 is as near to 0, which is first, and 2 becomes 1.
    assert found["reconstruction_accuracy"].value == np.mean(labels == 0)
    angles = np.arctan(labels) - np.arctan(labels / 2)
    distance = np.mean(2 - 2 * np.cos(angles))
    np.testing.assert_allclose(found["reconstruction_feature_distance"].value, distance, rtol=1e-5)
    assert found["reconstruction_error"].protocol == {"split": "test", "n_real": 300}
    assert found["reconstruction_accuracy"].protocol == {
        "split": "test", "n_real": 300,
        "features": "bright", "features_sha256": "00", "resizing": "none",
    }  # fmt: skip


def test_only_the_wanted_reconstructions_are_measured(labelled):
    assert list(reconstructed(Halving, labelled, ["knn1_accuracy"])) == []
    assert list(reconstructed(Halving, labelled, ["reconstruction_error"])) == [
        "reconstruction_error"
    ]


def test_a_model_that_does_not_reconstruct_is_a_reason(labelled):
    reason = {"reason": "Bare does not reconstruct images"}
    assert reconstructed(Bare, labelled) == dict.fromkeys(
        evaluation.RECONSTRUCTIONS, Measurement(None, reason)
    )


def test_what_needs_classes_or_labels_says_so(unlabelled, labelled):
    found = reconstructed(Halving, unlabelled)
    assert found["reconstruction_accuracy"].protocol["reason"] == "Set has no labelled test images"
    assert found["reconstruction_error"].value > 0
    found = reconstructed(Halving, labelled, extractor=brightness("Other"))
    assert found["reconstruction_accuracy"].protocol["reason"] == (
        "reconstruction_accuracy needs a classifier of Set; take --features=classifier"
    )
    assert found["reconstruction_feature_distance"].value is not None


def test_reconstructions_that_are_not_finite_are_a_reason(labelled):
    class Broken(Halving):
        def reconstruct(self, x):
            return x * np.nan

    found = reconstructed(Broken, labelled, ["reconstruction_error"])
    assert found["reconstruction_error"].value is None
    assert "finite" in found["reconstruction_error"].protocol["reason"]


# Posteriors and likelihoods.


def small(cls, **hyperparameters):
    keras.utils.set_random_seed(0)
    return cls((4, 4, 1), network="mlp", width=8, depth=1, latent_dim=3, **hyperparameters)


def posteriors_of(model, data, wanted=evaluation.POSTERIORS):
    real = RealImages(data, "test", None)
    return evaluation.measure_posteriors(model, real, wanted, Stopwatch())


def likelihoods_of(model, data, samples=5, wanted=evaluation.LIKELIHOODS):
    real = RealImages(data, "test", None)
    return evaluation.measure_likelihoods(model, real, samples, 0, wanted, Stopwatch())


def test_the_posterior_of_the_test_images_is_measured(unlabelled):
    model = small(VAE)
    found = posteriors_of(model, unlabelled)
    x = unlabelled.test.images / np.float32(127.5) - 1
    said = model.encoder(x)
    kl = (said["mean"] ** 2 + np.exp(said["log_variance"]) - said["log_variance"] - 1).numpy() / 2
    assert found["kl_loss"].value == pytest.approx(kl.sum(1).mean(), rel=1e-4)
    units = found["active_units"]
    assert units.value == (kl.mean(0) > 0.01).sum() > 0
    assert units.protocol["kl_of_dimensions"] == pytest.approx(
        sorted(kl.mean(0), reverse=True), abs=1e-4
    )
    assert (units.protocol["dimensions"], units.protocol["above"]) == (3, 0.01)
    assert "collapsed" not in units.protocol
    protocol = {"split": "test", "n_real": 120, "seed": 0, "codes": "draws of the posterior"}
    assert found["reconstruction_loss"].protocol == protocol


def test_a_posterior_that_is_no_number_is_not_called_inactive(unlabelled):
    model = small(VAE)
    head = model.encoder.get_layer("mean")
    head.set_weights([np.full_like(w, np.nan) for w in head.get_weights()])
    for metric in posteriors_of(model, unlabelled).values():
        assert metric.value is None
        assert "finite" in metric.protocol["reason"]


@pytest.mark.filterwarnings("error:Your input ran out of data")
def test_the_losses_of_a_split_are_taken_to_its_end_and_no_further(unlabelled):
    losses = evaluation.losses_of(small(VAE), unlabelled.test)
    assert losses["loss"] == pytest.approx(losses["reconstruction_loss"] + losses["kl_loss"])


def test_a_collapsed_posterior_is_reported_as_such(unlabelled):
    model = small(VAE)
    for name in ("mean", "log_variance"):
        head = model.encoder.get_layer(name)
        head.set_weights([np.zeros_like(w) for w in head.get_weights()])
    found = posteriors_of(model, unlabelled)
    assert found["kl_loss"].value == 0
    assert found["active_units"].value == 0
    assert found["active_units"].protocol["collapsed"]


def test_a_model_without_a_posterior_is_a_reason_and_its_error_none(unlabelled):
    found = posteriors_of(small(Autoencoder), unlabelled)
    assert found["reconstruction_loss"].value > 0
    assert found["reconstruction_loss"].protocol["codes"] == "as encoded"
    reason = {"reason": "Autoencoder has no posterior of codes"}
    assert found["kl_loss"] == found["active_units"] == Measurement(None, reason)
    found = posteriors_of(Bare((4, 4, 1)), unlabelled)
    assert [metric.value for metric in found.values()] == [None] * 3
    assert "not learnt from" in found["reconstruction_loss"].protocol["reason"]


def test_the_bounds_are_of_so_many_draws(unlabelled):
    found = likelihoods_of(small(VAE), unlabelled, samples=7)
    assert list(found) == list(evaluation.LIKELIHOODS)
    assert found["elbo"].value < found["importance_weighted_bound"].value
    protocol = {"split": "test", "n_real": 120, "samples": 7, "seed": 0}
    protocol["likelihood"] = "N(y, 1/2)"
    assert found["elbo"].protocol == {**protocol, "unit": "nats"}
    bits = np.log2(127.5) - found["importance_weighted_bound"].value / (16 * np.log(2))
    assert found["bits_per_dimension"].value == pytest.approx(bits)
    assert found["bits_per_dimension"].protocol == {**protocol, "dequantisation": "none"}
    one = likelihoods_of(small(VAE), unlabelled, samples=1)
    assert one["elbo"].value == one["importance_weighted_bound"].value


@pytest.mark.parametrize(
    ("told", "constant"),
    [
        ({}, 8 * np.log(np.pi)),  # of 16 pixels
        ({"reconstruction": "bernoulli", "binarisation": "threshold"}, 0.0),
    ],
)
def test_the_lower_bound_is_the_losses_and_a_constant(unlabelled, told, constant):
    model = small(VAE, **told)
    losses, bounds = posteriors_of(model, unlabelled), likelihoods_of(model, unlabelled, 200)
    loss = losses["reconstruction_loss"].value + losses["kl_loss"].value
    assert bounds["elbo"].value == pytest.approx(-loss - constant, rel=0.02)


def test_draws_of_weights_are_those_of_the_seed():
    x = np.random.default_rng(0).uniform(-1, 1, (3, 4, 4, 1)).astype(np.float32)
    for model in (small(VAE), small(VAE, reconstruction="bernoulli")):
        first, same, other = (model.log_weights(x, 2, seed).numpy() for seed in (1, 1, 2))
        np.testing.assert_array_equal(first, same)
        assert not np.allclose(first, other)


def test_binary_images_have_nats_alone(unlabelled):
    found = likelihoods_of(small(VAE, reconstruction="bernoulli"), unlabelled)
    assert found["elbo"].value < 0
    assert found["bits_per_dimension"].value is None
    assert "Bernoulli" in found["bits_per_dimension"].protocol["reason"]


def test_a_model_without_a_likelihood_is_a_reason(unlabelled):
    reason = {"reason": "Autoencoder has no likelihood"}
    found = likelihoods_of(small(Autoencoder), unlabelled, wanted=["elbo", "fid"])
    assert found == {"elbo": Measurement(None, reason)}
    assert likelihoods_of(small(Autoencoder), unlabelled, wanted=["fid"]) == {}


# Paths between latents.


class Straight(GenerativeModel):
    """Images of the noise itself; with styles, which are the noise doubled, of two layers."""

    styled, prior = False, "normal"

    def build_networks(self):
        self.latents = Latents(noise=noise(16, self.prior))
        self.used = []

    def generate(self, latents, batch_size=250):
        self.used.append(np.array(latents["noise"]))
        return np.tanh(np.reshape(latents["noise"], (-1, 4, 4, 1)) / 4)

    def styles(self, latents):
        if not self.styled:
            return super().styles(latents)
        return tf.repeat(2.0 * latents["noise"][:, None], 2, axis=1)

    def images_of_styles(self, w, noise_seed=None, noise=True, batch_size=250):
        self.used.append(np.array(w))
        return np.tanh(np.reshape(w[:, 0], (-1, 4, 4, 1)) / 8)


def paths_of(unlabelled, extractor, seed=5, **changes):
    model = type("Model", (Straight,), changes)((4, 4, 1))
    real = RealImages(unlabelled, "test", extractor)
    found = evaluation.measure_paths(model, seed, real, Stopwatch())
    assert list(found) == ["path_length_pixels"]
    return found["path_length_pixels"], model


def features_of(z):
    """As the extractor has them, unrounded and of length 1."""
    x = 127.5 * (np.tanh(z.astype(np.float64) / 4) + 1)
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def test_paths_are_measured_on_the_great_circle_of_the_noise(unlabelled, extractor):
    found, model = paths_of(unlabelled, extractor)
    start, end = (one.astype(np.float64) for one in model.used)
    starts, ends = (model.latents.draw(1000, [5, k])["noise"].numpy() for k in (0, 1))
    t = tf.random.stateless_uniform([1000, 1], [5, 2]).numpy()
    cosine = np.sum(starts * ends, 1, keepdims=True) / (
        np.linalg.norm(starts, axis=1, keepdims=True) * np.linalg.norm(ends, axis=1, keepdims=True)
    )
    angle = np.arccos(cosine)
    expected = (np.sin((1 - t) * angle) * starts + np.sin(t * angle) * ends) / np.sin(angle)
    np.testing.assert_allclose(start, expected, atol=1e-4)
    distances = np.sum((features_of(start) - features_of(end)) ** 2, axis=1) / 1e-8
    assert found.value == pytest.approx(np.sort(distances)[10:-10].mean(), rel=0.02)
    assert found.protocol["space"] == "z"
    assert found.protocol["n_fake"] == 1000
    assert found.protocol["features"] == "pixels"


def test_paths_of_styles_are_straight(unlabelled, extractor):
    found, model = paths_of(unlabelled, extractor, styled=True)
    assert found.protocol["space"] == "w"
    start, end = model.used
    assert start.shape == end.shape == (1000, 2, 16)
    starts, ends = (2 * model.latents.draw(1000, [5, k])["noise"].numpy() for k in (0, 1))
    t = tf.random.stateless_uniform([1000, 1], [5, 2]).numpy()
    np.testing.assert_allclose(start[:, 1], (1 - t) * starts + t * ends, atol=1e-5)
    np.testing.assert_allclose(end[:, 0] - start[:, 0], 1e-4 * (ends - starts), atol=1e-5)


def test_the_seed_decides_what_paths_are_measured(unlabelled, extractor):
    one, same, other = (paths_of(unlabelled, extractor, seed)[0].value for seed in (1, 1, 2))
    assert one == same != other


def test_a_model_that_makes_one_image_has_no_path_length(unlabelled, extractor):
    def generate(self, latents, batch_size=250):
        return np.zeros((len(latents["noise"]), 4, 4, 1), np.float32)

    assert paths_of(unlabelled, extractor, generate=generate)[0].value == 0


def test_paths_of_a_model_in_16_bits_are_measured_in_32(unlabelled, extractor):
    """A step of a ten-thousandth is lost in bfloat16, and what is left is the rounding."""
    real = RealImages(unlabelled, "test", extractor)
    hp = {"width": 2, "noise_dim": 4, "w_dim": 4, "mapping_depth": 1}
    whole = StyleGAN((28, 28, 1), **hp)
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        half = StyleGAN((28, 28, 1), **hp)
        states = (tf.nest.flatten(model.state()) for model in (half, whole))
        for own, other in zip(*states, strict=True):
            own.assign(other)
        found = evaluation.measure_paths(half, 5, real, Stopwatch())
        assert keras.config.dtype_policy().name == "mixed_bfloat16"
    finally:
        keras.config.set_dtype_policy(policy)
    assert half.compute_dtype == "bfloat16"
    assert found == evaluation.measure_paths(whole, 5, real, Stopwatch())
    assert found["path_length_pixels"].protocol["precision"] == "off"


def test_a_path_length_of_what_is_not_finite_is_na(unlabelled, extractor):
    def generate(self, latents, batch_size=250):
        return np.full((len(latents["noise"]), 4, 4, 1), np.nan, np.float32)

    found = paths_of(unlabelled, extractor, generate=generate)[0]
    assert found.value is None
    assert "finite" in found.protocol["reason"]
