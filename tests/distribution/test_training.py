"""Distributed trainings by train.py: their files, stops, lost workers and invalid options."""

import concurrent.futures
import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time

import numpy as np
import pytest
import tensorflow as tf

from errors import UserError
from training import rendezvous
from training.cluster import Cluster, read_cluster
from training.launch import free_addresses
from training.rendezvous import meet_chief, meet_workers

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
def test_run_resumed_on_another_number_of_replicas_continues_alike(python, tmp_path, alone):
    run = tmp_path / "run"
    for options, steps in ((MIRRORED, 2), ((), 4), (MIRRORED, 8)):
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


@pytest.fixture
def start():
    """Return start(*argv), which starts two workers without the launcher, the chief first.

    Each item of argv is an argument of both workers, or a pair of theirs.
    """
    workers = []

    def start(*argv):
        addresses = free_addresses(2)
        for index in range(2):
            task = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
            own = [item if isinstance(item, str) else item[index] for item in argv]
            workers.append(
                subprocess.Popen(
                    [sys.executable, *MODEL, SEVERAL, *own],
                    env={**os.environ, "TF_CONFIG": json.dumps(task)},
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    text=True,
                )
            )
        return workers[-2:]

    yield start
    for worker in workers:
        worker.kill()
        worker.communicate()


def await_file(path):
    deadline = time.monotonic() + 120
    while not path.exists():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.mark.slow
def test_signal_to_one_worker_stops_both_after_the_same_step(start, tmp_path):
    chief, other = start("--steps=100000", f"--outdir={tmp_path}")
    await_file(tmp_path / "metrics.jsonl")
    other.send_signal(signal.SIGINT)
    outputs = [worker.communicate(timeout=90)[0] for worker in (chief, other)]
    assert [chief.returncode, other.returncode] == [128 + signal.SIGINT] * 2, outputs
    assert "a checkpoint of step " in outputs[0]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("lost", "number"), [(0, signal.SIGKILL), (1, signal.SIGSTOP)], ids=["killed", "silent"]
)
def test_lost_worker_ends_the_other_one_in_one_line_and_the_command_resumes(
    start, python, tmp_path, lost, number
):
    options = ("--checkpoint_every=2", f"--outdir={tmp_path}")
    workers = start("--steps=100000", "--worker_timeout=10", *options)
    await_file(tmp_path / "checkpoints" / "checkpoint")
    workers[lost].send_signal(number)
    since = time.monotonic()
    output = workers[1 - lost].communicate(timeout=90)[0]
    assert time.monotonic() - since < 40
    assert workers[1 - lost].returncode == 2, output
    (line,) = [line for line in output.splitlines() if line.startswith("error: ")]
    assert line.startswith("error: another worker (127.0.0.1:")
    if lost:
        return
    step = max(int(p.name[5:-6]) for p in (tmp_path / "checkpoints").glob("ckpt-*.index"))
    done = python(*LAUNCH, *MODEL, SEVERAL, f"--steps={step + 2}", *options)
    assert done.code == 0, done
    assert f"0: resumed from the checkpoint of step {step}" in done.out


@pytest.mark.slow
def test_workers_of_different_images_end_in_one_line_each(start, tmp_path):
    images = np.zeros((2, 32, 28, 28, 1), np.uint8) + np.arange(2, dtype=np.uint8).reshape(
        2, 1, 1, 1, 1
    )
    for index in range(2):
        np.savez(tmp_path / f"{index}.npz", x_train=images[index])
    data = tuple(f"--dataset={tmp_path}/{index}.npz" for index in range(2))
    workers = start(data, f"--outdir={tmp_path}/run")
    outputs = [worker.communicate(timeout=120)[0] for worker in workers]
    for worker, text in zip(workers, outputs, strict=True):
        assert worker.returncode == 2, text
        assert "error: the workers have different data sets" in text
        assert "Traceback" not in text


@pytest.mark.slow
def test_run_of_two_workers_that_diverges_or_is_finished_says_so(python, tmp_path):
    command = (*LAUNCH, *MODEL, SEVERAL, "--steps=4", f"--outdir={tmp_path}/run")
    diverged = python(*command[:-1], "--g_learning_rate=1e30", f"--outdir={tmp_path}/diverged")
    assert diverged.code in (1, 2)  # of the worker that ends first
    assert re.search(r"^0: error: step \d: \w+ is ", diverged.out, re.MULTILINE), diverged.out
    assert "Traceback" not in diverged.out
    assert python(*command).code == 0
    done = python(*command)
    assert done.code == 0
    for worker in range(2):
        assert f"{worker}: {tmp_path}/run: already finished at step 4" in done.out


@pytest.mark.slow
def test_workers_evaluate_validate_and_select_heads_as_one_device(python, tmp_path):
    infogan = (
        "train.py", "--model=infogan", "--clustering=contrastive", "--selection_step=2",
        "--width=4", "--dense_units=8", "--batch_size=16", "--d_norm=none", "--g_norm=none",
        "--steps=4", "--log_every=2", "--eval_every=4", "--eval_metrics=cluster_accuracy",
        "--eval_samples=20", f"--dataset={tmp_path}/images.npz",
    )  # fmt: skip
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 256, (64, 28, 28, 1), dtype=np.uint8), np.arange(64) % 4
    np.savez(tmp_path / "images.npz", x_train=x, y_train=y, x_test=x, y_test=y)
    one = python(*infogan, f"--outdir={tmp_path}/one")
    two = python(*LAUNCH, *infogan, SEVERAL, f"--outdir={tmp_path}/two")
    assert (one.code, two.code) == (0, 0), two
    expected, found = records(tmp_path / "one"), records(tmp_path / "two")
    assert [r["step"] for r in found] == [r["step"] for r in expected]
    names = {name for record in expected for name in record}
    assert names >= {"selected_head_category_0", "metric_cluster_accuracy"}
    for own, other in zip(found, expected, strict=True):
        assert own == pytest.approx(other, rel=1e-2, abs=5e-3)  # after steps of Adam


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
        (
            [],
            '{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 0}}',
            "--distribute: TF_CONFIG is set, by training.launch or in the environment, which off",
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
    expected = "error: --batch_size: expected a multiple of 2 (2 replicas), such as 8 or 10, got 9"
    assert expected in done.err


def test_cluster_of_tf_config_counts_the_chief_first():
    jobs = {"chief": ["c:1"], "worker": ["a:1", "b:1"]}
    text = json.dumps({"cluster": jobs, "task": {"type": "worker", "index": 1}})
    cluster = read_cluster({"TF_CONFIG": text})
    assert cluster == Cluster(jobs, 2)
    assert cluster.addresses == ["c:1", "a:1", "b:1"]
    assert not cluster.is_chief
    assert read_cluster({}) is None


TWO = {"worker": ["a:1", "b:1"]}


@pytest.mark.parametrize(
    ("cluster", "task", "problem"),
    [
        (TWO, {"type": "worker", "index": 2}, "there is no task 2 of the job worker; got"),
        (TWO, {"type": "worker", "index": -1}, "there is no task -1 of the job worker; got"),
        (TWO, {"type": "ps", "index": 0}, "the jobs must be chief and worker; got"),
        (TWO | {"ps": ["c:1"]}, {"type": "worker", "index": 0}, "the jobs must be chief and"),
        ({"chief": ["a:1", "b:1"]}, {"type": "chief", "index": 0}, "there may be one chief; got"),
        ({"worker": ["a:1", "a:1"]}, {"type": "worker", "index": 0}, "addresses must differ; got"),
        ({"worker": ["a:0"]}, {"type": "worker", "index": 0}, "addresses must be host:port; got"),
        ({"worker": ["a"]}, {"type": "worker", "index": 0}, "expected {"),
        (TWO, {"type": "worker"}, "expected {"),
        (TWO, None, "expected {"),
    ],
)
def test_cluster_of_an_invalid_tf_config_raises(cluster, task, problem):
    with pytest.raises(UserError, match=f"^TF_CONFIG: {re.escape(problem)}"):
        read_cluster({"TF_CONFIG": json.dumps({"cluster": cluster, "task": task})})


# The meeting of the workers before TensorFlow starts.


def clusters(count=2):
    """Return the clusters of a number of workers on free ports, the chief's first."""
    addresses = free_addresses(count)
    return [Cluster({"worker": addresses}, index) for index in range(count)]


def test_workers_get_the_reply_of_the_chief():
    chief, *others = clusters(3)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        met = pool.submit(meet_workers, chief, {"width": 8}, {"kept": {"a": 0.1}}, 20.0)
        with contextlib.suppress(ConnectionRefusedError), socket.socket() as stranger:
            time.sleep(0.3)
            stranger.connect(rendezvous.host_and_port(chief.addresses[0]))
            stranger.sendall(b"GET / HTTP/1.1\n")
        replies = [pool.submit(meet_chief, one, {"width": 8}, 20.0) for one in others]
        assert [reply.result() for reply in replies] == [{"kept": {"a": 0.1}}] * 2
        assert met.result() is None


def test_workers_of_different_configurations_are_an_error_that_names_the_values():
    chief, other = clusters()
    problem = r"worker 1 \(.*\) has width 9, the chief 8; start the same command on each worker"
    with concurrent.futures.ThreadPoolExecutor() as pool:
        found = pool.submit(meet_chief, other, {"width": 9}, 20.0)
        with pytest.raises(UserError, match=problem):
            meet_workers(chief, {"width": 8}, {}, 20.0)
        with pytest.raises(UserError, match=problem):
            found.result()


def test_missing_worker_is_an_error_after_the_timeout():
    chief, other = clusters()
    missing = re.escape(f"worker 1 ({other.addresses[1]}): not started within 0.3 s")
    with pytest.raises(UserError, match=missing):
        meet_workers(chief, {}, {}, 0.3)
    missing = re.escape(f"the chief ({chief.addresses[0]}): no answer in 0.3 s")
    with pytest.raises(UserError, match=missing):
        meet_chief(other, {}, 0.3)


def test_worker_that_ends_before_the_reply_is_an_error():
    chief, _ = clusters()
    with concurrent.futures.ThreadPoolExecutor() as pool:
        met = pool.submit(meet_workers, chief, {}, {}, 20.0)
        time.sleep(0.3)
        with socket.create_connection(rendezvous.host_and_port(chief.addresses[0])) as worker:
            worker.sendall(b'{"worker": 1, "configuration": {}}\n')
        with pytest.raises(UserError, match=r"worker 1 \(.*\) has ended; see its last lines"):
            met.result()


def test_address_in_use_is_an_error_that_names_it():
    chief, other = clusters()
    with rendezvous.listener(chief), pytest.raises(UserError, match="TF_CONFIG: cannot listen at"):
        meet_workers(chief, {}, {}, 1.0)
    with rendezvous.listener(other), pytest.raises(UserError, match="TF_CONFIG: cannot listen at"):
        meet_chief(other, {}, 1.0)


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
    *_, last = launcher.stdout.read().splitlines()
    assert last.endswith(": ended by signal 15")
    assert launcher.wait(timeout=30) == 128 + signal.SIGTERM


def test_launch_without_a_command_is_an_error(python):
    expected = "expected a command after --"
    assert python("-m", "training.launch").refusal().startswith(expected)
    assert python("-m", "training.launch", "train.py", "--model=gan").refusal().startswith(expected)
