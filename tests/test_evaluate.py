"""evaluate.py from outside: its table, evaluation.json, and what it publishes."""

import json
import os
import pathlib
import shutil
import signal

import numpy as np
import pytest

import plotting
from metrics import report

METRICS = ["pixel_mean", "pixel_std", "pixel_distance", "distinct_share"]


def evaluation_of(path):
    return json.loads((path / "evaluation.json").read_text())


def rows(text):
    """The cells of the lines of a Markdown table."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]


@pytest.fixture(scope="module")
def unlabelled(tmp_path_factory, call):
    """A finished run on coloured images without labels, of which none are for testing."""
    folder = tmp_path_factory.mktemp("unlabelled")
    x = np.random.default_rng(0).integers(0, 256, (30, 8, 8, 3)).astype(np.uint8)
    np.savez(folder / "noise.npz", x_train=x)
    argv = ("--model=gan", "--width=4", "--depth=1", "--batch_size=8", "--steps=2")
    done = call("train", *argv, f"--dataset={folder / 'noise.npz'}", f"--outdir={folder / 'run'}")
    assert done.code == 0, done
    return folder / "run"


def test_evaluation_json_has_each_metric_with_its_protocol(call, copied_run, digits):
    from training.setup import load_run

    done = call("evaluate", f"--run={copied_run}", "--num_samples=50", "--seed=3")
    assert (done.code, done.err) == (0, ""), done
    evaluation = evaluation_of(copied_run)
    protocol = {
        "checkpoint_step": 6,
        "ema_decay": 0.999,
        "precision": "off",
        "n_fake": 50,
        "n_real": 40,
        "split": "test",
        "seed": 3,
    }
    assert list(evaluation["metrics"]) == METRICS
    assert evaluation["protocol"] == protocol
    assert evaluation["seconds"] >= 0
    for metric in evaluation["metrics"].values():
        assert protocol.items() <= metric["protocol"].items()
    fake = plotting.to_uint8(load_run(copied_run)[2].sample(50, seed=3))
    mean = evaluation["metrics"]["pixel_mean"]
    assert mean["value"] == pytest.approx(fake.mean())
    assert mean["protocol"]["real"] == pytest.approx(np.load(digits)["x_test"].mean())


def test_the_same_seed_gives_the_same_numbers_and_another_one_others(call, copied_run):
    def values(*argv):
        assert call("evaluate", f"--run={copied_run}", "--num_samples=20", *argv).code == 0
        return evaluation_of(copied_run)["metrics"]

    first = values("--seed=1")
    assert values("--seed=1") == first
    assert values("--seed=2")["pixel_mean"]["value"] != first["pixel_mean"]["value"]


def test_two_runs_are_two_rows_of_one_table(call, copied_run, unlabelled):
    done = call("evaluate", f"--run={copied_run},{unlabelled}", "--num_samples=10")
    assert done.code == 0, done
    header, _, *body = rows(done.out)
    assert header == ["run", *METRICS]
    assert [row[0] for row in body] == [str(copied_run), str(unlabelled)]
    for row, path in zip(body, (copied_run, unlabelled), strict=True):
        metrics = evaluation_of(path)["metrics"]
        assert row[1:] == [report.cell(metrics[name]["value"]) for name in METRICS]
    assert body[0][1:] != body[1][1:]
    last = done.out.splitlines()[-2:]
    assert last[0].startswith(f"{copied_run}: checkpoint_step 6, ")
    assert last[1].startswith(f"{unlabelled}: checkpoint_step 2, ")


def test_without_test_images_the_training_images_are_compared_with(call, unlabelled):
    assert call("evaluate", f"--run={unlabelled}", "--num_samples=5").code == 0
    protocol = evaluation_of(unlabelled)["protocol"]
    assert (protocol["split"], protocol["n_real"], protocol["n_fake"]) == ("train", 30, 5)
    assert protocol["checkpoint_step"] == 2


def test_other_images_than_the_run_was_trained_on_are_refused(call, copied_run, tmp_path):
    saved = json.loads((copied_run / "config.json").read_text())
    saved["options"]["dataset"] = str(tmp_path / "other.npz")
    (copied_run / "config.json").write_text(json.dumps(saved))
    x = np.random.default_rng(0).integers(0, 256, (30, 28, 28)).astype(np.uint8)
    np.savez(tmp_path / "other.npz", x_train=x)
    refusal = call("evaluate", f"--run={copied_run}", "--num_samples=5").refusal()
    assert "images" in refusal
    assert not (copied_run / "evaluation.json").exists()


def test_a_missing_run_and_one_without_a_checkpoint_are_refused(call, copied_run, tmp_path):
    missing = tmp_path / "missing"
    assert f"{missing}: no run there" in call("evaluate", f"--run={missing}").refusal()
    assert not missing.exists()
    shutil.rmtree(copied_run / "checkpoints")
    refusal = call("evaluate", f"--run={copied_run}", "--num_samples=5").refusal()
    assert f"--run={copied_run}: it has no checkpoint yet" in refusal


def test_flags_are_checked_and_helped_with_before_tensorflow_is_imported(
    without_tensorflow, tmp_path
):
    lines = [
        ["--help"], [], ["--run=,"], ["--run=x", "--num_sample=9"], ["--run=x", "--num_samples=1"],
        ["--run=x", "--publish=perhaps"], ["--run=x", "--nopublish=true"], ["--run=x"],
    ]  # fmt: skip
    help_, *refused = without_tensorflow("evaluate", lines, tmp_path)
    assert (help_.code, help_.err) == (0, "")
    assert help_.out.startswith("usage: python evaluate.py --run DIR[,DIR ...]")
    assert "\n  --num_samples  [10000]\n" in help_.out
    assert "\n  --publish  [False]\n" in help_.out
    messages = [outcome.refusal() for outcome in refused]
    assert messages[0].startswith("--run: say which run directories")
    assert messages[1].startswith("--run: say which run directories")
    assert messages[2] == "--num_sample: no such flag; did you mean --num_samples?"
    assert messages[3] == "--num_samples=1: it must be a whole number >= 2"
    assert "--publish=perhaps" in messages[4]
    assert "--nopublish" in messages[5]
    assert messages[6].startswith("x: no run there")


# What is published.

README = "<!-- results: training -->\n<!-- end of results -->\n\n" + (
    "<!-- results: metrics -->\n<!-- end of results -->\n"
)


@pytest.fixture
def published(tmp_path, monkeypatch):
    """metrics.report, writing into a folder of its own."""
    monkeypatch.setattr(report, "RESULTS", tmp_path / "assets" / "results.json")
    monkeypatch.setattr(report, "README", tmp_path / "README.md")
    report.README.write_text(README)
    return report


def assert_nothing_published(published):
    assert not published.RESULTS.exists()
    assert published.README.read_text() == README


@pytest.fixture(scope="module")
def flagfile(tiny, tmp_path_factory):
    path = tmp_path_factory.mktemp("configs") / "tiny.txt"
    path.write_text("# A tiny run.\n" + "\n".join([*tiny, "--steps=4"]) + "\n")
    return path


def test_a_finished_run_of_a_flagfile_is_recorded_and_shown(call, flagfile, tmp_path, published):
    run = tmp_path / "run"
    done = call("train", f"--flagfile={flagfile}", "--seed=3", f"--outdir={run}")
    assert done.code == 0, done
    assert call("evaluate", f"--run={run}", "--num_samples=5", "--nopublish").code == 0
    assert_nothing_published(published)

    for _ in range(2):
        done = call("evaluate", f"--run={run}", "--num_samples=5", "--publish")
        assert (done.code, done.err) == (0, ""), done
        (record,) = json.loads(published.RESULTS.read_text())
    assert list(record) == [
        "model", "dataset", "flagfile", "seed", "steps", "kimg", "wall_minutes", "machine",
        "metrics",
    ]  # fmt: skip
    last = json.loads((run / "metrics.jsonl").read_text().splitlines()[-1])
    environment = json.loads((run / "config.json").read_text())["environment"]
    assert (record["model"], record["dataset"]) == ("gan", "digits")
    assert (record["flagfile"], record["seed"]) == (str(flagfile), 3)
    assert (record["steps"], record["kimg"]) == (4, 0.064)
    assert record["wall_minutes"] == round(last["seconds"] / 60, 1)
    assert record["machine"] == environment["machine"]
    assert record["metrics"] == evaluation_of(run)["metrics"]
    for name in ("samples.png", "curves.png", "progress.gif"):
        copy = published.RESULTS.parent / "tiny-seed3" / name
        assert copy.read_bytes() == (run / name).read_bytes(), name
    assert published.README.read_text() == published.fill(README, [record])
    assert "[tiny](" in published.README.read_text()


def test_a_run_that_a_flagfile_did_not_make_is_not_published(call, copied_run, published):
    refusal = call("evaluate", f"--run={copied_run}", "--publish").refusal()
    assert refusal == f"{copied_run}: only what a flagfile and a seed made is published"
    assert_nothing_published(published)
    assert not (copied_run / "evaluation.json").exists()


def test_a_run_with_flags_beside_its_flagfile_is_not_published(call, flagfile, tmp_path, published):
    run = tmp_path / "run"
    argv = (f"--flagfile={flagfile}", "--width=9", f"--outdir={run}")
    assert call("train", *argv).code == 0
    refusal = call("evaluate", f"--run={run}", "--publish").refusal()
    assert refusal == f"{run}: only what a flagfile and a seed made is published"
    assert_nothing_published(published)


def test_a_run_that_is_not_finished_is_not_published(
    call, flagfile, tmp_path, monkeypatch, published
):
    from training import callbacks

    after_step = callbacks.Log.after_step

    def stopped(log, scalars):
        after_step(log, scalars)
        if log.step == 3:
            os.kill(os.getpid(), signal.SIGTERM)

    run = pathlib.Path(tmp_path / "run")
    with monkeypatch.context() as patch:
        patch.setattr(callbacks.Log, "after_step", stopped)
        assert call("train", f"--flagfile={flagfile}", f"--outdir={run}").code == 143
    refusal = call("evaluate", f"--run={run}", "--publish").refusal()
    assert refusal == f"{run}: it is not finished (step 3)"
    (run / "metrics.jsonl").write_text("")
    assert "not finished" in call("evaluate", f"--run={run}", "--publish").refusal()
    assert_nothing_published(published)
    assert not (run / "evaluation.json").exists()
