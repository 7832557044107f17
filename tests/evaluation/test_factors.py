"""Factors of images that continuous codes control."""

import numpy as np
import pytest

from data import ImageData, Split
from data.image_data import fingerprint
from evaluation.features import Extractor
from metrics import factors
from metrics.measurement import Measurement
from models.latents import Latents, noise, one_hot
from tests.evaluation.cases import FACTORS, STROKES, Bare, measure, reference_of


class Strokes(Bare):
    """Its images are bars that lean as code 1 says, up to 30 degrees, and are as thick as code 0
    says, from 2 to 8 pixels; the third code does nothing.
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


def by_thickness(classes_of="Set"):
    """A classifier of three classes: strokes of less than 4 pixels, of less than 6, and others."""

    def network(images):
        thickness = factors.measured_stroke_thickness(np.asarray(images))
        return images.reshape(len(images), -1), np.eye(3)[np.digitize(thickness, [3.7, 5.3])]

    return Extractor("strokes", "00", "none", 784, network, classes_of, batch_size=50)


def factors_of(model, extractor=None, wanted=FACTORS, n=400, data=None):
    return measure(model, reference_of(data or of_images(), extractor), wanted, n=n, seed=7)


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
    monkeypatch.setattr("evaluation.families.factors.CHANGED", 20)
    found = factors_of(strokes(), by_thickness(), ["class_change"], n=60)["class_change"]
    assert found.protocol["n_fake"] == 20


@pytest.mark.parametrize("extractor", [None, by_thickness("Another")])
def test_without_a_classifier_of_the_data_the_class_is_a_reason_and_left_out(extractor):
    found = factors_of(strokes(), extractor)
    assert found["class_change"] == Measurement(
        None, {"reason": "requires a classifier of Set; use features=classifier"}
    )
    gap = found["mutual_information_gap"]
    assert set(gap.protocol["gaps"]) == {"slant", "thickness"}
    assert found["slant_correlation"].value > 0.97


def test_categorical_codes_count_among_those_that_may_know_a_factor():
    alone = factors_of(strokes(continuous=1), wanted=FACTORS)
    assert alone["mutual_information_gap"] == Measurement(None, {"reason": "requires two codes"})
    assert alone["thickness_correlation"].value > 0.97
    beside = factors_of(strokes(continuous=1, categories=(4,)))["mutual_information_gap"]
    assert beside.value > 0.3


def test_factors_that_are_the_same_in_all_samples_are_a_reason():
    class Still(Strokes):
        def generate_batches(self, latents, batch_size=250):
            yield np.full((len(latents["noise"]), 28, 28, 1), -1, np.float32)

    found = factors_of(Still((28, 28, 1)), by_thickness())
    constant = "requires codes and factors that vary; one is constant"
    for name in STROKES:
        assert found[name] == Measurement(None, {"reason": constant})
    reason = found["mutual_information_gap"].protocol["reason"]
    assert reason == "the slant is the same in all samples"


def test_only_the_wanted_factors_are_measured_and_given(monkeypatch):
    monkeypatch.setitem(factors.FACTORS, "thickness", None)
    assert factors_of(strokes(), wanted=["slant_correlation"])["slant_correlation"].value > 0.97


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
        reason = f"{name} requires gray images with light strokes on a dark background"
        assert found[f"{name}_correlation"] == Measurement(None, {"reason": reason})
    assert found["class_change"].value == pytest.approx(1 / 3)
    assert list(found["mutual_information_gap"].protocol["gaps"]) == ["class"]
    unclassified = factors_of(strokes(channels=3), data=data)
    reason = "requires gray images, or a feature network that classifies the data set"
    assert unclassified["mutual_information_gap"] == Measurement(None, {"reason": reason})


def test_what_is_said_of_classes_names_the_network():
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
    reason = "requires a classifier of Set; use eval_features=classifier"
    assert found.protocol["reason"] == reason
