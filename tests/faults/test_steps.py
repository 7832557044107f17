"""Checkpoints kept for good, and --step of generate.py and evaluate.py."""

import json

import pytest

from tests.train.cases import files, steps_saved

MEASURING = ("--metrics=pixel_mean", "--num_samples=8")


def measured(run, folder="."):
    return json.loads((run / folder / "evaluation.json").read_text())


def value(record):
    return record["metrics"]["pixel_mean"]["value"]


def test_evaluation_of_an_earlier_step_has_a_folder_of_its_own(finished, call):
    assert call("evaluate", f"--run={finished}", *MEASURING).code == 0
    newest = files(finished)
    done = call("evaluate", f"--run={finished}", "--step=6", *MEASURING)
    assert (done.code, done.err) == (0, "")
    now = files(finished)
    assert {name: now[name] for name in newest} == newest
    folder = "evaluation-step-6"
    made = {name for name in set(now) - set(newest) if "events.out.tfevents" not in name}
    assert made == {f"{folder}/evaluation.json", f"{folder}/neighbours.png"}
    early, late = measured(finished, folder), measured(finished)
    assert early["metrics"]["pixel_mean"]["protocol"]["checkpoint_step"] == 6
    assert late["metrics"]["pixel_mean"]["protocol"]["checkpoint_step"] == 9
    assert value(early) != value(late)
    assert f"{finished} (step 6)" == early["name"]


@pytest.mark.slow
def test_step_of_the_newest_checkpoint_is_measured_in_the_run(finished, call):
    done = call("evaluate", f"--run={finished}", "--step=9", *MEASURING)
    assert done.code == 0, done
    assert not list(finished.glob("evaluation-step-*"))
    assert measured(finished)["metrics"]["pixel_mean"]["protocol"]["checkpoint_step"] == 9


@pytest.mark.slow
def test_only_new_skips_the_measured_steps(finished, capsys):
    from training.evaluating import EvaluateOptions, evaluate_all

    def evaluate(step):
        request = EvaluateOptions(run=str(finished), step=step, metrics="pixel_mean", num_samples=8)
        evaluate_all(request, only_new=True)
        return "is already measured; skipped" in capsys.readouterr().out

    assert [evaluate(step) for step in (6, None, 6, 8, None, 8)] == [
        False,
        False,
        True,
        False,
        True,
        True,
    ]


@pytest.mark.parametrize("script", ["generate", "evaluate"])
def test_missing_step_is_one_line_with_those_that_exist(end, call, script):
    refusal = call(script, f"--run={end}", "--step=7").refusal()
    assert refusal == (
        f"--step: {end}/checkpoints: no checkpoint of step 7; there are those of 6, 8, 9"
    )


def test_step_with_images_or_publish_is_invalid(call, end):
    refusal = call("evaluate", "--images=x", "--dataset=MNIST", "--step=7").refusal()
    assert refusal == "--step: pretrained weights and images have no checkpoints; omit step"
    argv = (f"--run={end}", "--publish", "--repeats=3", "--step=9")
    refusal = call("evaluate", *argv).refusal()
    assert refusal == "--publish: requires the newest checkpoint; omit step"


def test_generate_of_a_step_writes_its_own_files(finished, call):
    lines = [call("generate", f"--run={finished}", "--n=4", *f).out for f in ((), ("--step=6",))]
    names = ["grid-n4-seed0-step9.png", "grid-n4-seed0-step6.png"]
    assert lines == [f"{finished}/generated/{name}\n" for name in names]
    early, late = ((finished / "generated" / name).read_bytes() for name in names)
    assert early != late


@pytest.mark.slow
def test_checkpoints_of_keep_every_stay_and_can_be_loaded(call, short, light_end, tmp_path):
    import models

    argv = (*short, "--checkpoint_every=1", "--keep_checkpoints=1", f"--outdir={tmp_path}")
    assert call("train", *argv, "--keep_every=3", "--steps=8").code == 0
    assert steps_saved(tmp_path) == [3, 6, 8]
    assert call("train", *argv, "--keep_every=3", "--steps=10").code == 0
    assert steps_saved(tmp_path) == [3, 6, 9, 10]
    assert [int(models.load(tmp_path, step=k).step) for k in (3, 6, 9, None)] == [3, 6, 9, 10]
