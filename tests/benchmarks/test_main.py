"""python -m benchmarks NAME."""

import pytest

from benchmarks.__main__ import described, main
from errors import UserError


def test_benchmarks_are_listed_with_their_first_lines(capsys):
    assert main([]) == 0
    listed = capsys.readouterr().out
    assert "compare" in listed
    assert "Step time of flagfiles." in listed
    assert {"compare", "steps", "pipeline", "xla"} <= described().keys()
    assert "same_run" not in described()


def test_name_is_run_with_the_other_arguments(python):
    done = python("-m", "benchmarks", "compare", "--help")
    assert done.code == 0
    assert "--stages" in done.out
    assert python("-m", "benchmarks", "compare", "--stages=x").refusal() == (
        "--stages: no such stage: x"
    )


def test_unknown_name_raises():
    with pytest.raises(UserError, match=r"no such benchmark: step.*steps"):
        main(["step"])
