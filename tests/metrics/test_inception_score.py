"""Inception Scores worked out by hand, and compared with the reference program."""

import importlib.util
import json
import pathlib
import tracemalloc

import numpy as np
import pytest

from metrics.inception_score import ClassProbabilities
from metrics.measurement import MetricError

HERE = pathlib.Path(__file__).parent
spec = importlib.util.spec_from_file_location("make_goldens", HERE / "make_goldens.py")
goldens = importlib.util.module_from_spec(spec)
spec.loader.exec_module(goldens)
REFERENCE = json.loads((HERE / "goldens.json").read_text())["inception_score"]


def score(logits, splits=1, batch=64):
    probabilities = ClassProbabilities(len(logits), splits)
    for start in range(0, len(logits), batch):
        probabilities.update(logits[start : start + batch])
    return probabilities.score()


def sure(classes, k):
    """Logits [n, k] with a probability of 1 for the class."""
    return 1e4 * np.eye(k)[classes]


def test_inception_score_of_confident_predictions_of_k_classes_is_k():
    for k in (2, 7, 10):
        assert score(sure(np.arange(20 * k) % k, k)).value == pytest.approx(k, rel=1e-12)


def test_inception_score_of_one_class_is_1():
    assert score(sure(np.zeros(30, int), 10)).value == pytest.approx(1, rel=1e-12)


def test_inception_score_of_uniform_predictions_is_1():
    assert score(np.zeros((30, 10))).value == pytest.approx(1, rel=1e-12)


def test_inception_score_equals_value_by_hand():
    # p(y|x) = (3/4, 1/4) and (1/4, 3/4), p(y) = (1/2, 1/2):
    # KL = 3/4 log(3/2) + 1/4 log(1/2) for both.
    logits = np.log([[3.0, 1.0], [1.0, 3.0]])
    assert score(logits).value == pytest.approx(1.5**0.75 * 0.5**0.25, rel=1e-12)


def test_inception_score_of_splits_has_their_mean_and_standard_deviation():
    # Two classes in the first half, one in the second: 2 and 1.
    metric = score(sure([0, 1, 0, 1, 0, 0, 0, 0], 3), splits=2)
    assert metric.value == pytest.approx(1.5)
    assert metric.protocol == {"spread": pytest.approx(0.5), "splits": 2}


@pytest.mark.parametrize("batch", [1, 100, 1003])
def test_inception_score_in_any_batches_equals_the_reference_program(batch):
    # 1003 images make 10 splits of unequal size.
    metric = score(goldens.class_logits(*goldens.LOGITS), splits=10, batch=batch)
    assert metric.value == pytest.approx(REFERENCE["inception_score_mean"], rel=1e-12)
    assert metric.protocol["spread"] == pytest.approx(REFERENCE["inception_score_std"], rel=1e-9)


def test_inception_score_is_invariant_to_a_shift_of_the_logits():
    logits = goldens.class_logits(100, 5)
    assert score(logits + 1e4).value == pytest.approx(score(logits).value, rel=1e-9)


def test_class_probabilities_of_fewer_images_than_splits_raise():
    with pytest.raises(MetricError, match=r"^needs at least 10 images, there are 9$"):
        ClassProbabilities(9)


@pytest.mark.parametrize("came", [0, 19, 21])
def test_class_probabilities_of_another_number_of_images_raise(came):
    probabilities = ClassProbabilities(20)
    probabilities.update(np.zeros((came, 3)))
    with pytest.raises(MetricError, match=rf"^needs 20 images, there are {came}$"):
        probabilities.score()


def test_class_probabilities_of_logits_that_are_not_finite_raise():
    with pytest.raises(MetricError, match=r"^needs finite logits, some are NaN or infinite$"):
        ClassProbabilities(20).update(np.array([[0.0, np.nan]]))


def test_class_probabilities_of_many_images_use_bounded_memory():
    def peak(images):
        random = np.random.default_rng(0)
        probabilities = ClassProbabilities(images)
        tracemalloc.start()
        for _ in range(images // 250):
            probabilities.update(random.normal(size=(250, 50)))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    assert peak(50_000) < 1.1 * peak(10_000)
