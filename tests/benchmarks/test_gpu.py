"""Benchmark gpu: stages, processes and limits, measures on the CPU, the report."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import tensorflow as tf

from benchmarks.gpu import measures, picture, process, report
from benchmarks.gpu.__main__ import GpuOptions, main, run
from benchmarks.gpu.stages import GROUPS, Stage, stages_of
from errors import UserError
from models import REGISTRY
from training import options

SMALL = ("--model=gan", "--width=4", "--depth=1", "--batch_size=4")
DCGAN = ("--model=dcgan", "--dataset=MNIST", "--width=4", "--batch_size=4")
STYLEGAN2 = (
    *("--model=stylegan2", "--dataset=MNIST", "--width=2", "--batch_size=4"),
    *("--noise_dim=4", "--w_dim=4", "--mapping_depth=1"),
)
WGAN_GP = (
    *("--model=wgan_gp", "--dataset=MNIST", "--width=4", "--batch_size=4"),
    *("--network=mlp", "--n_critic=1"),
)


def stage(name, function="good", limit=60.0, **arguments):
    measure = f"tests.benchmarks.gpu_cases:{function}"
    return Stage(name, "steps", f"title of {name}", measure, arguments, limit)


# Stages.


def test_stages_cover_all_groups_and_models_and_begin_with_the_device():
    stages = stages_of(GpuOptions())
    assert stages[0].name == "device"
    assert {one.group for one in stages} == set(GROUPS)
    assert {one.model for one in stages} == {"", *REGISTRY}
    assert len({one.name for one in stages}) == len(stages)
    last = [one.group for one in stages].index("xla")
    assert {one.group for one in stages[last:]} == {"xla"}


def test_commands_of_stages_are_valid_flags_of_train_with_the_given_sizes():
    for one in stages_of(GpuOptions(width=8, batch_size=2)):
        commands = list(one.arguments.get("workloads", {}).values())
        commands += [one.arguments["command"]] if "command" in one.arguments else []
        assert commands or one.name == "device"
        for command in commands:
            config = options.parse(command)
            assert config.hp.width == 8
            assert config.hp.batch_size == (8 if one.name == "agreement" else 2)


def test_infogan_is_that_of_the_readme_command():
    (found,) = (s for s in stages_of(GpuOptions(stages="steps")) if s.model == "infogan")
    assert found.arguments["command"] == ["--model=infogan", "--dataset=CIFAR10", "--noise_dim=64"]


def test_stages_and_models_select():
    found = stages_of(GpuOptions(stages="steps,xla", models="infogan,vae"))
    assert [one.name for one in found] == ["steps_infogan_32", "xla_vae"]
    (found,) = stages_of(GpuOptions(stages="agreement", models="infogan"))
    assert list(found.arguments["workloads"]) == ["InfoGAN, 32 x 32 x 3"]
    assert stages_of(GpuOptions(stages="agreement", models="vae")) == []


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"stages": "step"}, "stages: no such stage: step; did you mean steps"),
        ({"models": "dcgann"}, "models: no such model: dcgann; did you mean dcgan"),
        ({"minutes": 0.0}, "minutes: "),
    ],
)
def test_invalid_options_raise(given, message):
    with pytest.raises(UserError, match=message):
        GpuOptions(**given)


# Processes.


def test_process_passes_each_result_on_at_once():
    heard = []
    found = process.run(stage("one", value=3), 60.0, heard.append)
    assert heard == found["results"] == [{"value": 3}, {"value": 6}]
    assert (found["status"], found["reason"], found["log"]) == ("done", "", "")


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        ("failing", "RuntimeError: out of luck"),
        ("aborting", "SIGABRT: CHECK failed: luck > 0"),
        ("missing", "AttributeError: module 'tests.benchmarks.gpu_cases' has no attribute"),
    ],
)
def test_process_that_fails_keeps_its_results_and_a_reason(function, reason):
    found = process.run(stage("one", function), 60.0, lambda result: None)
    assert found["status"] == "failed"
    assert found["reason"].startswith(reason)
    assert reason.partition(": ")[2] in found["log"]
    assert found["results"] == [{"value": 1}] * (function != "missing")


def is_alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_until(condition, seconds=30.0):
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.05)
    return condition()


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_process_that_hangs_is_ended_with_its_children():
    start = time.monotonic()
    found = process.run(stage("one", "hanging"), 5.0, lambda result: None)
    assert time.monotonic() - start < 30.0
    assert (found["status"], found["reason"]) == ("timed out", "not finished within 5 s")
    (result,) = found["results"]
    assert wait_until(lambda: not is_alive(result["child"]))


PARENT = """
from benchmarks.gpu import process
from tests.benchmarks.test_gpu import stage
process.run(stage("one", "hanging"), 600.0, lambda result: print(result["child"], flush=True))
"""


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_process_ends_with_its_parent(root, number):
    command = [sys.executable, "-c", PARENT]
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True) as parent:
        child = int(parent.stdout.readline())
        os.kill(parent.pid, number)
    assert wait_until(lambda: not is_alive(child))


# Order and budget.


class Clock:
    """Clock that a stage moves on."""

    def __init__(self):
        self.now, self.limits = 100.0, {}

    def __call__(self):
        return self.now

    def stage(self, one, seconds, hear):
        self.limits[one.name] = seconds
        self.now += one.arguments["takes"]
        status = one.arguments.get("status", "done")
        reason = "" if status == "done" else "some reason"
        return {"status": status, "reason": reason, "seconds": 1.0, "results": [], "log": ""}


def test_run_leaves_out_what_does_not_fit_and_names_it(tmp_path, capsys):
    clock = Clock()
    stages = [
        stage("first", takes=40.0),
        stage("second", takes=15.0),
        stage("third", takes=1.0),
    ]
    assert run(stages, 1.0, tmp_path, clock.stage, clock) == 0
    assert clock.limits == {"first": 60.0, "second": 20.0}
    printed = capsys.readouterr().out
    assert "| title of third | left out | no time left of 1 minutes |" in printed
    record = json.loads((tmp_path / "record.json").read_text())
    assert [one["status"] for one in record["stages"].values()] == ["done", "done", "left out"]
    assert (tmp_path / "report.md").read_text() in printed


def test_run_goes_on_after_a_failure_and_ends_with_code_1(tmp_path):
    clock = Clock()
    stages = [stage("first", takes=1.0, status="failed"), stage("second", takes=1.0)]
    assert run(stages, 8.0, tmp_path, clock.stage, clock) == 1
    assert list(clock.limits) == ["first", "second"]
    stages[0] = stage("first", takes=1.0, status="timed out")
    assert run(stages, 8.0, tmp_path, clock.stage, clock) == 1


def test_run_after_signals_reports_and_leaves_out_the_rest(tmp_path, capsys):
    """A notebook sends SIGINT several times."""

    def run_stage(one, seconds, hear):
        def interrupt(result):
            hear(result)
            for _ in range(3):
                signal.raise_signal(signal.SIGINT)

        return process.run(one, seconds, interrupt)

    stages = [dataclasses.replace(stage("first", "hanging"), group="device"), stage("second")]
    assert run(stages, 8.0, tmp_path, run_stage) == 130
    record = json.loads((tmp_path / "record.json").read_text())["stages"]
    assert [one["status"] for one in record.values()] == ["interrupted", "left out"]
    assert len(record["first"]["results"]) == 1
    printed = capsys.readouterr().out
    assert "| title of second | left out    | stopped by a signal |" in printed


def test_record_is_written_after_each_stage(tmp_path):
    seen = []

    def run_stage(one, seconds, hear):
        path = tmp_path / "record.json"
        seen.append(list(json.loads(path.read_text())["stages"]) if path.exists() else [])
        return {"status": "done", "reason": "", "seconds": 1.0, "results": [], "log": ""}

    run([stage("first"), stage("second")], 8.0, tmp_path, run_stage)
    assert seen == [[], ["first"]]


# Measures, on the CPU.


@pytest.mark.parametrize(
    ("details", "expected"),
    [
        (None, "bfloat16"),  # a CPU
        ({"compute_capability": (7, 5)}, "float16"),  # T4
        ({"compute_capability": (8, 0)}, "bfloat16"),  # A100
        ({"compute_capability": (8, 9)}, "bfloat16"),  # L4
        ({"compute_capability": (12, 0)}, "bfloat16"),
        ({}, "float16"),
    ],
)
def test_sixteen_bit_type_follows_the_compute_capability(details, expected):
    assert measures.sixteen_bit(details) == expected


def test_device_without_a_gpu_is_the_cpu():
    facts = {}
    for found in measures.device():
        facts |= found
    assert facts["device"] == "no GPU: the CPU is measured"
    assert facts["XLA with --jit=auto"] == "off"
    assert facts["memory growth"] is None
    assert facts["tensorflow"] == tf.__version__


def test_driver_is_that_of_nvidia_smi(monkeypatch):
    def nvidia_smi(command, **_):
        return subprocess.CompletedProcess(command, 0, "15360 MiB, 550.54\n15360 MiB, 550.54\n")

    monkeypatch.setattr(measures.subprocess, "run", nvidia_smi)
    assert measures.driver() == "15360 MiB, 550.54; 15360 MiB, 550.54"


@pytest.mark.slow
def test_steps_are_measured_without_and_with_xla_in_both_precisions(monkeypatch):
    jits = []

    def model_and_batch(command, jit, own=measures.model_and_batch):
        jits.append((jit, command[-1]))
        return own(command, "off")  # compilation is tested by test_compilation_...

    monkeypatch.setattr(measures, "model_and_batch", model_and_batch)
    found = list(measures.steps(SMALL, seconds=0.02))
    assert [(row["xla"], row["precision"]) for row in found] == [
        ("off", "float32"),
        ("off", "bfloat16"),
        ("on", "float32"),
        ("on", "bfloat16"),
    ]
    assert jits == [
        (jit, f"--mixed_precision={precision}")
        for jit in ("off", "on")
        for precision in ("off", "bfloat16")
    ]
    for row in found:
        assert row["images_per_second"] == pytest.approx(4000.0 / row["ms"])
        assert row["first_seconds"] > row["ms"] / 1000.0 > 0.0
        assert row["not_finite"] == []


def test_step_that_fails_has_its_error_in_its_row(monkeypatch):
    def speed(command, jit, seconds):
        if jit == "on":
            raise tf.errors.InvalidArgumentError(None, None, "no kernel\nand more")
        return {"ms": 1.0}

    monkeypatch.setattr(measures, "speed", speed)
    assert [row.get("error") for row in measures.steps(DCGAN, 1.0)] == [
        None,
        None,
        "InvalidArgumentError: no kernel",
        "InvalidArgumentError: no kernel",
    ]


def test_lazy_interval_is_a_multiple_of_those_of_all_lazy_terms():
    assert measures.lazy_interval(options.parse(["--model=stylegan2"]).hp) == 16
    hp = options.parse(["--model=stylegan2", "--path_interval=6", "--penalty_interval=4"]).hp
    assert measures.lazy_interval(hp) == 12
    assert measures.lazy_interval(options.parse(["--model=vae"]).hp) == 1


@pytest.mark.parametrize(
    ("command", "shapes"),
    [
        (["--model=dcgan", "--batch_size=3"], [(3, 28, 28, 1), (3,)]),
        (
            ["--model=wgan_gp", "--dataset=CIFAR10", "--batch_size=3", "--n_critic=2"],
            [(2, 3, 32, 32, 3), (2, 3)],
        ),
    ],
)
def test_random_batch_has_the_form_of_a_training(command, shapes):
    batch = measures.random_batch(options.parse(command))
    assert [array.shape for array in batch] == shapes
    assert [array.dtype for array in batch] == [np.uint8, np.int32]


def test_waiting_is_the_share_of_the_time_beyond_that_of_a_constant_batch(monkeypatch):
    rates = {"pipeline alone": 1000.0, "step, constant batch": 100.0, "step, pipeline": 80.0}
    precisions = []

    def measure(config, seconds):
        precisions.append(config.options.mixed_precision)
        return rates

    monkeypatch.setattr(measures.pipeline, "measure", measure)
    found = list(measures.waiting(DCGAN, 1.0))
    assert precisions == ["off", "bfloat16"]
    assert [row["share"] for row in found] == pytest.approx([0.2, 0.2])
    rates["step, pipeline"] = 101.0
    assert next(measures.waiting(DCGAN, 1.0))["share"] == 0.0


@pytest.mark.slow
def test_pipeline_is_measured_alone_and_with_the_step(cache):
    from benchmarks import pipeline

    found = pipeline.measure(options.parse(SMALL), seconds=0.02)
    assert list(found) == ["pipeline alone", "step, constant batch", "step, pipeline"]
    assert min(found.values()) > 0


@pytest.mark.slow
def test_agreement_compares_losses_and_gradient_norms_of_a_step():
    first, second = measures.agreement({"GAN": SMALL})
    assert (first["title"], first["xla"], second["xla"]) == ("GAN", "off", "on")
    assert first["difference"] == 0.0  # the CPU with itself
    assert second["difference"] < 1e-4


def test_compared_names_the_largest_difference():
    expected = {"d_loss": 100.0, "g_loss": 0.01}
    found = measures.compared(expected, {"d_loss": 101.0, "g_loss": 0.06})
    assert found == {"difference": pytest.approx(0.05), "scalar": "g_loss"}
    with pytest.raises(RuntimeError, match=r"g_loss is nan, expected 0\.01"):
        measures.compared(expected, {"d_loss": 101.0, "g_loss": float("nan")})


@pytest.mark.slow
@pytest.mark.parametrize("command", [WGAN_GP, STYLEGAN2], ids=["wgan_gp", "stylegan2"])
def test_fixed_draws_replace_all_random_numbers_of_a_step(command):
    weights, losses = measures.losses_of_a_step(command, "/CPU:0", False)
    _, found = measures.losses_of_a_step([*command, "--seed=1"], "/CPU:0", False, weights)
    assert found == losses
    assert {"d_loss", "g_loss", "generator_gradient_norm"} <= found.keys()


@pytest.mark.slow
def test_agreement_without_its_device_has_an_error_in_its_row(monkeypatch):
    monkeypatch.setattr(measures, "gpu_details", dict)
    found = next(measures.agreement({"GAN": SMALL}))
    assert found["title"] == "GAN"
    assert "GPU:0" in found["error"]


TWO_DEVICES = """
import json, sys
import tensorflow as tf
(cpu,) = tf.config.list_physical_devices("CPU")
two = 2 * [tf.config.LogicalDeviceConfiguration()]
tf.config.set_logical_device_configuration(cpu, two)
from benchmarks.gpu import measures
command = json.loads(sys.argv[1])
weights, losses = measures.losses_of_a_step(command, "/CPU:0", False)
_, found = measures.losses_of_a_step(command, "/CPU:1", False, weights)
print(found == losses)
"""


@pytest.mark.slow
def test_agreement_places_the_weights_on_the_device(python):
    done = python("-c", TWO_DEVICES, json.dumps(DCGAN))
    assert done.out.splitlines()[-1:] == ["True"], done


@pytest.mark.slow
def test_compilation_times_the_first_step_under_xla():
    (found,) = measures.compilation(SMALL)
    assert found["first_seconds"] > 0
    assert found["not_finite"] == []


@pytest.mark.slow
def test_training_is_stopped_and_leaves_its_picture(tmp_path):
    (found,) = picture.training(SMALL, 0.1, str(tmp_path / "new"), sample_every=1)
    assert found["steps"] >= 1
    assert found["picture"] == str(tmp_path / "new" / "samples.png")
    assert (tmp_path / "new" / "samples.png").exists()


def test_training_that_ends_by_itself_raises(tmp_path):
    with pytest.raises(RuntimeError, match=r"train\.py ended with code 2: error: --model"):
        list(picture.training(["--model=none"], 60.0, str(tmp_path)))


# Report.

RESULTS = {
    "device": [
        {"device": "Tesla T4", "compute capability": "7.5", "driver": None},
        {"XLA with --jit=auto": "on"},
    ],
    "steps": [
        {
            "precision": "float32",
            "xla": "off",
            "images_per_second": 1234.5,
            "ms": 51.25,
            "first_seconds": 3.0,
            "not_finite": [],
        },
        {"precision": "float16", "xla": "on", "error": "InternalError: a | b"},
    ],
    "agreement": [{"title": "DCGAN", "xla": "off", "difference": 1.5e-6, "scalar": "d_loss"}],
    "data": [{"precision": "float32", "share": 0.031, "rates": {"step, pipeline": 97.0}}],
    "picture": [
        {"steps": 9000, "seconds": 61.2, "images_per_second": 5000.0, "picture": "x/samples.png"}
    ],
    "xla": [{"first_seconds": 12.5, "not_finite": ["d_loss"]}],
}
LINES = {
    "device": ["device: Tesla T4, compute capability: 7.5", "XLA with --jit=auto: on"],
    "steps": [
        "float32, XLA off: 1,234 images/s, 51.25 ms per step, first step 3.0 s",
        "float16, XLA on: InternalError: a | b",
    ],
    "agreement": ["DCGAN, XLA off: largest difference 1.5e-06, of d_loss"],
    "data": ["float32: 3.1 %; step, pipeline 97 images/s"],
    "picture": ["9,000 steps in 61 s with start and end, at last 5,000 images/s: x/samples.png"],
    "xla": ["first step 12.5 s; not finite: d_loss"],
}


@pytest.mark.parametrize("group", GROUPS)
def test_line_of_each_result(group):
    assert [report.line(group, result) for result in RESULTS[group]] == LINES[group]


def test_report_has_a_table_per_group_and_what_is_not_complete():
    done = {"status": "done", "reason": "", "seconds": 1.0}
    stages = {
        group: {"title": f"{group} x", "group": group, **done, "results": RESULTS[group]}
        for group in GROUPS
    }
    failed = {"status": "failed", "reason": "InternalError: no", "seconds": 1.0, "results": []}
    stages["xla_vae"] = {"title": "vae under XLA", "group": "xla", **failed}
    left_out = {"status": "left out", "reason": "no time left of 8 minutes", "results": []}
    stages["xla_gan"] = {"title": "gan under XLA", "group": "xla", **left_out}
    text = report.text({"minutes": 8.0, "stages": stages})
    assert text.count("### ") == 7
    rows = {" ".join(row.replace("|", " ").split()) for row in text.splitlines()}
    assert {
        "device Tesla T4",
        "steps x float32 off 1,234 51.25 3",
        "steps x float16 on n/a n/a n/a InternalError: a / b",
        "DCGAN off 1.5e-06 d_loss",
        "float32 3.1 % 97",
        "9,000 61.2 5,000 x/samples.png",
        "xla 12.5 not finite: d_loss",
        "vae n/a InternalError: no",
        "vae under XLA failed InternalError: no",
        "gan under XLA left out no time left of 8 minutes",
    } <= rows
    assert "driver" not in text


def test_report_of_nothing_is_empty():
    assert report.text({"minutes": 8.0, "stages": {}}) == ""


# The command.


@pytest.mark.slow
def test_command_runs_the_device_stage(tmp_path, capsys):
    assert main(["--stages=device", f"--outdir={tmp_path / 'new'}"]) == 0
    printed = capsys.readouterr().out
    assert "| device " in printed
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == [
        "record.json",
        "report.md",
    ]


@pytest.mark.slow
def test_command_runs_all_stages_with_small_networks(python, tmp_path):
    sizes = ("--width=4", "--batch_size=4", "--seconds=0.1", "--train_seconds=1", "--minutes=9")
    done = python(*("-m", "benchmarks", "gpu", *sizes, "--models=dcgan", f"--outdir={tmp_path}"))
    assert done.code == 0, done
    text = (tmp_path / "report.md").read_text()
    assert text.count("### ") == 5
    assert "Not complete" not in text
    assert (tmp_path / "samples.png").exists()
