"""Factors of images that continuous codes control."""

import dataclasses

import numpy as np
import pytest

from data import ImageData, Split
from data.image_data import fingerprint
from evaluation.features import Extractor, TrainedOn
from metrics import factors
from metrics.measurement import Measurement
from models.latents import Latents, noise, one_hot
from tests.evaluation.cases import COLOURS, FACTORS, STROKES, Bare, measure, reference_of


class Strokes(Bare):
    """Bars whose thickness is set by code 0, from 2 to 8 pixels, and whose slant by code 1, up to
    30 degrees; the third code has no effect.
    """

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


def by_thickness(class_names=("a", "b", "c")):
    """A classifier of three classes: strokes of less than 4 pixels, of less than 6, and others."""

    def network(images):
        thickness = factors.measured_stroke_thickness(np.asarray(images))
        return images.reshape(len(images), -1), np.eye(3)[np.digitize(thickness, [3.7, 5.3])]

    of = TrainedOn(3, class_names)
    return Extractor("strokes", "00", "none", 784, network, of, batch_size=50)


def factors_of(model, extractor=None, wanted=FACTORS, n=400, data=None):
    return measure(model, reference_of(data or of_images(), extractor), wanted, n=n, seed=7)


@pytest.mark.slow
def test_factors_of_known_strokes_name_the_code_that_controls_them():
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
    # Code 0 alone sets thickness, and with it the class; code 1 sets slant.
    gap = found["mutual_information_gap"]
    assert set(gap.protocol["gaps"]) == {"slant", "thickness", "class"}
    assert gap.value == pytest.approx(np.mean(list(gap.protocol["gaps"].values())))
    assert min(gap.protocol["gaps"].values()) > 0.4
    assert gap.protocol["n_fake"] == 400


def test_correlation_with_an_inverse_code_is_its_absolute_value():
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


@pytest.mark.slow
def test_correlation_of_uncontrolled_factors_is_near_0():
    class Random(Strokes):
        def generate_batches(self, latents, batch_size=250):
            other = self.latents.draw(len(latents["continuous"]), 99)
            return super().generate_batches(other, batch_size)

    found = factors_of(Random((28, 28, 1)), by_thickness())
    for name in STROKES:
        assert found[name].value < 0.2
    assert found["mutual_information_gap"].value < 0.1


@pytest.mark.slow
def test_class_change_is_the_mean_share_over_the_codes():
    """Of 3 codes, code 0 alone changes the class, in all samples: 1/3."""
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


def test_class_change_of_many_samples_uses_the_first_thousand(monkeypatch):
    monkeypatch.setattr("evaluation.families.factors.CHANGED", 20)
    found = factors_of(strokes(), by_thickness(), ["class_change"], n=60)["class_change"]
    assert found.protocol["n_fake"] == 20


@pytest.mark.parametrize("extractor", [None, by_thickness(("a", "c", "b"))])
def test_class_change_without_a_classifier_is_na_and_left_out_of_the_gap(extractor):
    found = factors_of(strokes(), extractor)
    assert found["class_change"] == Measurement(
        None, {"reason": "requires a classifier of the classes of Set; use --features=classifier"}
    )
    gap = found["mutual_information_gap"]
    assert set(gap.protocol["gaps"]) == {"slant", "thickness"}
    assert found["slant_correlation"].value > 0.97


def test_mutual_information_gap_counts_categorical_codes():
    alone = factors_of(strokes(continuous=1), wanted=FACTORS)
    assert alone["mutual_information_gap"] == Measurement(None, {"reason": "requires two codes"})
    assert alone["thickness_correlation"].value > 0.97
    beside = factors_of(strokes(continuous=1, categories=(4,)))["mutual_information_gap"]
    assert beside.value > 0.3


def test_factors_that_are_constant_are_na_with_reason():
    class Still(Strokes):
        def generate_batches(self, latents, batch_size=250):
            yield np.full((len(latents["noise"]), 28, 28, 1), -1, np.float32)

    found = factors_of(Still((28, 28, 1)), by_thickness())
    constant = "the factor is the same in all samples"
    for name in STROKES:
        assert found[name] == Measurement(None, {"reason": constant})
    reason = found["mutual_information_gap"].protocol["reason"]
    assert reason == "the slant is the same in all samples"


def test_measure_of_slant_alone_computes_no_thickness(monkeypatch):
    without = dataclasses.replace(factors.FACTORS["thickness"], measure=None)
    monkeypatch.setitem(factors.FACTORS, "thickness", without)
    assert factors_of(strokes(), wanted=["slant_correlation"])["slant_correlation"].value > 0.97


def test_factors_without_continuous_codes_are_na_with_reason():
    model = strokes(continuous=0, categories=(4,))
    reason = "Strokes has no continuous codes"
    found = factors_of(model, by_thickness())
    assert found == dict.fromkeys(FACTORS, Measurement(None, {"reason": reason}))
    assert model.given == []


@pytest.mark.slow
def test_factors_of_colour_images_are_colours_moments_and_the_class():
    data = of_images((28, 28, 3))
    found = factors_of(strokes(channels=3), by_thickness(), data=data)
    for name in ("slant", "thickness"):
        reason = f"{name} requires gray images with light strokes on a dark background"
        assert found[f"{name}_correlation"] == Measurement(None, {"reason": reason})
    assert found["class_change"].value == pytest.approx(1 / 3)
    assert found["brightness_correlation"].value > 0.97
    assert found["brightness_correlation"].protocol["code"] == 0
    # Gray bars have no saturation and one hue.
    constant = Measurement(None, {"reason": "the factor is the same in all samples"})
    assert found["saturation_correlation"] == found["hue_correlation"] == constant
    reason = found["mutual_information_gap"].protocol["reason"]
    assert reason == "the saturation is the same in all samples"
    gray = factors_of(strokes(), by_thickness())
    for name in COLOURS:
        reason = f"{name.removesuffix('_correlation')} requires colour images"
        assert gray[name] == Measurement(None, {"reason": reason})


@pytest.mark.slow
def test_protocol_of_class_metrics_names_the_feature_network():
    found = factors_of(strokes(), by_thickness())
    for name in ("class_change", "mutual_information_gap"):
        protocol = found[name].protocol
        assert (protocol["features"], protocol["features_sha256"]) == ("strokes", "00")
    gap = factors_of(strokes())["mutual_information_gap"].protocol
    assert "features" not in gap
    assert gap["bins"] == factors.BINS


def test_missing_classifier_during_training_names_the_option_of_training():
    reference = reference_of(of_images())
    reference.prefix = "eval_"
    found = measure(strokes(), reference, ["class_change"])["class_change"]
    reason = "requires a classifier of the classes of Set; use --eval_features=classifier"
    assert found.protocol["reason"] == reason
