"""The runner: names of metrics, evaluation seeds, and the reference of the options."""

import dataclasses

import pytest

from errors import UserError
from evaluation import families, runner, subject
from evaluation.metric import SAMPLES, Family
from evaluation.options import MeasureOptions
from evaluation.reference import Reference
from metrics.measurement import Measurement
from models import GAN
from tests.evaluation.cases import (
    CLASSES,
    CLUSTERS,
    CODES,
    COLOURS,
    FACTORS,
    LIKELIHOODS,
    PIXELS,
    POSTERIORS,
    RECONSTRUCTIONS,
    STROKES,
    data_of,
    not_finite,
    of_pixels,
    pictures,
    reference_of,
)

pytestmark = pytest.mark.usefixtures("cache")


def test_named_lists_all_metrics_in_the_order_of_the_tables():
    assert tuple(families.named("pixels")) == (
        *("fd_pixels", "fd_pixels_infinity", "kd_pixels", "is_pixels"),
        *("precision", "recall", "density", "coverage"),
        *("fd_pixels_256", "is_pixels_256"),
        *PIXELS,
        "path_length_pixels",
        "conditional_accuracy",
        *FACTORS,
        *RECONSTRUCTIONS,
        *CODES,
        *CLUSTERS,
        *CLASSES,
        *POSTERIORS,
        *LIKELIHOODS,
    )
    error = "reconstruction_error"
    plain = (*PIXELS, *STROKES, *COLOURS, error, *CODES, *CLUSTERS, CLASSES[1])
    plain += (*POSTERIORS, *LIKELIHOODS)
    assert tuple(families.named(None)) == plain


def test_named_with_inception_alone_has_fid_and_kid():
    alone = set(families.named("inception")) - set(families.named("digits"))
    assert alone == {
        "fid", "fid_infinity", "fid_256", "clean_fid", "kid", "inception_score",
        "inception_score_256",
        "path_length_inception",
    }  # fmt: skip


@pytest.mark.parametrize("network", ["digits", "efficientnet_lite0", "cifar10", "my_net"])
def test_named_with_another_network_has_its_name_in_its_metrics(network):
    shared = set(families.named(network)) & set(families.named("inception"))
    assert all(families.find(name).network_of(name) == "" for name in shared)
    own = set(families.named(network)) - shared
    assert own
    assert all(network in name for name in own)


@pytest.mark.parametrize("network", ["inception", "digits", "my_net", "x_256_infinity"])
def test_find_returns_the_declaration_of_each_stored_name(network):
    for name, metric in families.named(network).items():
        if network == "x_256_infinity" and metric.name == "fd_{features}":
            continue  # the name of another metric of the network x_256
        assert families.find(name) is metric, name
        assert metric.network_of(name) in (network, "")
    assert families.find("psnr") is None
    assert families.find("fd_") is None


@pytest.mark.parametrize(
    ("name", "whole"),
    [
        ("fid_256", "fid"),
        ("fd_digits_256", "fd_digits"),
        ("inception_score_256", "inception_score"),
        ("is_my_net_256", "is_my_net"),
        ("fid", None),
        ("psnr", None),
    ],
)
def test_families_of_all_samples_returns_the_counterpart_of_a_batch(name, whole):
    assert families.of_all_samples(name) == whole


def test_declared_metrics_of_samples_are_in_the_samples_table():
    assert {m.table for m in families.declared() if m.samples} == {SAMPLES}
    assert all(m.better in ("higher", "lower", "") and m.meaning for m in families.declared())


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "fid",
            "metrics: fid requires features=inception, got pixels",
        ),
        ("clean_fid", "metrics: clean_fid requires features=inception, got pixels"),
        (
            "kd_digits",
            "metrics: kd_digits requires features=digits, got pixels",
        ),
        ("recal", "metrics: no such metric: recal; did you mean recall?"),
        ("?", "metrics: no such metric: ?; there are fd_pixels, "),
    ],
)
def test_wanted_metrics_of_an_unavailable_name_raises_one_line(
    unlabelled, extractor, name, message
):
    reference = reference_of(unlabelled, extractor)
    known = runner.wanted_metrics(MeasureOptions(metrics="ari,recall"), reference)
    assert list(known) == ["ari", "recall"]
    with pytest.raises(UserError) as refused:
        runner.wanted_metrics(MeasureOptions(metrics=f"ari,{name}"), reference)
    assert str(refused.value).startswith(message)


def test_load_reference_for_metrics_without_features_loads_no_network(unlabelled):
    asked = MeasureOptions(metrics="pixel_mean,nmi", features="absent.keras")
    assert runner.load_reference(unlabelled, asked).extractor is None
    with pytest.raises(UserError, match=r"^eval_features: absent\.keras: ") as refusal:
        runner.load_reference(
            unlabelled, MeasureOptions(metrics="recall", features="absent.keras"), prefix="eval_"
        )
    assert refusal.value.option == "eval_features"


@pytest.mark.parametrize(
    ("asked", "test", "option"),
    [
        ({"split": "train"}, pictures(5, 1), "baselines"),
        ({}, None, "baselines"),
        ({"num_samples": 10}, pictures(5, 1), "num_samples"),
    ],
)
def test_load_reference_with_invalid_baselines_raises(asked, test, option):
    asked = MeasureOptions(
        **{"baselines": True, "metrics": "pixel_mean", "num_samples": 5, **asked}
    )
    with pytest.raises(UserError) as refusal:
        runner.load_reference(data_of(pictures(9, 0), test), asked)
    assert refusal.value.option == option


def test_measure_with_repeats_computes_unseeded_metrics_once(unlabelled):
    model = GAN((4, 4, 1), width=4, depth=1)
    reference = reference_of(unlabelled)
    asked = MeasureOptions(metrics="pixel_mean,ari", num_samples=7, seed=3, repeats=2)
    wanted = runner.wanted_metrics(asked, reference)
    found, first = runner.measure(subject.of_model("gan", model, {}), reference, wanted, asked)
    assert (first.seed, list(found)) == (3, ["pixel_mean", "ari"])
    mean = found["pixel_mean"]
    assert mean.protocol["seeds"] == [3, 4]
    assert mean.value == pytest.approx(sum(mean.protocol["values"]) / 2)
    assert found["ari"] == Measurement(None, {"reason": "GAN has no categorical code"})


def test_measure_of_few_images_uses_all_of_them(unlabelled):
    images = subject.Subject("few", lambda n, seed: [pictures(n, seed).images], count=6)
    asked = MeasureOptions(metrics="pixel_mean")
    reference = reference_of(unlabelled)
    wanted = runner.wanted_metrics(asked, reference)
    found, _ = runner.measure(images, reference, wanted, asked)
    assert found["pixel_mean"].protocol["n_fake"] == 6


def test_over_seeds_keeps_one_value_and_takes_the_median_of_several():
    first = Measurement(5.0, {"n_fake": 10, "spread": 0.1})
    assert runner.over_seeds([first], [7]) == Measurement(5.0, {**first.protocol, "seed": 7})
    others = [Measurement(value, {"n_fake": 10, "spread": 0.2}) for value in (1.0, 2.0)]
    metric = runner.over_seeds([first, *others], [7, 8, 9])
    assert metric.value == 2.0
    assert metric.protocol["seeds"] == [7, 8, 9]
    assert metric.protocol["values"] == [5.0, 1.0, 2.0]
    assert "seed" not in metric.protocol
    assert runner.over_seeds([first, others[0]], [0, 1]).value == 3.0


def test_over_seeds_lists_protocol_entries_that_differ():
    silent, telling = Measurement(1.0), Measurement(2.0, {"singular_covariance": "fake"})
    for metrics, listed in (
        ([silent, telling], [None, "fake"]),
        ([telling, silent], ["fake", None]),
    ):
        assert runner.over_seeds(metrics, [0, 1]).protocol["singular_covariance"] == listed


def test_over_seeds_with_one_na_is_na_with_reason():
    lacking = Measurement(None, {"reason": "too few"})
    found = runner.over_seeds([Measurement(1.0), lacking], [0, 1])
    assert found == Measurement(None, {"reason": "too few", "seeds": [0, 1]})
    assert runner.over_seeds([lacking], [3]).protocol["reason"] == "too few"


def test_count_of_real_features_that_are_not_finite_raises_one_line(unlabelled, extractor):
    wanted = [families.find("recall")]
    assert runner.count_of_real_features(Reference(unlabelled, "test", extractor), wanted) == 120
    with pytest.raises(UserError) as raised:
        runner.count_of_real_features(Reference(unlabelled, "test", not_finite(), "eval_"), wanted)
    assert raised.value.option == "eval_features"
    assert str(raised.value) == (
        "eval_features: broken: needs finite numbers, some are NaN or infinite"
    )


@pytest.mark.parametrize(
    ("names", "resizings"),
    [
        (["clean_fid"], ["clean"]),
        (["recall", "pixel_mean"], ["plain"]),
        (["recall", "clean_fid"], ["plain", "clean"]),
    ],
)
def test_count_of_real_features_computes_those_of_the_metrics(unlabelled, names, resizings):
    plain, clean = of_pixels(), of_pixels()
    network = dataclasses.replace(plain, clean=dataclasses.replace(clean, resizing="clean"))
    wanted = map(families.find, names)
    runner.count_of_real_features(Reference(unlabelled, "test", network), wanted)
    computed = {"plain": plain.calls, "clean": clean.calls}
    assert [name for name, calls in computed.items() if calls] == resizings


def test_undefined_lists_the_metrics_without_a_value_with_their_reasons():
    lacking = Measurement(None, {"reason": "too few"})
    assert runner.undefined({"a": Measurement(0.0), "b": lacking}) == {"b": "too few"}


def test_default_metric_of_training_is_the_frechet_distance():
    assert [metric.name for metric in families.declared() if metric.default] == ["fd_{features}"]


def family_of(*names, title="family", order=1):
    family = Family(title, order=order, table=SAMPLES)
    for name in names:
        family.metric(name, "meaning", better="")(lambda context: None)
    return family


def test_in_order_lists_a_family_of_two_modules_once():
    first, second = family_of("a", order=1), family_of("b", order=2)
    assert families.in_order([second, first, 3, second, "x"]) == (first, second)


def test_in_order_of_two_metrics_with_one_name_raises():
    with pytest.raises(ValueError, match=r"two metrics have the name b$"):
        families.in_order([family_of("a", "b"), family_of("b", "c")])


def test_in_order_of_a_family_without_metrics_raises():
    with pytest.raises(ValueError, match="the family idle has no metrics"):
        families.in_order([family_of("a"), family_of(title="idle")])
