"""study.py from outside: it trains missing runs, resumes stopped ones, and compares all."""

import json
import os
import pathlib
import shutil
import signal

import numpy as np
import pytest

from errors import UserError
from tests.evaluate.cases import rows
from training import studying

pytestmark = pytest.mark.usefixtures("cache")

MEASURE = ("--metrics=pixel_mean", "--num_samples=5")


@pytest.fixture
def flagfiles(tiny, tmp_path):
    """Two flagfiles of four steps, a and b; a study does not use their run directories."""
    paths = {}
    for name in "ab":
        paths[name] = tmp_path / f"{name}.txt"
        lines = [
            *tiny,
            "--steps=4",
            "--checkpoint_every=1",
            f"--outdir={tmp_path / 'alone' / name}",
        ]
        paths[name].write_text("\n".join(lines) + "\n")
    return paths


@pytest.fixture(scope="module")
def trained(call, tiny, tmp_path_factory):
    """A finished run of the flags of the flagfiles, read-only."""
    path = tmp_path_factory.mktemp("trained") / "run"
    done = call("train", *tiny, "--steps=4", "--checkpoint_every=1", f"--outdir={path}")
    assert done.code == 0, done
    return path


@pytest.fixture
def finished(trained, tmp_path):
    """Return the folders of finished runs of a study of both, which a test may change."""
    folders = (tmp_path / "out" / f"{name}-seed0" for name in "ab")
    return [pathlib.Path(shutil.copytree(trained, folder)) for folder in folders]


@pytest.fixture
def study(call, flagfiles, tmp_path):
    """study("--seeds=0,1", ...): the outcome of a study of both flagfiles."""
    configs = "--configs=" + ",".join(map(str, flagfiles.values()))
    return lambda *argv: call("study", configs, *MEASURE, f"--outdir={tmp_path / 'out'}", *argv)


@pytest.fixture
def trainings(monkeypatch):
    """The arguments of train.py that the runs were trained with."""
    calls, run = [], studying.run_training
    monkeypatch.setattr(
        studying, "run_training", lambda config, argv: calls.append(argv) or run(config, argv)
    )
    return calls


def last_step(run):
    return json.loads((run / "metrics.jsonl").read_text().splitlines()[-1])["step"]


@pytest.mark.slow
def test_study_of_two_flagfiles_and_seeds_trains_and_compares_all_runs(
    study, flagfiles, tmp_path, trainings
):
    """Lists may have blanks and a trailing comma."""
    done = study(f"--configs= {flagfiles['a']} ,{flagfiles['b']},", "--seeds=0, 01,")
    assert done.code == 0, done
    runs = [tmp_path / "out" / f"{name}-seed{seed}" for name in "ab" for seed in (0, 1)]
    assert [path for path in sorted((tmp_path / "out").iterdir()) if path.is_dir()] == runs
    assert not (tmp_path / "alone").exists()
    for run, (name, seed) in zip(runs, [("a", 0), ("a", 1), ("b", 0), ("b", 1)], strict=True):
        saved = json.loads((run / "config.json").read_text())
        assert saved["options"]["seed"] == seed
        assert f"--flagfile={flagfiles[name]}" in saved["commands"][0]
        assert last_step(run) == 4
    compared = json.loads((tmp_path / "out" / "comparison.json").read_text())
    assert [entry["name"] for entry in compared] == [str(run) for run in runs]
    assert all(entry["metrics"]["pixel_mean"]["value"] is not None for entry in compared)
    assert (tmp_path / "out" / "comparison.png").exists()
    assert "run 4 of 4: python train.py --flagfile=" in done.out
    assert len(trainings) == 4
    values = np.array([entry["metrics"]["pixel_mean"]["value"] for entry in compared])
    means, spreads = values.reshape(2, 2).mean(1), values.reshape(2, 2).std(1, ddof=1)
    cells = [f"{m:.4g} ± {s:.2g}" for m, s in zip(means, spreads, strict=True)]
    header, _, row = rows(done.out)
    assert header[1:] == ["a (2 seeds)", "b (2 seeds)"]
    assert row == ["pixel_mean", *cells]
    written = (tmp_path / "out" / "study.md").read_text()
    assert rows(written) == [header, _, row]
    assert "mean ± standard deviation over the training seeds" in written


@pytest.mark.slow
def test_study_of_one_flagfile_with_a_grid_trains_each_combination(
    study, flagfiles, tmp_path, trainings
):
    grid = ("--set=width=4,6", "--set", "g_learning_rate=1e-3")
    done = study(f"--configs={flagfiles['a']}", *grid)
    assert done.code == 0, done
    names = [f"a-width={width}-g_learning_rate=1e-3" for width in (4, 6)]
    for name, argv in zip(names, trainings, strict=True):
        saved = json.loads((tmp_path / "out" / f"{name}-seed0" / "config.json").read_text())
        width = saved["hyperparameters"]["width"]
        assert argv[1] == f"--width={width}"
        assert name.startswith(f"a-width={width}-")
        assert saved["hyperparameters"]["g_learning_rate"] == 1e-3
    assert rows(done.out)[0][1:] == names


@pytest.mark.slow
def test_study_with_a_finished_and_a_stopped_run_resumes_the_stopped_one_only(
    study, call, flagfiles, finished
):
    a, b = finished
    shutil.rmtree(b)
    assert call("train", f"--flagfile={flagfiles['b']}", "--steps=2", f"--outdir={b}").code == 0
    before = (a / "config.json").read_bytes()
    done = study()
    assert done.code == 0, done
    assert f"{a}: already finished at step 4\n" in done.out
    assert (a / "config.json").read_bytes() == before
    assert last_step(b) == 4
    assert len(json.loads((b / "config.json").read_text())["commands"]) == 2


def test_study_with_an_outdir_that_is_a_file_is_one_line_before_it_trains(
    study, tmp_path, trainings
):
    (tmp_path / "file").write_text("")
    refusal = study(f"--outdir={tmp_path / 'file'}").refusal()
    expected = f"--outdir: {tmp_path / 'file'}: is a file, not a folder. Choose another directory"
    assert refusal == expected
    assert trainings == []


@pytest.mark.slow
def test_study_repeated_with_the_same_protocol_keeps_its_measurements(study, finished, tmp_path):
    assert "is already measured" not in study().out
    first = json.loads((tmp_path / "out" / "comparison.json").read_text())
    again = study()
    assert again.out.count("is already measured") == 2
    assert json.loads((tmp_path / "out" / "comparison.json").read_text()) == first
    assert "is already measured" not in study("--num_samples=6").out
    assert study("--num_samples=6").out.count("is already measured") == 2
    file = finished[0] / "evaluation.json"
    file.write_text("{")
    assert study("--num_samples=6").out.count("is already measured") == 1
    assert json.loads(file.read_text())["metrics"]["pixel_mean"]["protocol"]["n_fake"] == 6


@pytest.mark.slow
def test_study_with_too_few_samples_takes_no_value_of_another_protocol(study, finished, tmp_path):
    """Precision requires more samples than 5 neighbours; its earlier value stays in the run."""
    wanted = "--metrics=pixel_mean,precision"
    run = finished[0]
    assert study(wanted, "--features=digits", "--num_samples=60").code == 0
    entry = json.loads((run / "evaluation.json").read_text())["metrics"]["precision"]
    assert entry["value"] is not None
    for _ in range(2):
        assert study(wanted, "--features=digits", "--num_samples=5").code == 0
        compared = json.loads((tmp_path / "out" / "comparison.json").read_text())
        assert compared[0]["metrics"]["precision"]["value"] is None
        kept = json.loads((run / "evaluation.json").read_text())["metrics"]
        assert kept["precision"] == entry
        assert kept["pixel_mean"]["protocol"]["n_fake"] == 5


@pytest.mark.slow
def test_study_after_another_measurement_keeps_its_measurements(study, call, finished):
    assert study().code == 0
    argv = (f"--run={finished[0]}", "--metrics=pixel_std", "--num_samples=7")
    assert call("evaluate", *argv).code == 0
    assert study().out.count("is already measured") == 2


@pytest.mark.slow
def test_study_of_a_later_checkpoint_measures_it(study, call, flagfiles, finished):
    assert study().code == 0
    argv = (f"--flagfile={flagfiles['a']}", f"--outdir={finished[0]}")
    assert call("train", *argv, "--steps=5").code == 0
    flagfiles["a"].write_text(flagfiles["a"].read_text().replace("--steps=4", "--steps=5"))
    assert study().out.count("is already measured") == 1


@pytest.mark.slow
def test_study_of_runs_without_last_checkpoint_or_mark_of_the_end_trains_them(
    study, finished, trainings
):
    a, b = finished
    for file in (a / "checkpoints").glob("ckpt-4.*"):
        file.unlink()
    (b / "status.json").write_text('{"checkpoint": 2, "finished": null}')
    assert study().code == 0
    assert len(trainings) == 2
    assert (a / "checkpoints" / "ckpt-4.index").exists()
    assert json.loads((b / "status.json").read_text())["finished"] == 4


def broken(run, flagfile, call, monkeypatch):
    (run / "config.json").write_text("{")


def begun_otherwise(run, flagfile, call, monkeypatch):
    shutil.rmtree(run)
    argv = (f"--flagfile={flagfile}", f"--outdir={run}")
    assert call("train", *argv, "--batch_size=3").code == 0


def out_of_memory(run, flagfile, call, monkeypatch):
    train = studying.run_training

    def failing(config, argv):
        if str(flagfile) in argv[0]:
            raise MemoryError("all of it")
        return train(config, argv)

    shutil.rmtree(run)
    monkeypatch.setattr(studying, "run_training", failing)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("harm", "message"),
    [
        pytest.param(broken, "config.json: cannot be read", marks=pytest.mark.slow),
        (begun_otherwise, "started with another configuration: batch_size was 3, is 16"),
        pytest.param(out_of_memory, "error: out of memory: all of it", marks=pytest.mark.slow),
    ],
)
def test_study_with_a_failing_run_trains_the_others_and_ends_with_code_1(
    harm, message, study, call, flagfiles, finished, tmp_path, monkeypatch
):
    a, b = finished
    shutil.rmtree(b)
    harm(a, flagfiles["a"], call, monkeypatch)
    done = study()
    assert done.code == 1
    assert message in done.err
    assert done.err.splitlines()[-1].startswith(f"error: {a}: training failed, see above")
    assert last_step(b) == 4
    assert not (tmp_path / "out" / "comparison.json").exists()


def test_study_stopped_in_a_training_starts_no_other(study, tmp_path, monkeypatch):
    monkeypatch.setattr(studying, "run_training", lambda config, argv: 130)
    done = study()
    assert done.code == 130
    assert done.out.count("python train.py") == 1


@pytest.mark.slow
def test_study_interrupted_while_a_run_is_exported_starts_no_other(study, tmp_path, monkeypatch):
    from training import loop

    finish = loop.finish

    def interrupted(*arguments):
        os.kill(os.getpid(), signal.SIGINT)
        finish(*arguments)

    monkeypatch.setattr(loop, "finish", interrupted)
    assert study().code == 130
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a-seed0"]
    assert (tmp_path / "out" / "a-seed0" / "export" / "generator.keras").exists()


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--seeds=1"], "--configs: expected at least one flagfile of train.py"),
        (["--configs=none.txt"], "--configs: none.txt: flagfile: cannot open"),
        (["--configs=a.txt", "--seeds=0,x"], "--seeds: 0,x: seed: expected an integer"),
        (["--configs=a.txt", "--seeds=1,01"], "--seeds: 1,01: the seed 1 is given twice"),
        (["--configs=a.txt,./a.txt"], "--configs: two flagfiles have the name a; give each once"),
        (["--configs=a.txt", "--publish"], "--publish: requires repeats=3"),
        (
            [
                "--configs=a.txt",
                "--publish",
                "--repeats=3",
                "--num_samples=10000",
                "--metrics=",
                "--set=width=4",
            ],
            "--publish: only runs of a flagfile and a seed are published; omit set",
        ),
        (["--configs=a.txt", "--run=runs/a"], "--run: no such flag"),
        (["--configs=a.txt", "--metrics=foo"], "--metrics: no such metric: foo"),
        (
            ["--configs=a.txt", "--features=none.keras"],
            "--features: none.keras: Keras cannot load the file",
        ),
        (["--configs=a.txt", "--baselines", "--split=train"], "--baselines: requires test images"),
        (
            ["--configs=bad.txt,a.txt"],
            "--configs: bad.txt: widht: no such flag; did you mean --width",
        ),
        (["--configs=a.txt", "--set=width"], "--set: expected a flag with values, such as"),
        (["--configs=a.txt", "--set=width="], "--set: expected a flag with values, such as"),
        (["--configs=a.txt", "--set=seed=1,2"], "--set: seed cannot be set, the study sets it"),
        (["--configs=a.txt", "--set=outdir=x"], "--set: outdir cannot be set, the study sets it"),
        (["--configs=a.txt", "--set=width=1", "--set=width=2"], "--set: width is given twice"),
        (
            ["--configs=a.txt", "--set=width=4,4"],
            "--set: a-width=4 and a-width=4 are equal; give each value once",
        ),
        (
            ["--configs=a.txt", "--set=width=5,032,32"],
            "--set: a-width=032 and a-width=32 are equal; give each value once",
        ),
        (
            ["--configs=a.txt", "--set=penalty=r1:5,r2:0.5"],
            "--set: a value of penalty may have commas; separate the values by semicolons, and end "
            "a single one with a semicolon: 'penalty=r1:5,r2:0.5;'",
        ),
        (["--configs=a.txt", "--set=width=4,x"], "--set: a.txt: width: expected an integer"),
        (["--configs=a.txt", "--set=widht=4"], "--set: a.txt: widht: no such flag"),
    ],
)
def test_study_with_invalid_flags_ends_before_the_first_training(
    call, flagfiles, tmp_path, monkeypatch, argv, message
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.txt").write_text("--model=gan\n--widht=3\n")
    assert call("study", *argv).refusal().startswith(message)
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("width=32, 64", ["32", "64"]),
        ("penalty=r1", ["r1"]),
        ("penalty=r1; r1:5,r2:0.5", ["r1", "r1:5,r2:0.5"]),
        ("penalty=r1:5,r2:0.5;", ["r1:5,r2:0.5"]),
        ("schedule=a:linear:0:1,b:linear:0:1;", ["a:linear:0:1,b:linear:0:1"]),
        ("categorical_codes=10;10,4", ["10", "10,4"]),
    ],
)  # fmt: skip
def test_grid_separates_values_by_semicolons_or_by_commas(text, values):
    name = text.partition("=")[0]
    assert studying.grid(text) == [{name: value} for value in values]


@pytest.mark.parametrize("name", ["penalty", "schedule", "categorical_codes", "eval_metrics"])
def test_grid_of_a_flag_with_commas_requires_semicolons(name):
    with pytest.raises(UserError, match=f"a value of {name} may have commas"):
        studying.grid(f"{name}=a,b")
