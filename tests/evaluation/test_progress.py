"""Notes about the progress of evaluations."""

import numpy as np
import pytest

import waiting
from data import Split
from evaluation import runner, subject
from evaluation.metric import SAMPLES, Family
from evaluation.options import MeasureOptions
from evaluation.reference import counted, in_batches
from metrics.measurement import Measurement
from tests.evaluation.cases import data_of, pictures, reference_of


@pytest.fixture
def works(monkeypatch):
    """The works in progress, outermost first, without the thread that writes notes."""
    made = waiting.Notes()
    made.thread = object()
    monkeypatch.setattr(waiting, "_notes", made)
    return made.works


def test_note_of_counted_work_has_the_time_left():
    work = waiting.Work("samples", total=1000)
    assert work.note(work.since + 8) == "samples, 0 of 1,000, 8 s"
    work.done = 250
    assert work.note(work.since + 8) == "samples, 250 of 1,000, 8 s, 24 s left"


def test_counted_counts_the_items_of_finished_batches(works):
    batches = [np.zeros(5), np.zeros(5), np.zeros(2)]
    found = []
    for batch in counted(iter(batches), 12, "samples"):
        (work,) = works
        found.append((work.title, work.total, work.done, len(batch)))
    assert found == [("samples", 12, done, n) for done, n in ((0, 5), (5, 5), (10, 2))]
    assert works == []
    assert [len(batch) for batch in counted(batches, 12, "")] == [5, 5, 2]


def test_in_batches_without_a_title_has_no_notes(works):
    split = Split(np.zeros((300, 2, 2, 1), np.uint8))
    for title, count in (("images", 1), ("", 0)):
        batches = in_batches(split, title=title)
        assert len(next(batches)) == 250
        assert len(works) == count
        assert sum(map(len, batches)) == 50
        assert works == []


def test_measure_names_each_metric_with_its_number(works):
    titles = []
    own = Family("own", table=SAMPLES, better="", samples=True)

    def note(context):
        titles.append([work.title for work in works])
        return Measurement(1.0)

    own.metric("a", "of each seed")(note)
    own.metric("b", "of one seed", seeded=False)(note)
    wanted = {metric.name: metric for metric in own.metrics}
    images = subject.Subject("run", lambda n, seed: [pictures(n, seed).images])
    reference = reference_of(data_of(pictures(9, 0), pictures(9, 1)))
    runner.measure(images, reference, wanted, MeasureOptions(num_samples=3, repeats=2))
    assert titles == [["run: a (1 of 3)"], ["run: b (2 of 3)"], ["run: a (3 of 3)"]]
    assert works == []
