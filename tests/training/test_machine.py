"""The machine: its description, and the warning about bfloat16."""

import types

import pytest
import tensorflow as tf

from storage.checkpoint_files import DATA, INDEX
from storage.run_directory import RunDirectory
from training import machine

CPU = types.SimpleNamespace(device_type="CPU", name="cpu:0")
GPU = types.SimpleNamespace(device_type="GPU", name="gpu:0")
TPU = types.SimpleNamespace(device_type="TPU", name="tpu:0")


@pytest.mark.parametrize(
    ("devices", "usable", "described"),
    [
        ([CPU], {0, 1, 2, 3}, "4 cores AMD EPYC, no GPU"),
        ([CPU, GPU], {0, 1, 2, 3}, "4 cores AMD EPYC, Tesla T4"),
        ([CPU, GPU, GPU], {3}, "1 of 4 cores AMD EPYC, Tesla T4, Tesla T4"),
        ([CPU, TPU], {0, 1, 2, 3}, "4 cores AMD EPYC, TPU"),
    ],
)
def test_environment_describes_cores_processor_and_accelerators(
    devices, usable, described, monkeypatch
):
    details = {"gpu:0": {"device_name": "Tesla T4"}}
    monkeypatch.setattr(tf.config, "get_visible_devices", lambda: devices)
    monkeypatch.setattr(
        tf.config.experimental, "get_device_details", lambda device: details.get(device.name, {})
    )
    monkeypatch.setattr(machine.os, "cpu_count", lambda: 4)
    monkeypatch.setattr(machine.os, "sched_getaffinity", lambda pid: usable, raising=False)
    monkeypatch.setattr(machine, "cpu_info", {"model name": "AMD EPYC"}.get)
    environment = machine.environment()
    assert environment["machine"] == described
    assert environment["tensorflow"] == tf.__version__
    libraries = {"python", "tensorflow", "keras", "numpy"}
    assert set(environment) == {"machine", "threads", "zoo", *libraries}


def test_warn_of_changes_names_another_machine_and_version(tmp_path, capsys):
    run = RunDirectory(tmp_path)
    was = {"machine": "2 cores AMD EPYC, no GPU", "tensorflow": "2.20.0", "zoo": "a"}
    machine.warn_of_changes(run, was)
    run.write_config({"options": {}, "hyperparameters": {}}, {}, was, "command", 10)
    for suffix in (INDEX, DATA):
        run.checkpoints.mkdir(exist_ok=True)
        (run.checkpoints / f"ckpt-5{suffix}").write_text("x")
    machine.warn_of_changes(run, was | {"zoo": "b", "keras": "3.13.2"})
    assert capsys.readouterr().err == ""
    machine.warn_of_changes(run, was | {"machine": "1 of 2 cores AMD EPYC, no GPU"})
    assert capsys.readouterr().err == (
        "warning: machine was 2 cores AMD EPYC, no GPU, is 1 of 2 cores AMD EPYC, no GPU: the "
        "resumed run may differ in the last digits\n"
    )


@pytest.mark.parametrize(
    ("precision", "flags", "gpus", "warns"),
    [
        ("bfloat16", "fpu avx2 avx512f", [], True),
        ("bfloat16", "fpu avx2 avx512_bf16", [], False),
        ("bfloat16", "fpu amx_bf16", [], False),
        ("bfloat16", "", [], False),  # not Linux, or not x86
        ("bfloat16", "fpu avx2", ["Tesla T4"], False),
        ("float16", "fpu avx2", [], False),
        ("off", "fpu avx2", [], False),
    ],
)
def test_warn_of_emulation_prints_one_line_if_a_cpu_emulates_bfloat16(
    precision, flags, gpus, warns, monkeypatch, capsys
):
    monkeypatch.setattr(machine, "cpu_info", {"flags": flags}.get)
    monkeypatch.setattr(machine, "accelerators", lambda: gpus)
    machine.warn_of_emulation(precision)
    printed = capsys.readouterr().err
    expected = (
        "warning: mixed_precision=bfloat16: this CPU emulates bfloat16, which is many times slower "
        "than float32. Use mixed_precision=off\n"
    )
    assert printed == expected * warns
