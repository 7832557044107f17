"""Workers that take turns, and the statistics of their times."""

import io
import json
import math

import pytest

from benchmarks.compare import contestants, rounds
from benchmarks.compare.contestants import Built
from benchmarks.compare.worker import WorkerError, serve
from tests.benchmarks.cases import contestant


def test_spread_is_the_interquartile_range():
    assert rounds.spread([1.0, 2.0, 3.0, 4.0, 5.0]) == 2.0
    assert rounds.spread([3.0]) == 0.0


def test_interval_of_the_median_is_that_of_its_order_statistics():
    """Of 9 values, the 2nd and the 8th: P(2 <= Binomial(9, 1/2) <= 7) = 0.961."""
    assert rounds.interval([9.0, 1.0, 8.0, 2.0, 7.0, 3.0, 6.0, 4.0, 5.0]) == (2.0, 8.0)
    assert all(math.isnan(end) for end in rounds.interval([1.0, 2.0, 3.0]))


def test_ratio_is_the_median_of_the_ratios_within_the_rounds():
    group = {
        "reference": {"seconds": [1.0, 2.0, 4.0]},
        "twice as fast, once": {"seconds": [0.5, 2.0, 4.0]},
        "twice as slow": {"seconds": [2.0, 4.0, 8.0]},
    }
    assert rounds.ratios([1.0, 2.0], [0.5, 4.0]) == [2.0, 0.5]
    assert rounds.ratio(group, "twice as fast, once", "reference") == 1.0
    assert rounds.ratio(group, "twice as slow", "reference") == 0.5
    assert rounds.ratio(group, "absent", "reference") is None


def test_serve_answers_each_command_with_a_line_of_json():
    calls, answers = [], io.StringIO()
    built = Built(calls.append, images=2, multiplications=3)
    serve(built, io.StringIO("run 5\nmemory\n"), answers)
    first, facts, timed, memory = map(json.loads, answers.getvalue().splitlines())
    assert calls == [1, 3, 5]
    assert first == {"first_step": True}
    assert facts == {"images": 2, "multiplications": 3, "multiple": 1, "parts": {}}
    assert 0 <= timed["seconds"] < 1
    assert memory["peak_memory"] > 5


def test_serve_rejects_another_command():
    with pytest.raises(ValueError, match="expected run N or memory, got stop"):
        serve(Built(lambda steps: None), io.StringIO("stop\n"), io.StringIO())


def test_measure_takes_turns_between_processes():
    group = [contestant("slow", seconds=0.02), contestant("fast", seconds=0.004, multiple=5)]
    found = rounds.measure(group, rounds=3, seconds=0.04)
    assert {name: len(one["seconds"]) for name, one in found.items()} == {"slow": 3, "fast": 3}
    assert min(found["slow"]["seconds"]) >= 0.02
    assert min(found["fast"]["seconds"]) >= 0.004
    assert found["fast"]["images"] == 10
    assert found["fast"]["multiplications"] == 7
    assert found["fast"]["own"]
    assert "parts" not in found["fast"]


def test_measure_names_the_contestant_that_fails():
    with pytest.raises(WorkerError, match=r"^broken: RuntimeError: out of luck$"):
        rounds.measure([contestant("broken", "failing")], rounds=1, seconds=0.1)


def test_contestants_of_a_group_have_different_names():
    from benchmarks.compare.cases import CASES

    for case in CASES.values():
        groups = [
            contestants.of_steps(case),
            contestants.of_ablation(case, "float32"),
            contestants.few(case),
        ]
        for group in groups:
            names = [one.name for one in group]
            assert len(set(names)) == len(names)
