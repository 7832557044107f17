"""evaluate.py of a model with codes."""

import pathlib
import shutil
import types

import numpy as np
import pytest
from PIL import Image

import plotting
from tests.evaluate.cases import (
    CLUSTERS,
    CODES,
    evaluation_of,
    rows,
)

pytestmark = pytest.mark.usefixtures("cache")


# A model with codes.


@pytest.fixture(scope="module")
def coded(call, coded_run, tmp_path_factory):
    """The evaluation of a model with codes, at two seeds: outcome, path, metrics."""
    path = pathlib.Path(shutil.copytree(coded_run.path, tmp_path_factory.mktemp("run") / "coded"))
    argv = ("--features=digits", "--num_samples=60", "--seed=3", "--repeats=2")
    done = call("evaluate", f"--run={path}", *argv)
    assert (done.code, done.err) == (0, ""), done
    return types.SimpleNamespace(outcome=done, path=path, metrics=evaluation_of(path)["metrics"])


@pytest.mark.slow
def test_evaluate_of_a_model_with_codes_measures_codes_and_factors(coded):
    measured = ["slant_correlation", "mutual_information_gap", *CODES, *CLUSTERS]
    for name in measured:
        assert 0 <= abs(coded.metrics[name]["value"]) <= 1, name
    protocol = coded.metrics["slant_correlation"]["protocol"]
    assert (protocol["n_fake"], protocol["seeds"]) == (60, [3, 4])
    assert np.shape(protocol["correlations"]) == (2, 2)  # of each seed, of each code
    best = np.abs(protocol["correlations"]).max(1)
    np.testing.assert_allclose(protocol["values"], best)
    assert coded.metrics["slant_correlation"]["value"] == pytest.approx(best.mean())
    counts = {"n_train": 200, "n_test": 40, "code_dimension": 4 + 2}
    assert counts.items() <= coded.metrics["knn1_accuracy"]["protocol"].items()
    confusion = np.array(coded.metrics["cluster_accuracy"]["protocol"]["confusion"])
    assert (confusion.shape, confusion.sum()) == ((10, 4), 40)
    reason = coded.metrics["class_change"]["protocol"]["reason"]
    assert reason == "requires a classifier of the classes of digits; use --features=classifier"


def test_slant_correlation_is_that_of_the_generated_images(coded):
    from metrics import factors
    from training.loading import load_run

    model = load_run(coded.path)[2]
    latents = model.latents.draw(60, 3)
    slants = factors.slant(plotting.to_uint8(model.generate(latents)))
    expected = factors.rank_correlations(latents["continuous"].numpy(), slants)
    found = coded.metrics["slant_correlation"]["protocol"]["correlations"][0]
    np.testing.assert_allclose(found, expected, atol=0.01)


def test_evaluate_of_a_model_with_codes_draws_codes_and_confusion(coded):
    for name in ("codes.png", "confusion.png", "categories.png"):
        picture = np.asarray(Image.open(coded.path / name).convert("L"))
        assert picture.shape[1] > 100
        assert len(np.unique(picture)) > 10
    assert "slant_correlation" in coded.outcome.out


def test_evaluate_prints_the_class_that_each_category_matches(coded, coded_run):
    """The names label the pictures of the run, whose traversals change above and left of images."""
    mapping = coded.metrics["cluster_accuracy"]["protocol"]["mapping"]
    names = [f"{k} ({'none' if label is None else label})" for k, label in enumerate(mapping)]
    line = f"category (class) by Hungarian matching: {', '.join(names)}"
    assert line in coded.outcome.out.splitlines()
    name = "traversals/code-0-span-1.png"
    before, after = (np.asarray(Image.open(run.path / name)) for run in (coded_run, coded))
    assert after.shape[1] > before.shape[1]
    images = (slice(-4 * 58, None), slice(-11 * 58, None))
    np.testing.assert_array_equal(after[images], before[images])


@pytest.mark.slow
def test_slant_correlation_with_a_missing_feature_network_is_measured(call, coded, tmp_path):
    path = shutil.copytree(coded.path, tmp_path / "coded")
    argv = ("--metrics=slant_correlation", "--num_samples=20", "--features=absent.keras")
    done = call("evaluate", f"--run={path}", *argv)
    assert (done.code, done.err) == (0, ""), done
    assert [row[0] for row in rows(done.out)[2:]] == ["slant_correlation ↑"]
