"""The faults of benchmarks/faults.py can be applied to this tree."""

import dataclasses

from benchmarks import fault_list, faults

TREE = faults.Tree(faults.NEW, faults.ROOT)


def test_fault_list_has_60_faults_that_apply_to_this_tree():
    assert sum(map(len, fault_list.FAULTS.values())) == 60
    assert list(faults.problems(TREE)) == []


def test_problems_of_a_missing_text_reports_the_fault():
    fault = fault_list.LOSSES[0]
    missing = dataclasses.replace(fault.new, text="not there")
    unusable = dataclasses.replace(fault, new=missing)
    (problem,) = faults.problems(TREE, {"losses": [unusable]})
    assert fault.name in problem
    assert "has 0 times" in problem


def test_tests_of_a_fault_begin_with_those_of_its_unit():
    change = fault_list.MODELS[0].new
    tests = TREE.tests("models", change)
    assert tuple(tests[: len(change.first)]) == change.first
    assert fault_list.CONTRACTS[0] in tests
    assert len(tests) == len(set(tests))


def test_totals_counts_a_timeout_as_survived_and_names_it():
    pairs = faults.selected("losses")[:2]
    outcomes = (faults.KILLED, faults.TIMED_OUT)
    found = {f.name: {"outcome": o} for (_, f), o in zip(pairs, outcomes, strict=True)}
    assert faults.killed(pairs, found) == 1
    assert f"new, timed out: {pairs[1][1].name}" in faults.totals(pairs, {faults.NEW: found})
