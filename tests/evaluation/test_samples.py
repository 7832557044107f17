"""Metrics of samples: protocols, reasons and shared results."""

import dataclasses

import numpy as np
import pytest

from evaluation import context, subject
from evaluation.reports import pictures as reports
from metrics.measurement import Measurement
from tests.evaluation.cases import (
    PIXELS,
    context_of,
    data_of,
    measure,
    not_finite,
    of_pixels,
    pictures,
    reference_of,
)

pytestmark = pytest.mark.usefixtures("cache")


@pytest.fixture
def training_images(unlabelled):
    """Training images as samples."""
    return subject.baselines(unlabelled.train)[0]


def test_measure_of_samples_records_the_protocol(unlabelled, extractor, training_images):
    reference = reference_of(unlabelled, extractor)
    wanted = ("fd_pixels", "pixel_mean", "copied_share", "kd_pixels")
    found = measure(training_images, reference, wanted, n=300)
    of_all = {"n_fake": 300, "n_real": 120, "split": "test"}
    network = {"features": "pixels", "features_sha256": "00", "resizing": "none"}
    assert found["fd_pixels"].protocol == {**of_all, **network}
    assert found["pixel_mean"].protocol == {**of_all, "real": reference.pixels.mean}
    assert found["kd_pixels"].value is None
    assert found["kd_pixels"].protocol["reason"].startswith("needs at least 1,000 samples")
    assert found["copied_share"].value == 1


def test_measure_of_pixels_needs_no_extractor(unlabelled):
    noise = subject.baselines(unlabelled.train)[2]
    found = measure(noise, reference_of(unlabelled), PIXELS, n=120)
    assert found["copied_share"].value < 0.1
    assert found["distinct_share"].value == 1


def test_measure_draws_samples_once_and_computes_features_on_demand(
    unlabelled, extractor, training_images
):
    draws = []

    def draw(n, seed):
        draws.append((n, seed))
        return training_images.draw(n, seed)

    counted = subject.Subject("counted", draw)
    reference = reference_of(unlabelled, extractor)
    measure(counted, reference, PIXELS, n=60, seed=4)
    assert (draws, extractor.calls) == ([(60, 4)], [])
    measure(counted, reference, ("fd_pixels", "precision", *PIXELS), n=60, seed=4)
    assert draws == [(60, 4)] * 2
    assert extractor.calls == [50] * (2 + 3)  # of the samples, and of 120 real images


def test_context_keeps_the_first_samples(unlabelled, training_images, monkeypatch):
    monkeypatch.setattr(context, "FIRST", 30)
    found = context_of(training_images, reference_of(unlabelled), PIXELS, n=300, seed=5)
    np.testing.assert_array_equal(found.samples.first, next(training_images.draw(300, 5))[:30])


def test_copied_share_against_training_images_is_na_with_reason(unlabelled, training_images):
    reference = reference_of(unlabelled, split="train")
    found = measure(training_images, reference, ["copied_share"], n=9)["copied_share"]
    reason = "requires images that were not trained on"
    assert found == Measurement(
        None, {"split": "train", "n_real": 300, "n_fake": 9, "reason": reason}
    )


def test_measure_of_a_single_real_image_is_na_with_reason(extractor):
    data = data_of(pictures(9, 1), pictures(1, 2))
    draw = subject.baselines(data.train)[0]
    found = measure(draw, reference_of(data, extractor), ["fd_pixels"], n=9)
    assert found["fd_pixels"].value is None
    assert found["fd_pixels"].protocol["reason"] == "needs at least 2 images, there are 1"


@pytest.mark.parametrize("name", ["path_length_pixels", "nmi", "elbo", "conditional_accuracy"])
def test_measure_of_images_without_a_model_is_na_with_reason(unlabelled, name):
    images = subject.Subject("images", draw=None)
    found = measure(images, reference_of(unlabelled, of_pixels()), [name])[name]
    assert found == Measurement(None, {"reason": "requires a model"})


def test_stage_of_a_stopwatch_excludes_inner_stages(monkeypatch):
    clock = iter([0.0, 1.0, 4.0, 6.0])
    monkeypatch.setattr(context.time, "perf_counter", lambda: next(clock))
    watch = context.Stopwatch()
    with watch.stage("outer"), watch.stage("inner"):
        pass
    assert watch.seconds == {"inner": 3.0, "outer": 3.0}


def test_shared_calls_a_function_once(unlabelled):
    calls = []
    found = context_of(subject.Subject("none", draw=None), reference_of(unlabelled), [])
    for _ in range(2):
        assert found.shared(calls.append) is None
    assert calls == [found]


def test_neighbours_grid_has_the_nearest_images_in_order(unlabelled, monkeypatch):
    drawn = {}
    monkeypatch.setattr(
        reports.plotting, "grid", lambda images, **how: drawn.update(images=images, **how)
    )
    train, samples = unlabelled.train.images, pictures(12, 9).images
    samples[3] = train[44]
    reports.neighbours_grid(samples, train)
    assert drawn["columns"] == 9
    assert drawn["column_labels"] == ["sample", 1, 2, 3, 4, 5, 6, 7, 8]
    rows = drawn["images"].reshape(10, 9, 4, 4, 1)
    np.testing.assert_array_equal(rows[:, 0], samples[:10])
    np.testing.assert_array_equal(rows[3, 1], train[44])
    distances = np.square(rows[:, 1:].astype(float) - rows[:, :1]).sum((2, 3, 4))
    assert (np.diff(distances) >= 0).all()
    assert (distances[:3, 0] > 0).all()


@pytest.mark.parametrize(("n", "m"), [(1, 1), (3, 5), (10, 300)])
def test_neighbours_grid_of_few_images_is_a_picture(n, m):
    sheet = reports.neighbours_grid(pictures(n, 1).images, pictures(m, 2).images)
    assert sheet.dtype == np.uint8
    assert sheet.ndim == 3


def test_draw_codes_has_a_panel_per_measured_metric(tmp_path, monkeypatch):
    """Per code: the lowest, median and highest value of the seeds."""
    drawn = {}
    monkeypatch.setattr(
        reports.plotting, "save_dots", lambda path, *given: drawn.update({path.name: given})
    )
    about = {"model": "infogan", "dataset": "MNIST"}
    several = {"correlations": [[0.1, -0.9], [0.3, -0.7], [0.2, -0.5]], **about}
    metrics = {
        "slant_correlation": Measurement(0.7, several),
        "thickness_correlation": Measurement(None, {"reason": "none"}),
        "class_change": Measurement(0.3, {"shares": [0.25, 0.5], **about}),
    }
    reports.draw_codes(metrics, tmp_path / "digits-seed1")
    (slant, change), title = drawn["codes.png"]
    assert title == "infogan on MNIST, digits-seed1"
    assert (slant.includes, change.includes) == ((-1, 1), (0, 1))
    assert slant.title == "slant: rank correlation"
    assert slant.values == {"code 0": (0.1, 0.2, 0.3), "code 1": (-0.9, -0.7, -0.5)}
    assert change.title == "samples whose class changes from -1 to 1"
    assert change.values == {"code 0": (0.25, 0.25, 0.25), "code 1": (0.5, 0.5, 0.5)}
    drawn.clear()
    reports.draw_codes({"class_change": Measurement(None, {})}, tmp_path)
    assert drawn == {}


def test_samples_with_features_that_are_not_finite_are_drawn_once_and_are_na(unlabelled):
    draws = []

    def draw(n, seed):
        draws.append(seed)
        return [pictures(n, seed).images]

    wanted = ("fd_broken", "precision", "pixel_mean")
    found = measure(subject.Subject("", draw), reference_of(unlabelled, not_finite()), wanted)
    assert found["pixel_mean"].value == pytest.approx(pictures(10, 0).images.mean())
    for name in ("fd_broken", "precision"):
        assert found[name].value is None
        reason = found[name].protocol["reason"]
        assert reason == "needs finite numbers, some are NaN or infinite"
    assert draws == [0]


def test_logits_that_are_not_finite_leave_the_distances_of_the_features(unlabelled):
    pixels = of_pixels()

    def network(images):
        features, _ = pixels.network(images)
        return features, np.full((len(features), 3), np.nan, np.float32)

    extractor = dataclasses.replace(pixels, network=network)
    wanted = (f"fd_{pixels.name}", f"is_{pixels.name}")
    drawn = subject.Subject("", lambda n, seed: [pictures(n, seed).images])
    distance, score = measure(drawn, reference_of(unlabelled, extractor), wanted, n=20).values()
    assert distance.value > 0
    assert score.value is None
    assert score.protocol["reason"] == "needs finite logits, some are NaN or infinite"


def test_draw_of_samples_with_features_that_are_not_finite_shows_their_neighbours(
    unlabelled, training_images, tmp_path
):
    reference = reference_of(unlabelled, not_finite())
    reports.draw({}, context_of(training_images, reference, ["fd_broken"]), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["neighbours.png"]
