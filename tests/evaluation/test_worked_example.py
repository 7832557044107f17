"""Worked examples: a metric of samples, and one with a new ability, each in one new file."""

import importlib
import json

import numpy as np
import pytest

from evaluation import families, runner, subject
from evaluation.options import MeasureOptions
from evaluation.record import evaluate
from evaluation.reports import pages
from evaluation.reports.comparison_figures import direction, is_logarithmic
from evaluation.reports.tables import notes, tables
from models.abilities import Ability
from tests.evaluation.cases import Bare, cells, entry, record, reference_of

pytestmark = pytest.mark.usefixtures("cache")

OF_SAMPLES = '''
"""Range of the gray levels of samples."""

import numpy as np

from evaluation.metric import HIGHER, SAMPLES, Family
from metrics.measurement import Measurement, MetricError

CONTRAST = Family("contrast", order=45, table=SAMPLES, samples=True)


@CONTRAST.metric("gray_range", "brightest less darkest gray level", better=HIGHER)
def gray_range(context):
    levels = np.flatnonzero(context.samples.pixels.levels)
    if len(levels) < 2:
        raise MetricError("needs two gray levels")
    return Measurement(float(levels[-1] - levels[0]))
'''.lstrip()

OF_AN_ABILITY = '''
"""Images that a model restores from their upper half."""

import numpy as np

from evaluation.metric import CODES, LOWER, Family
from evaluation.reference import over_batches
from metrics.measurement import Measurement
from models.abilities import Ability

INPAINT = Ability("does not inpaint images", ("inpaint",))
INPAINTING = Family("inpainting", order=25, table=CODES, ability=INPAINT, seeded=False)


@INPAINTING.metric("inpainting_error", "mean squared error of the lower half", better=LOWER)
def inpainting_error(context):
    images = context.reference.images
    error = over_batches(lambda x: (context.model.inpaint(x) - x) ** 2, images)
    return Measurement(float(np.mean(error)), context.reference.protocol)
'''.lstrip()


class Inpainting(Bare):
    """A model with the new ability."""

    def inpaint(self, x):
        return 0.0 * x


@pytest.fixture
def declare(tmp_path, monkeypatch):
    """declare(source): a file of that source in a folder of families."""
    folder = tmp_path / "families"
    folder.mkdir()
    monkeypatch.setattr(families, "__path__", [*families.__path__, str(folder)])

    def declare(source):
        (folder / "new_family.py").write_text(source)
        importlib.invalidate_caches()
        families.families.cache_clear()

    yield declare
    monkeypatch.undo()
    families.families.cache_clear()
    importlib.sys.modules.pop("evaluation.families.new_family", None)


def measured(model, data, metric, folder):
    asked = MeasureOptions(metrics=f"{metric},pixel_mean", num_samples=8)
    images = subject.Subject("images", lambda n, seed: [data.train.images[:n]], model=model)
    return evaluate(images, reference_of(data), asked, folder)


def test_metric_of_samples_is_declared_in_one_file(declare, call, unlabelled, tmp_path):
    declare(OF_SAMPLES)
    assert len(OF_SAMPLES.splitlines()) <= 25
    assert (
        "  gray_range\n      brightest less darkest gray level; higher is better"
        in call("evaluate", "--help=all").out
    )
    found = measured(None, unlabelled, "gray_range", tmp_path)
    levels = unlabelled.train.images[:8]
    entry_ = json.loads((tmp_path / "evaluation.json").read_text())["metrics"]["gray_range"]
    assert entry_ == found["metrics"]["gray_range"]
    assert entry_["value"] == levels.max() - levels.min()
    assert entry_["protocol"]["n_fake"] == 8
    assert cells(tables([found]))[1] == ["gray_range ↑", f"{entry_['value']:.4g}"]
    assert (direction("gray_range"), is_logarithmic("gray_range")) == ("higher", False)
    table = pages.values_table([record(metrics={"gray_range": entry(5.0)})], pages.published)
    assert cells(table)[0] == ["run", "gray_range"]


def test_metric_of_samples_that_raises_metric_error_is_na_with_reason(declare, unlabelled):
    declare(OF_SAMPLES)
    blank = np.zeros((8, 4, 4, 1), np.uint8)
    images = subject.Subject("blank", lambda n, seed: [blank])
    asked = MeasureOptions(metrics="gray_range,pixel_mean", num_samples=8)
    found = evaluate(images, reference_of(unlabelled), asked)
    assert found["metrics"]["gray_range"]["value"] is None
    assert "n/a: gray_range: needs two gray levels" in notes(found)


def test_metric_with_a_new_ability_is_declared_in_one_file(declare, call, unlabelled, tmp_path):
    declare(OF_AN_ABILITY)
    assert "inpainting_error" in call("evaluate", "--help=all").out
    found = measured(Inpainting((4, 4, 1)), unlabelled, "inpainting_error", tmp_path)
    x = unlabelled.test.images / np.float32(127.5) - 1
    inpainting = found["metrics"]["inpainting_error"]
    assert inpainting["value"] == pytest.approx(np.mean(x**2), rel=1e-5)
    assert inpainting["protocol"]["n_real"] == 120
    for model, reason in ((Bare((4, 4, 1)), "Bare does not inpaint images"), (None, "requires a ")):
        found = measured(model, unlabelled, "inpainting_error", tmp_path)
        assert found["metrics"]["inpainting_error"]["protocol"]["reason"].startswith(reason)
    records = [record(metrics={"inpainting_error": entry(0.5)})]
    table = pages.values_table(records, pages.of_codes)
    assert cells(table)[0] == ["run", "inpainting_error"]


def test_families_after_the_examples_are_the_built_in_ones():
    assert "gray_range" not in families.named(None)
    assert isinstance(families.find("nmi").ability, Ability)
    assert runner.measure_one.__module__ == "evaluation.runner"
