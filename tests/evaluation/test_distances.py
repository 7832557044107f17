"""Distances between samples and real images: names, protocols, reasons and directions."""

import dataclasses
import functools

import numpy as np
import pytest
import scipy.ndimage

from data import Split
from evaluation import subject
from evaluation.families import distances
from evaluation.features import Extractor
from evaluation.features.statistics import FeatureStatistics
from evaluation.reference import Reference
from metrics.frechet import frechet_distance
from metrics.inception_score import ClassProbabilities
from metrics.kernel import kernel_distance
from metrics.moments import Moments
from tests.evaluation.cases import data_of, measure

MANIFOLDS = ("precision", "recall", "density", "coverage")


def metrics_in(network):
    """The names of the metrics in the features of a network other than Inception."""
    fd, score = f"fd_{network}", f"is_{network}"
    batch = (f"{fd}_256", f"{score}_256")
    return (fd, f"{fd}_infinity", f"kd_{network}", score, *MANIFOLDS, *batch)


# Values and reasons, of features that are the images' own bytes.


def as_they_are(images):
    x = images.reshape(len(images), -1).astype(np.float32) / 255
    return x, 5 * x[:, :3]


@pytest.fixture(autouse=True)
def few_subsets(monkeypatch):
    """The kernel distance is the mean over 3 subsets instead of 100, which takes seconds."""
    monkeypatch.setattr(distances, "kernel_distance", functools.partial(kernel_distance, subsets=3))


PIXELS = Extractor("pixels", "00", "none", 8, as_they_are)


def pictures(n, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (n, 2, 4, 1), np.uint8)


class InOrder(Reference):
    """Reference whose features keep the order of the images, which metrics of a batch draw from."""

    @property
    def statistics(self):
        return gathered(self.images.images, self.extractor)


def compared(fake, real, wanted=None, extractor=PIXELS, seed=0):
    """The measurements of samples and real images by name."""
    samples = subject.Subject("samples", lambda n, seed: [fake])
    reference = InOrder(data_of(Split(real), Split(real)), "test", extractor)
    wanted = wanted or metrics_in(extractor.name)
    return measure(samples, reference, wanted, n=len(fake), seed=seed)


def gathered(images, extractor):
    found = FeatureStatistics(extractor, len(images))
    found.update(images)
    return found


def own(measurement, n_fake, n_real):
    """The protocol of a measurement beside that of all metrics of samples in PIXELS."""
    shared = {"split": "test", "features": "pixels", "features_sha256": "00", "resizing": "none"}
    shared |= {"n_fake": n_fake, "n_real": n_real}
    return {k: v for k, v in measurement.protocol.items() if shared.get(k) != v}


def test_measure_of_each_name_is_the_value_of_its_function():
    fake, real = pictures(1200, 1), pictures(1500, 2)
    found = compared(fake, real)
    assert list(found) == list(metrics_in("pixels"))
    assert all(np.isfinite(metric.value) for metric in found.values())
    moments = [Moments.of(as_they_are(images)[0]) for images in (fake, real)]
    assert found["fd_pixels"].value == pytest.approx(frechet_distance(*moments).value, rel=1e-9)
    assert found["kd_pixels"].protocol["subset_size"] == 1000
    assert found["fd_pixels_infinity"].value < found["fd_pixels"].value
    assert own(found["precision"], 1200, 1500) == {"k": 5}
    scored = ClassProbabilities(1200, splits=10)
    scored.update(as_they_are(fake)[1])
    assert found["is_pixels"].value == scored.score().value


def test_measure_of_one_batch_uses_256_images_of_each():
    fake, real = pictures(400, 1), pictures(500, 2)
    found = compared(fake, real, ["fd_pixels_256", "is_pixels_256"], seed=3)
    first = Moments.of(as_they_are(fake[:256])[0])
    chosen = np.random.default_rng(3).permutation(500)[:256]
    batch = Moments.of(as_they_are(real[chosen])[0])
    assert found["fd_pixels_256"].value == pytest.approx(
        frechet_distance(first, batch).value, rel=1e-9
    )
    assert own(found["fd_pixels_256"], 400, 500) == {"n_fake": 256, "n_real": 256}

    scored = ClassProbabilities(256, splits=1)
    scored.update(as_they_are(fake[:256])[1])
    assert found["is_pixels_256"].value == scored.score().value
    assert own(found["is_pixels_256"], 400, 500) == {
        "spread": 0.0, "splits": 1, "n_fake": 256, "n_real": 0,
    }  # fmt: skip


def test_seed_changes_the_metrics_of_subsets_alone():
    fake, real = pictures(1100, 1), pictures(1100, 2)
    drawn = ("fd_pixels_infinity", "kd_pixels", "fd_pixels_256")
    one, same, other = (compared(fake, real, seed=seed) for seed in (1, 1, 2))
    assert one == same
    assert {name for name in one if one[name].value != other[name].value} == set(drawn)


@pytest.mark.parametrize(
    ("n_fake", "n_real", "reasons"),
    [
        (1, 300, {
            "fd_pixels": "needs at least 2 images, there are 1",
            "fd_pixels_infinity": "needs at least 4 samples, there are 1",
            "kd_pixels": "needs at least 1,000 samples, there are 1",
            "is_pixels": "needs at least 10 images, there are 1",
            **dict.fromkeys(MANIFOLDS, "needs more than 5 samples, there are 1"),
            "fd_pixels_256": "needs at least 256 images, there are 1",
            "is_pixels_256": "needs at least 256 images, there are 1",
        }),
        (255, 5, {
            "kd_pixels": "needs at least 1,000 samples, there are 255",
            **dict.fromkeys(MANIFOLDS, "needs more than 5 real images, there are 5"),
            "fd_pixels_256": "needs at least 256 images, there are 5",
            "is_pixels_256": "needs at least 256 images, there are 255",
        }),
        (1000, 255, {
            "kd_pixels": "needs at least 1,000 real images, there are 255",
            "fd_pixels_256": "needs at least 256 images, there are 255",
        }),
        (1000, 1000, {}),
    ],
)  # fmt: skip
def test_measure_of_too_few_images_is_na_with_reason(n_fake, n_real, reasons):
    found = compared(pictures(n_fake, 1), pictures(n_real, 2))
    told = {name: m.protocol["reason"] for name, m in found.items() if m.value is None}
    assert told == reasons


def brighter(images):
    features, logits = as_they_are(images)
    return 2 * features, logits


def in_two_resizings():
    """A network of the name of Inception, whose features are twice as large if it is clean."""
    clean = dataclasses.replace(PIXELS, name="inception", resizing="clean", network=brighter)
    return dataclasses.replace(PIXELS, name="inception", clean=clean)


def test_clean_fid_is_the_frechet_distance_of_clean_features(cache):
    """Twice as large features are four times as far apart."""
    fake, real = pictures(300, 1), pictures(350, 2)
    found = compared(fake, real, ["fid", "clean_fid"], in_two_resizings())
    assert found["clean_fid"].value == pytest.approx(4 * found["fid"].value, rel=1e-9)
    assert found["clean_fid"].protocol == {**found["fid"].protocol, "resizing": "clean"}
    assert len(list(cache.iterdir())) == 1  # InOrder keeps those of fid itself


def test_clean_fid_alone_computes_no_other_features(cache):
    def fails(images):
        raise AssertionError

    network = dataclasses.replace(in_two_resizings(), network=fails)
    found = compared(pictures(300, 1), pictures(350, 2), ["clean_fid"], network)
    assert found["clean_fid"].value > 0


def test_clean_fid_of_one_image_is_na_with_the_protocol_of_its_features(cache):
    found = compared(pictures(1, 1), pictures(350, 2), ["clean_fid"], in_two_resizings())
    assert found["clean_fid"].value is None
    assert found["clean_fid"].protocol["resizing"] == "clean"


def test_inception_score_without_class_logits_is_na_with_reason():
    classless = dataclasses.replace(PIXELS, network=lambda x: (as_they_are(x)[0], None))
    found = compared(pictures(300, 1), pictures(300, 2), extractor=classless)
    for name in ("is_pixels", "is_pixels_256"):
        assert found[name].value is None
        assert own(found[name], 300, 300) == {"reason": "the feature network has no class logits"}
    assert found["fd_pixels_256"].value is not None


# Directions, in the features of the shipped classifier.


@pytest.fixture(scope="module")
def values(shipped, mnist_test):
    """Name of a set of 300 samples -> its metrics beside 600 real images."""
    images, labels = mnist_test
    real, others, collapsed = images[:600], images[600:900], images[900:][labels[900:] == 1]
    sets = {
        "real": others,
        "blurred": scipy.ndimage.gaussian_filter(others, (0, 2, 2, 0)),
        "noise": np.random.default_rng(0).integers(0, 256, others.shape, np.uint8),
        "collapsed": collapsed[:300],
    }
    wanted = [name for name in metrics_in("digits") if name != "kd_digits"]
    return {
        name: {key: m.value for key, m in compared(fake, real, wanted, shipped).items()}
        for name, fake in sets.items()
    }


@pytest.mark.slow
@pytest.mark.parametrize("name", ["fd_digits", "fd_digits_infinity", "fd_digits_256"])
def test_frechet_distance_is_smallest_for_real_images_and_largest_for_noise(values, name):
    real, blurred, noise = (values[kind][name] for kind in ("real", "blurred", "noise"))
    assert 3 * real < blurred
    assert 1.5 * blurred < noise
    assert 3 * real < values["collapsed"][name]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["precision", "density", "coverage"])
def test_precision_density_and_coverage_are_highest_for_real_images(values, name):
    real, blurred, noise = (values[kind][name] for kind in ("real", "blurred", "noise"))
    assert real > 0.7
    assert real > blurred + 0.2
    assert blurred >= noise
    assert noise < 0.05


@pytest.mark.slow
def test_collapse_to_one_digit_keeps_precision_and_lowers_recall_and_coverage(values):
    real, collapsed = values["real"], values["collapsed"]
    assert collapsed["precision"] > 0.7
    assert collapsed["density"] > 0.7
    assert collapsed["recall"] < 0.25 < real["recall"] - 0.4
    assert collapsed["coverage"] < 0.25 < real["coverage"] - 0.4


@pytest.mark.parametrize("name", ["is_digits", "is_digits_256"])
def test_inception_score_is_high_for_all_digits_and_low_for_one(values, name):
    assert 8 < values["real"][name] < 10
    assert values["collapsed"][name] == pytest.approx(1, abs=0.1)
    assert values["noise"][name] < 3
