"""Distributed trainings by train.py: their files, stops, lost workers and invalid options."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import tensorflow as tf

from errors import UserError
from training.cluster import Cluster, read_cluster
from training.launch import free_addresses

MODEL = (
    "train.py", "--model=gan", "--width=8", "--batch_size=8", "--log_every=2", "--seed=3",
    "--ema_decay=0.9",
)  # fmt: skip
LAUNCH = ("-m", "training.launch", "--workers=2", "--")
SEVERAL = "--distribute=multi_worker"
MIRRORED = ("--distribute=mirrored", "--replicas=2")


def weights(run):
    """Return the tensors of the newest checkpoint of a run by key."""
    reader = tf.train.load_checkpoint(tf.train.latest_checkpoint(str(run / "checkpoints")))
    keys = reader.get_variable_to_shape_map()
    return {key: reader.get_tensor(key) for key in keys if "VARIABLE_VALUE" in key}


def assert_close(one, other, atol):
    one, other = weights(one), weights(other)
    assert one.keys() == other.keys()
    for key in one:
        np.testing.assert_allclose(one[key], other[key], atol=atol, err_msg=key)


def records(run):
    lines = map(json.loads, (run / "metrics.jsonl").read_text().splitlines())
    return [{k: v for k, v in r.items() if "second" not in k} for r in lines]


@pytest.fixture(scope="module")
def alone(python, tmp_path_factory):
    """Run of eight steps on one device."""
    run = tmp_path_factory.mktemp("alone") / "run"
    done = python(*MODEL, "--steps=8", f"--outdir={run}")
    assert done.code == 0, done
    return run


@pytest.mark.slow
@pytest.mark.parametrize("first", [MIRRORED, ()], ids=["two to one", "one to two"])
def test_run_resumed_on_another_number_of_replicas_continues_alike(python, tmp_path, alone, first):
    run = tmp_path / "run"
    then = () if first else MIRRORED
    for options, steps in ((first, 4), (then, 8)):
        done = python(*MODEL, *options, f"--steps={steps}", f"--outdir={run}")
        assert done.code == 0, done
    assert "replicas was " in done.err
    assert_close(run, alone, 1e-6)
    for own, expected in zip(records(run), records(alone), strict=True):
        assert own == pytest.approx(expected, rel=1e-4, abs=1e-5)


@pytest.mark.slow
def test_training_of_two_workers_equals_that_of_one_and_only_the_chief_writes(
    python, tmp_path, alone
):
    run = tmp_path / "run"
    done = python(*LAUNCH, *MODEL, SEVERAL, "--steps=8", f"--outdir={run}")
    assert done.code == 0, done
    assert_close(run, alone, 1e-6)
    events = list(run.glob("events.*"))
    assert len(events) == 1
    assert {path.name for path in run.iterdir()} >= {"samples.png", "export", "config.json"}
    assert json.loads((run / "config.json").read_text())["environment"]["replicas"] == 2
    assert "0: done: " in done.out
    assert "1: done: " not in done.out


def started(run, steps, *options):
    """Start two workers without the launcher; return them when the chief has written a record."""
    addresses = free_addresses(2)
    workers = []
    for index in range(2):
        task = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
        argv = [sys.executable, *MODEL, SEVERAL, f"--steps={steps}", f"--outdir={run}", *options]
        workers.append(
            subprocess.Popen(
                argv,
                env={**os.environ, "TF_CONFIG": json.dumps(task)},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        )
    deadline = time.monotonic() + 120
    while not (run / "metrics.jsonl").exists():
        assert time.monotonic() < deadline, [worker.poll() for worker in workers]
        time.sleep(0.1)
    return workers


@pytest.mark.slow
def test_signal_to_one_worker_stops_both_after_the_same_step(python, tmp_path, alone):
    run = tmp_path / "run"
    chief, other = started(run, 100_000)
    other.send_signal(signal.SIGTERM)
    outputs = [worker.communicate(timeout=60)[0] for worker in (chief, other)]
    assert [chief.returncode, other.returncode] == [128 + signal.SIGTERM] * 2, outputs
    assert "a checkpoint of step " in outputs[0]


@pytest.mark.slow
@pytest.mark.parametrize("lost", [0, 1], ids=["chief", "other"])
def test_lost_worker_ends_the_other_one_in_one_line_and_the_run_resumes(python, tmp_path, lost):
    run = tmp_path / "run"
    options = ("--worker_timeout=10", "--checkpoint_every=2")
    workers = started(run, 100_000, *options)
    time.sleep(1.0)
    workers[lost].kill()
    since = time.monotonic()
    output = workers[1 - lost].communicate(timeout=60)[0]
    assert time.monotonic() - since < 40
    assert workers[1 - lost].returncode == 2, output
    (line,) = [line for line in output.splitlines() if line.startswith("error: ")]
    assert line.startswith("error: another worker (127.0.0.1:")
    workers[lost].communicate()
    step = max(int(p.name[5:-6]) for p in (run / "checkpoints").glob("ckpt-*.index"))
    done = python(*MODEL, f"--steps={step + 2}", f"--outdir={run}")
    assert done.code == 0, done
    assert f"resumed from the checkpoint of step {step}" in done.out


@pytest.mark.slow
def test_workers_of_different_configurations_end_in_one_line_each(tmp_path):
    addresses = free_addresses(2)
    workers = []
    for index, width in enumerate((8, 12)):
        task = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
        argv = [sys.executable, *MODEL, SEVERAL, f"--width={width}", f"--outdir={tmp_path}/run"]
        env = {**os.environ, "TF_CONFIG": json.dumps(task)}
        pipe = subprocess.PIPE
        workers.append(subprocess.Popen(argv, env=env, stdout=pipe, stderr=pipe, text=True))
    errors = [worker.communicate(timeout=120)[1] for worker in workers]
    for worker, text in zip(workers, errors, strict=True):
        assert worker.returncode == 2, text
        assert "error: the workers have different configurations" in text


# Options and TF_CONFIG.


@pytest.mark.parametrize(
    ("flags", "config", "message"),
    [
        (["--replicas=2"], "", "--replicas: has no effect without --distribute=mirrored"),
        (["--worker_timeout=5", *MIRRORED], "", "--worker_timeout: has no effect without"),
        (["--nosync_batch_norm"], "", "--sync_batch_norm: has no effect without --distribute="),
        ([*MIRRORED, "--jit=on"], "", "--jit: XLA does not compile a distributed step"),
        ([SEVERAL], "", "--distribute: multi_worker requires the environment variable TF_CONFIG"),
        ([SEVERAL], "{", "TF_CONFIG: expected {"),
        ([SEVERAL], '{"cluster": {}, "task": {"type": "worker", "index": 0}}', "TF_CONFIG: "),
        (
            [],
            '{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 0}}',
            "--distribute: TF_CONFIG is set, which off does not use",
        ),
    ],
)
def test_contradictory_options_are_an_error_in_one_line(
    call, monkeypatch, flags, config, message, tmp_path
):
    monkeypatch.setenv("TF_CONFIG", config)
    done = call("train", "--model=gan", f"--outdir={tmp_path}/run", *flags)
    assert done.refusal().startswith(message)


def test_batch_that_does_not_divide_names_the_nearest_ones(python, tmp_path):
    done = python(*MODEL, *MIRRORED, "--batch_size=9", f"--outdir={tmp_path}/run")
    assert done.code == 2
    expected = "error: --batch_size: expected a multiple of the 2 replicas, such as 8 or 10, got 9"
    assert expected in done.err


def test_cluster_of_tf_config_counts_the_chief_first():
    jobs = {"chief": ["c:1"], "worker": ["a:1", "b:1"]}
    text = json.dumps({"cluster": jobs, "task": {"type": "worker", "index": 1}})
    cluster = read_cluster({"TF_CONFIG": text})
    assert cluster == Cluster(jobs, 2)
    assert cluster.addresses == ["c:1", "a:1", "b:1"]
    assert not cluster.is_chief
    assert read_cluster({}) is None


@pytest.mark.parametrize(
    "task", [{"type": "worker", "index": 2}, {"type": "ps", "index": 0}, {"type": "worker"}, None]
)
def test_cluster_of_an_invalid_task_raises(task):
    text = json.dumps({"cluster": {"worker": ["a:1", "b:1"]}, "task": task})
    with pytest.raises(UserError, match=r"^TF_CONFIG: expected "):
        read_cluster({"TF_CONFIG": text})


# The launcher.


def test_launch_runs_each_worker_with_its_tf_config_and_prefixes_the_output(python):
    code = "import json, os; c = json.loads(os.environ['TF_CONFIG']); print(c['task']['index'])"
    done = python("-m", "training.launch", "--workers=3", "--", "-c", code)
    assert done.code == 0
    assert sorted(done.out.splitlines()) == ["0: 0", "1: 1", "2: 2"]


def test_launch_returns_the_exit_code_of_the_worker_that_fails(python):
    code = (
        "import json, os, sys; sys.exit(7 * json.loads(os.environ['TF_CONFIG'])['task']['index'])"
    )
    assert python(*LAUNCH, "-c", code).code == 7


def test_launch_passes_a_signal_to_all_workers():
    code = "import time; print('here', flush=True); time.sleep(60)"
    launcher = subprocess.Popen(
        [sys.executable, *LAUNCH, "-c", code], stdout=subprocess.PIPE, text=True
    )
    for _ in range(2):
        assert launcher.stdout.readline().endswith(": here\n")
    launcher.send_signal(signal.SIGTERM)
    assert launcher.wait(timeout=30) == 128 + signal.SIGTERM


def test_launch_without_a_command_is_an_error(python):
    assert python("-m", "training.launch").refusal().startswith("expected a command after --")
