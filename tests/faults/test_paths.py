"""Paths with any character are literal, or invalid before training; ~ is the home directory."""

import json
import os
import shutil

import pytest

from tests.train.cases import steps_saved

HARDEST = "-ü [2]*?\\ , {x} '\"$%"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["a, b,c"])
def test_run_in_a_folder_of_any_name_trains_resumes_and_is_used(
    call, short, light_end, tmp_path, name, assert_same_end
):
    run = tmp_path / name
    for steps in (6, 9):
        done = call("train", *short, f"--steps={steps}", f"--outdir={run}")
        assert (done.code, done.err) == (0, "")
    assert f"steps 6 to 9 (50 per epoch), writing to {run}" in done.out
    assert steps_saved(run) == [6, 8, 9]
    assert_same_end(run)
    assert_can_be_used(call, run)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def assert_can_be_used(call, run):
    """Check that a run is generated from and evaluated."""
    done = call("generate", f"--run={run}", "--n=4")
    assert (done.code, done.err) == (0, "")
    assert done.out == f"{run}/generated/grid-n4-seed0-step9.png\n"
    measuring = ("--metrics=pixel_mean", "--num_samples=8")
    done = call("evaluate", f"--run={run}", *measuring)
    assert (done.code, done.err) == (0, "")
    assert json.loads((run / "evaluation.json").read_text())["name"] == str(run)


@pytest.mark.slow
def test_run_in_a_folder_of_a_difficult_name_resumes_and_is_used(
    call, stopped, resume, tmp_path, assert_same_end
):
    run = tmp_path / HARDEST
    shutil.copytree(stopped, run)
    done = resume(run)
    assert (done.code, done.err) == (0, "")
    assert f"steps 6 to 9 (50 per epoch), writing to {run}" in done.out
    assert steps_saved(run) == [6, 8, 9]
    assert_same_end(run)
    assert_can_be_used(call, run)
    assert [path.name for path in tmp_path.iterdir()] == [HARDEST]


INVALID = ("a\nb", "a\tb", "a\x00b", "a\x1b[0mb", "a\x7f", "a\udcffb")
FLAGS = [
    ("train", "--outdir", ("--model=gan",)),
    ("train", "--dataset", ("--model=gan",)),
    ("train", "--data_dir", ("--model=gan",)),
    ("train", "--flagfile", ("--model=gan",)),
    ("evaluate", "--run", ()),
    ("evaluate", "--pretrained", ()),
    ("evaluate", "--images", ("--dataset=MNIST",)),
    ("evaluate", "--dataset", ("--images=x",)),
    ("evaluate", "--outdir", ("--run=x",)),
    ("evaluate", "--data_dir", ("--run=x",)),
    ("evaluate", "--features", ("--run=x",)),
    ("generate", "--run", ()),
    ("generate", "--pretrained", ()),
    ("training.export", "--run", ("--to=x",)),
    ("training.export", "--to", ("--run=x",)),
    ("generate", "--outdir", ("--run=x",)),
    ("study", "--configs", ()),
    ("study", "--outdir", ("--configs=x",)),
    ("train_classifier", "--outdir", ()),
    ("train_classifier", "--dataset", ()),
    ("train_classifier", "--data_dir", ()),
]


@pytest.mark.parametrize(("script", "flag", "more"), FLAGS, ids=lambda value: str(value))
def test_path_that_cannot_work_is_one_line_under_its_flag(
    call, tmp_path, monkeypatch, script, flag, more
):
    monkeypatch.chdir(tmp_path)
    for name in INVALID:
        refusal = call(script, *more, f"{flag}={name}").refusal()
        assert refusal.startswith(
            f"{flag}: expected a path in UTF-8 without control characters, got "
        )
    for home in ("~nobody-of-this-name/x", "~nobody-of-this-name"):
        refusal = call(script, *more, f"{flag}={home}").refusal()
        assert refusal == f"{flag}: {home}: unknown home directory. Write an absolute path"
    assert os.listdir(tmp_path) == []


def no_home(monkeypatch):
    """Remove HOME and the user's entry in the password database."""
    import pwd

    def unknown(_):
        raise KeyError

    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr(pwd, "getpwuid", unknown)


@pytest.mark.parametrize(("script", "flag", "more"), FLAGS, ids=lambda value: str(value))
def test_tilde_without_a_home_directory_is_one_line(
    call, tmp_path, monkeypatch, script, flag, more
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "")
    assert "unknown home directory" in call(script, *more, f"{flag}=~/x").refusal()
    no_home(monkeypatch)
    refusal = call(script, *more, f"{flag}=~/x").refusal()
    assert refusal == f"{flag}: ~/x: unknown home directory. Write an absolute path"
    assert os.listdir(tmp_path) == []


def test_tilde_is_expanded_in_every_path_flag(tmp_path, monkeypatch):
    from cli import flags
    from evaluation.options import EvaluateOptions, MeasureOptions
    from training.classifier_training import ClassifierOptions
    from training.drawing import GenerateOptions
    from training.export import ExportOptions
    from training.run_options import RunOptions
    from training.studying import StudyOptions

    monkeypatch.setenv("HOME", str(tmp_path))
    classes = {
        "train": (RunOptions,),
        "evaluate": (EvaluateOptions,),
        "generate": (GenerateOptions,),
        "study": (StudyOptions, MeasureOptions),
        "train_classifier": (ClassifierOptions,),
        "training.export": (ExportOptions,),
    }
    (tmp_path / "a [1]").mkdir()
    (tmp_path / "a [1]" / "~b").write_text("--seed=3")
    for script, flag, _ in FLAGS:
        given = flags.given([f"{flag}=~/a [1]/~b"], *classes[script])
        expected = {flag.strip("-"): f"{tmp_path}/a [1]/~b"}
        assert given == ({"seed": 3} if flag == "--flagfile" else expected)
    given = flags.given(["--run=~/a, ~/b,c"], EvaluateOptions)
    assert given == {"run": f"{tmp_path}/a,{tmp_path}/b,c"}


def test_cache_without_a_home_directory_is_one_line(call, short, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("GAN_ZOO_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    no_home(monkeypatch)
    from errors import UserError
    from storage.cache import cache_directory

    with pytest.raises(UserError) as error:
        cache_directory()
    assert str(error.value) == (
        "cache directory ~/.cache/gan-zoo: unknown home directory. Write an absolute path in "
        "GAN_ZOO_CACHE"
    )
    monkeypatch.setenv("GAN_ZOO_CACHE", str(tmp_path / "cache"))
    assert cache_directory() == tmp_path / "cache"


def test_runs_with_commas_in_their_names_are_split_at_the_others(tmp_path, monkeypatch):
    from training.evaluating import paths_in

    monkeypatch.chdir(tmp_path)
    for name in ("a,b", "a", "c", "d,e,f", " g "):
        os.mkdir(name)
    expected = {
        "a,b": ["a,b"],
        "a,c": ["a", "c"],
        "c, a": ["c", "a"],
        "c,a,b,d,e,f": ["c", "a,b", "d,e,f"],
        "missing,a": ["missing", "a"],
        "d,e": ["d", "e"],
        f"{tmp_path}/a,b,{tmp_path}/c": [f"{tmp_path}/a,b", f"{tmp_path}/c"],
        " g ,a": [" g ", "a"],
        ",a,": ["a"],
        ",".join(["c"] * 60): ["c"] * 60,
    }
    assert {text: paths_in(text) for text in expected} == expected


@pytest.mark.slow
def test_runs_with_commas_in_their_names_are_compared(call, end, tmp_path):
    for name in ("one, two", "three"):
        shutil.copytree(end, tmp_path / name)
    done = call(
        "evaluate", f"--run={tmp_path}/one, two,{tmp_path}/three", "--metrics=pixel_mean",
        "--num_samples=8", f"--outdir={tmp_path}/out",
    )  # fmt: skip
    assert (done.code, done.err) == (0, "")
    saved = json.loads((tmp_path / "out" / "comparison.json").read_text())
    assert [entry["name"] for entry in saved] == [f"{tmp_path}/one, two", f"{tmp_path}/three"]


def test_name_that_is_too_long_is_one_line(call, short, tmp_path):
    refusal = call("train", *short, f"--outdir={tmp_path}/{'x' * 300}").refusal()
    assert refusal == f"--outdir: no file can have a name as long as {str(tmp_path)[:40]}..."
