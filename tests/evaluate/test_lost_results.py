"""Results of evaluate.py whose files cannot be written, and of runs before one that fails."""

import errno
import os
import shutil

import pytest

from tests.evaluate.cases import evaluation_of, rows

pytestmark = pytest.mark.usefixtures("cache")
MEASURED = ("--metrics=pixel_mean", "--num_samples=4")


def test_table_is_printed_although_evaluation_json_cannot_be_written(call, copied_run, monkeypatch):
    def full(fd):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    done = call("evaluate", f"--run={copied_run}", *MEASURED)
    assert done.code == 2
    assert [row[0] for row in rows(done.out)[2:]] == ["pixel_mean"]
    warning, error = done.err.splitlines()
    assert warning.startswith(f"warning: {copied_run}: pictures cannot be drawn (OSError: ")
    assert error.startswith("error: disk full: ")
    assert not (copied_run / "evaluation.json").exists()


def test_tables_of_the_runs_before_one_that_fails_are_printed(call, copied_run, tmp_path):
    damaged = tmp_path / "damaged"
    shutil.copytree(copied_run, damaged)
    for path in (damaged / "checkpoints").glob("*.data-*"):
        path.write_bytes(path.read_bytes()[:-100])
    argv = (f"--run={copied_run},{damaged}", f"--outdir={tmp_path / 'out'}", *MEASURED)
    done = call("evaluate", *argv)
    assert done.code == 2
    assert "no checkpoint can be read" in done.err
    header, _, *body = rows(done.out)
    assert header == ["digits", str(copied_run)]
    assert [row[0] for row in body] == ["pixel_mean"]


def test_files_are_written_before_the_table_is_printed(call, copied_run, monkeypatch):
    """As with | head -1, which closes the pipe after the first line."""
    import evaluate

    def closed(*_, **__):
        raise BrokenPipeError

    monkeypatch.setattr(evaluate, "print", closed, raising=False)
    with pytest.raises(BrokenPipeError):
        evaluate.main([f"--run={copied_run}", *MEASURED])
    assert evaluation_of(copied_run)["metrics"]["pixel_mean"]["value"] > 0
    assert (copied_run / "neighbours.png").exists()


def test_curves_of_an_earlier_comparison_are_deleted(tmp_path):
    from evaluation.reports.comparison import write_comparison

    (tmp_path / "curves.png").touch()
    entry = {"value": 1.0, "protocol": {}}
    record = {"name": "a", "dataset": "d", "seconds": {}, "metrics": {"pixel_mean": entry}}
    line = write_comparison(tmp_path, [record], {"a": []}, {"a": ["a"]})
    assert line == f"comparison.md (with the protocols), .json, .csv and .png are in {tmp_path}"
    assert not (tmp_path / "curves.png").exists()


def test_comparison_whose_figures_fail_has_its_tables(tmp_path, capsys):
    """There is no figure without a measured metric."""
    from evaluation.reports.comparison import write_comparison

    entry = {"value": None, "protocol": {"reason": "none"}}
    record = {"name": "a", "dataset": "d", "seconds": {}, "metrics": {"pixel_mean": entry}}
    line = write_comparison(tmp_path, [record], {"a": []}, {"a": ["a"]})
    assert line == f"comparison.md (with the protocols), .json and .csv are in {tmp_path}"
    assert capsys.readouterr().err.startswith(
        f"warning: {tmp_path}: pictures cannot be drawn (ValueError: "
    )
    files = {"comparison.md", "comparison.csv", "comparison.json"}
    assert {path.name for path in tmp_path.iterdir()} == files
