"""Fixed examples of the fuzz of files, folders and flags; benchmarks.fuzz runs more of them."""

import json

import pytest

from benchmarks.fuzz import run_files
from benchmarks.fuzz.limits import MOST
from benchmarks.fuzz.strategies import STRATEGIES, run_examples

QUICK, SLOW = 16, 6  # examples of a strategy: 200 in all


@pytest.mark.parametrize("name", STRATEGIES)
def test_fuzz_of_fixed_examples_finds_no_fault(name):
    run_examples(name, SLOW if STRATEGIES[name].modules else QUICK)


def test_fixed_examples_are_200():
    assert sum(SLOW if s.modules else QUICK for s in STRATEGIES.values()) == 200


def test_curves_of_arbitrary_logs_are_drawn():
    lines = b'{"step": 1, "d_loss": 1e308}\n{"step": 2, "d_loss": null, "$x_{": 5}\n\0\n{"step": 3}'
    run_files.check_log(lines, draws=True)


def test_record_of_the_fuzz_has_10000_examples_of_each_quick_strategy_and_no_fault(root):
    record = json.loads((root / "benchmarks" / "fuzz.json").read_text())["strategies"]
    assert record.keys() == STRATEGIES.keys()
    for name, found in record.items():
        assert found["examples"] == STRATEGIES[name].share(10_000)
        assert found["faults"] == 0
        assert found["peak_mib"] * 2**20 < MOST
