"""evaluate.py --publish."""

import json
import os
import pathlib
import signal

import pytest

from evaluation import options
from evaluation.reports import pages, publishing
from tests.evaluate.cases import (
    evaluation_of,
)

pytestmark = pytest.mark.usefixtures("cache")


# Publishing.

FLAGFILE_ONLY = "only a run of one flagfile and a seed, without other flags, is published"

README = """<!-- results: training -->
<!-- end of results -->

![Samples](assets/tiny-seed3/samples.png) ![Neighbours](assets/tiny-seed3/neighbours.png)
![Comparison](assets/study/comparison.png) ![Curves](assets/study/curves.png)
"""


def test_publish_with_another_protocol_is_invalid(call, copied_run):
    for argv, told in (
        (["--num_samples=5", "--repeats=3"], "num_samples=10000"),
        ([], "repeats=3"),
        (["--repeats=3", "--split=train"], "split=test"),
    ):
        refusal = call("evaluate", f"--run={copied_run}", "--publish", *argv).refusal()
        assert refusal == f"--publish: requires {told}"


@pytest.fixture
def published(tmp_path, monkeypatch):
    """evaluation.reports.publishing, writing into a folder of its own."""
    monkeypatch.setattr(publishing, "RESULTS", tmp_path / "docs" / "results.json")
    monkeypatch.setattr(publishing, "ASSETS", tmp_path / "assets")
    monkeypatch.setattr(pages, "ROOT", tmp_path)
    monkeypatch.setattr(options, "published_values", dict)
    (tmp_path / "README.md").write_text(README)
    return publishing


def readme():
    return (pages.ROOT / "README.md").read_text()


def assert_nothing_published(published):
    assert not published.RESULTS.exists()
    assert readme() == README


@pytest.fixture(scope="module")
def flagfile(tiny, tmp_path_factory):
    path = tmp_path_factory.mktemp("configs") / "tiny.txt"
    path.write_text("# A tiny run.\n" + "\n".join([*tiny, "--steps=4"]) + "\n")
    return path


@pytest.mark.slow
def test_publish_of_a_finished_run_writes_its_record_figures_and_tables(
    call, flagfile, tmp_path, published
):
    run = tmp_path / "run"
    done = call("train", f"--flagfile={flagfile}", "--seed=3", f"--outdir={run}")
    assert done.code == 0, done
    argv = (f"--run={run}", "--num_samples=5", "--metrics=pixel_mean,distinct_share")
    assert call("evaluate", *argv, "--nopublish").code == 0
    assert_nothing_published(published)
    refusal = call("evaluate", f"--run={run}", "--metrics=nmi", "--publish").refusal()
    assert refusal == "--metrics: nmi: GAN has no categorical code"
    assert_nothing_published(published)

    for _ in range(2):
        done = call("evaluate", *argv, "--publish")
        assert (done.code, done.err) == (0, ""), done
        (record,) = json.loads(published.RESULTS.read_text())
    assert list(record) == [
        "model", "dataset", "flagfile", "seed", "steps", "kimg", "wall_minutes", "machine",
        "commit", "scalars", "metrics",
    ]  # fmt: skip
    last = json.loads((run / "metrics.jsonl").read_text().splitlines()[-1])
    environment = json.loads((run / "config.json").read_text())["environment"]
    assert (record["model"], record["dataset"]) == ("gan", "digits")
    assert (record["flagfile"], record["seed"]) == (str(flagfile), 3)
    assert (record["steps"], record["kimg"]) == (4, 0.064)
    assert record["wall_minutes"] == round(last["seconds"] / 60, 1)
    assert record["machine"] == environment["machine"]
    assert record["metrics"] == evaluation_of(run)["metrics"]
    assert set(record["scalars"]) == {name for name in last if "loss" in name} | {
        name for name in last if "accuracy" in name or "gradient_norm" in name
    }
    assert record["scalars"]["d_loss"] == pytest.approx([last["d_loss"]] * 2, rel=1e-3)
    for name in ("samples.png", "neighbours.png"):
        copy = published.ASSETS / "tiny-seed3" / name
        assert copy.read_bytes() == (run / name).read_bytes(), name
    assert readme() == pages.fill(README, [record], pages.ROOT)
    assert "[tiny](" in readme()

    outdir = f"--outdir={tmp_path / 'comparison'}"
    assert call("evaluate", *argv, "--publish", "--baselines", outdir).code == 0
    records = json.loads(published.RESULTS.read_text())
    assert [(r["model"], r["flagfile"], r["dataset"]) for r in records] == [
        ("gan", str(flagfile), "digits"),
        ("blurred", "", "digits"),
        ("training images", "", "digits"),
        ("uniform noise", "", "digits"),
    ]
    assert all(list(r["metrics"]) == ["pixel_mean", "distinct_share"] for r in records)
    assert readme() == pages.fill(README, records, pages.ROOT)
    assert not (published.ASSETS / "comparison").exists()


@pytest.mark.slow
def test_publish_of_several_runs_copies_the_figures_of_the_comparison(
    call, flagfile, tmp_path, published
):
    runs = [tmp_path / f"run{seed}" for seed in range(2)]
    for seed, run in enumerate(runs):
        argv = (f"--flagfile={flagfile}", f"--seed={seed}", f"--outdir={run}")
        assert call("train", *argv).code == 0
    argv = ("--num_samples=5", "--metrics=pixel_mean", f"--outdir={tmp_path / 'study'}")
    listed = "--run=" + ",".join(map(str, runs))
    assert call("evaluate", listed, *argv, "--publish").code == 0
    for name in ("comparison.png", "curves.png"):
        copy = published.ASSETS / "study" / name
        assert copy.read_bytes() == (tmp_path / "study" / name).read_bytes()


DAMAGED = {
    "quotation mark": ({"commands": ["python train.py 'x"]}, "No closing quotation"),
    "no name": ({"commands": ["python train.py --flagfile"]}, "list index out of range"),
    "environment": ({"environment": None}, "it lacks the entry 'environment'"),
    "machine": ({"environment": {}}, "it lacks the entry 'machine'"),
    "number": ({"environment": {"machine": 5}}, "environment: machine is 5"),
}


@pytest.mark.parametrize("damage", DAMAGED)
def test_publish_of_a_run_with_a_damaged_config_json_is_one_line(
    call, copied_run, published, tmp_path, tiny_run, damage
):
    from training import options

    flagfile = tmp_path / "tiny.txt"
    flagfile.write_text("\n".join(tiny_run.argv))
    assert options.parse([f"--flagfile={flagfile}"])
    saved = json.loads((copied_run / "config.json").read_text())
    changes, reason = DAMAGED[damage]
    saved |= {"commands": [f"python train.py --flagfile={flagfile} --seed=5"], **changes}
    saved = {name: value for name, value in saved.items() if value is not None}
    (copied_run / "config.json").write_text(json.dumps(saved))
    refusal = call("evaluate", f"--run={copied_run}", "--publish").refusal()
    version = "damaged or written by another version of the code"
    assert refusal == f"{copied_run}/config.json: {version} ({reason})"
    assert_nothing_published(published)


def test_publish_of_a_run_without_a_flagfile_is_invalid(call, copied_run, published):
    refusal = call("evaluate", f"--run={copied_run}", "--publish").refusal()
    assert refusal == f"--publish: {copied_run}: {FLAGFILE_ONLY}"
    assert_nothing_published(published)
    assert not (copied_run / "evaluation.json").exists()


@pytest.mark.slow
def test_publish_of_a_run_with_flags_beside_its_flagfile_is_invalid(
    call, flagfile, tmp_path, published
):
    run = tmp_path / "run"
    argv = (f"--flagfile={flagfile}", "--width=9", f"--outdir={run}")
    assert call("train", *argv).code == 0
    refusal = call("evaluate", f"--run={run}", "--publish").refusal()
    assert refusal == f"--publish: {run}: {FLAGFILE_ONLY}"
    assert_nothing_published(published)


@pytest.mark.slow
def test_publish_of_an_unfinished_run_is_invalid(call, flagfile, tmp_path, monkeypatch, published):
    from training import callbacks

    after_step = callbacks.Log.after_step

    def stopped(log):
        after_step(log)
        if log.step == 3:
            os.kill(os.getpid(), signal.SIGTERM)

    run = pathlib.Path(tmp_path / "run")
    with monkeypatch.context() as patch:
        patch.setattr(callbacks.Log, "after_step", stopped)
        assert call("train", f"--flagfile={flagfile}", f"--outdir={run}").code == 143
    refusal = call("evaluate", f"--run={run}", "--publish").refusal()
    assert refusal == f"--publish: {run}: the run stopped at step 3. Finish it"
    (run / "metrics.jsonl").write_text("")
    assert "the run stopped at" in call("evaluate", f"--run={run}", "--publish").refusal()
    assert_nothing_published(published)
    assert not (run / "evaluation.json").exists()
