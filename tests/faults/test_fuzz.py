"""Fixed examples of the fuzz of files and flags; benchmarks/fuzz.py runs more of them."""

import json

import pytest

from benchmarks import fuzz


@pytest.mark.parametrize("name", fuzz.STRATEGIES)
def test_fuzz_of_fixed_examples_finds_no_fault(name):
    fuzz.run_examples(name, 30)  # 210 with those of the other strategies


def test_curves_of_arbitrary_logs_are_drawn():
    lines = b'{"step": 1, "d_loss": 1e308}\n{"step": 2, "d_loss": null, "$x_{": 5}\n\0\n{"step": 3}'
    fuzz.check_log(lines, draws=True)


def test_record_of_the_fuzz_has_10000_examples_of_each_strategy_and_no_fault(root):
    record = json.loads((root / "benchmarks" / "fuzz.json").read_text())
    assert record["examples"] == 10_000
    assert record["strategies"].keys() == fuzz.STRATEGIES.keys()
    assert not any(found["faults"] for found in record["strategies"].values())
