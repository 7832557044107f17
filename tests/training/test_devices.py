"""Devices: the first line of a training, GPUs that are hidden or missing, and memory growth."""

import types

import pytest
import tensorflow as tf

from training import devices, machine

CPU = types.SimpleNamespace(device_type="CPU", name="cpu:0")
T4, BLACKWELL = (types.SimpleNamespace(device_type="GPU", name=f"gpu:{k}") for k in (0, 1))
TPU = types.SimpleNamespace(device_type="TPU", name="tpu:0")
DETAILS = {
    "gpu:0": {"device_name": "Tesla T4", "compute_capability": (7, 5)},
    "gpu:1": {"device_name": "RTX PRO 6000", "compute_capability": (12, 0)},
}
HIDDEN = (
    "RTX PRO 6000 has compute capability 12.0, on which TensorFlow 2.20.0 aborts: it is not used; "
    "choose another GPU or another version of TensorFlow"
)


@pytest.fixture
def present(monkeypatch):
    """Return present(*devices), after which TensorFlow has these devices.

    Attributes of the result: visible, the devices that are not hidden, and growing, their names.
    """

    def present(*found, version="2.20.0"):
        state = types.SimpleNamespace(visible=list(found), growing=[])
        config = tf.config.experimental

        def hide(usable, kind):
            state.visible = [d for d in found if d.device_type != kind or d in usable]

        monkeypatch.setattr(tf, "__version__", version)
        monkeypatch.setattr(tf.config, "list_physical_devices", lambda: list(found))
        monkeypatch.setattr(
            tf.config,
            "get_visible_devices",
            lambda kind=None: [d for d in state.visible if kind in (None, d.device_type)],
        )
        monkeypatch.setattr(tf.config, "set_visible_devices", hide)
        monkeypatch.setattr(config, "get_device_details", lambda d: DETAILS.get(d.name, {}))
        monkeypatch.setattr(
            config, "set_memory_growth", lambda d, on: state.growing.append((d.name, on))
        )
        monkeypatch.setattr(machine, "cores", lambda: "2 cores")
        monkeypatch.setattr(machine, "processor", lambda: "AMD EPYC")
        monkeypatch.setattr(devices, "missing_gpu", lambda *_: "")
        return state

    return present


@pytest.mark.parametrize(
    ("capability", "version", "aborts"),
    [
        ((12, 0), "2.20.0", True),
        ((12, 1), "2.21.1", True),
        ((12, 0), "2.22.0", False),  # not known to abort
        ((10, 0), "2.20.0", False),
        ((7, 5), "2.20.0", False),
        (None, "2.20.0", False),
    ],
)
def test_tensorflow_aborts_on_some_compute_capabilities(capability, version, aborts):
    assert devices.aborts(capability, version) is aborts


def test_prepare_gpus_hides_those_that_abort_and_lets_the_memory_of_others_grow(present):
    state = present(CPU, T4, BLACKWELL, TPU)
    assert devices.prepare_gpus() == [HIDDEN]
    assert state.visible == [CPU, T4, TPU]
    assert state.growing == [("gpu:0", True)]
    assert machine.accelerators() == ["Tesla T4", "TPU"]


def test_prepare_gpus_changes_nothing_else(present):
    state = present(CPU, T4, BLACKWELL, version="2.22.0")
    assert devices.prepare_gpus() == []
    assert state.visible == [CPU, T4, BLACKWELL]
    assert state.growing == [("gpu:0", True), ("gpu:1", True)]


@pytest.mark.parametrize("error", [RuntimeError("initialized"), ValueError("virtual devices")])
def test_prepare_gpus_of_a_gpu_in_use_changes_nothing(present, error, monkeypatch):
    def in_use(*_):
        raise error

    state = present(CPU, T4)
    monkeypatch.setattr(tf.config.experimental, "set_memory_growth", in_use)
    assert devices.prepare_gpus() == []
    assert state.visible == [CPU, T4]


def test_warn_of_hidden_gpus_prints_a_warning_for_each(present, capsys):
    present(CPU, T4)
    devices.warn_of_hidden_gpus()
    assert capsys.readouterr().err == ""
    present(CPU, BLACKWELL)
    devices.warn_of_hidden_gpus()
    assert capsys.readouterr().err == f"warning: {HIDDEN}\n"


@pytest.mark.parametrize(
    ("found", "jit", "precision", "line"),
    [
        ([CPU], "auto", "off", "CPU (2 cores AMD EPYC), XLA off, float32"),
        ([CPU], "on", "bfloat16", "CPU (2 cores AMD EPYC), XLA on, mixed precision bfloat16"),
        ([CPU, T4], "auto", "float16", "Tesla T4, XLA on, mixed precision float16"),
        ([CPU, T4], "off", "off", "Tesla T4, XLA off, float32"),
        ([CPU, TPU], "auto", "off", "TPU, XLA on, float32"),
        ([CPU, BLACKWELL], "auto", "off", f"CPU (2 cores AMD EPYC), XLA off, float32; {HIDDEN}"),
        ([CPU, T4, BLACKWELL], "auto", "off", f"Tesla T4, XLA on, float32; {HIDDEN}"),
    ],
)
def test_device_line_has_device_xla_and_precision(present, found, jit, precision, line):
    present(*found)
    assert devices.device_line(jit, precision) == f"device: {line}"


def test_device_line_without_an_expected_gpu_has_a_sentence(present, monkeypatch):
    present(CPU)
    monkeypatch.setattr(devices, "missing_gpu", lambda *_: "no GPU")
    assert devices.device_line() == "device: CPU (2 cores AMD EPYC), XLA off, float32; no GPU"
    present(CPU, T4)
    monkeypatch.setattr(devices, "missing_gpu", lambda *_: "no GPU")
    assert devices.device_line() == "device: Tesla T4, XLA off, float32"


@pytest.mark.parametrize(
    ("found", "hint"),
    [([CPU, T4, BLACKWELL], True), ([CPU, T4], False), ([CPU, T4, TPU], False), ([CPU], False)],
)
def test_device_line_of_several_gpus_names_the_flag_that_uses_them(present, found, hint):
    present(*found, version="2.22.0")
    sentence = "; only the first GPU is used, --distribute=mirrored uses all 2"
    assert devices.device_line(could_distribute=True).endswith(sentence) == hint
    assert sentence not in devices.device_line()


def test_device_line_does_not_count_gpus_that_are_hidden(present):
    present(CPU, T4, BLACKWELL)
    assert devices.device_line(could_distribute=True).endswith(HIDDEN)


@pytest.mark.parametrize(
    ("environment", "files", "with_cuda", "part"),
    [
        ({}, [], True, ""),
        ({}, ["/dev/nvidia0"], True, "TensorFlow finds none"),
        ({}, ["/dev/nvidia0"], False, "built without CUDA"),
        ({"CUDA_VISIBLE_DEVICES": "-1"}, ["/dev/nvidia0"], True, ""),
        ({"CUDA_VISIBLE_DEVICES": ""}, ["/dev/nvidia0"], True, ""),
        ({"CUDA_VISIBLE_DEVICES": "none"}, ["/dev/nvidia0"], True, ""),
        ({"CUDA_VISIBLE_DEVICES": "-2,0"}, ["/dev/nvidia0"], True, ""),
        ({"CUDA_VISIBLE_DEVICES": "0"}, ["/dev/nvidia0"], True, "TensorFlow finds none"),
        ({"CUDA_VISIBLE_DEVICES": " 1,0"}, ["/dev/nvidia0"], True, "TensorFlow finds none"),
        ({"CUDA_VISIBLE_DEVICES": "GPU-8932f937"}, ["/dev/nvidia0"], True, "finds none"),
        ({"COLAB_RELEASE_TAG": "release-colab", "COLAB_GPU": "1"}, [], True, "finds none"),
        ({"COLAB_RELEASE_TAG": "release-colab", "COLAB_GPU": ""}, [], True, "Change runtime type"),
        ({"COLAB_RELEASE_TAG": "release-colab"}, [], True, "Change runtime type"),
    ],
)
def test_missing_gpu_is_named_where_one_is_expected(environment, files, with_cuda, part):
    sentence = devices.missing_gpu(environment, files, with_cuda)
    assert part in sentence
    assert bool(sentence) == bool(part)
    assert "\n" not in sentence


def test_gpu_files_are_the_devices_of_linux_and_the_driver_of_wsl(tmp_path):
    names = ["dev/nvidia0", "dev/nvidia12", "dev/nvidiactl", "dev/nvidia-uvm", "dev/dxg"]
    names.append("usr/lib/wsl/lib/libcuda.so.1")
    for path in (tmp_path / name for name in names):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    found = {str(path.relative_to(tmp_path)) for path in devices.gpu_files(tmp_path)}
    assert found == {"dev/nvidia0", "dev/nvidia12", "usr/lib/wsl/lib/libcuda.so.1"}
    assert devices.gpu_files(tmp_path / "dev") == []


FIRST_USE = """
import json, sys
from tensorflow.python.eager import context
from training import devices

def grow():
    devices.grew = context.context()._context_handle is None or devices.grew
    return []

devices.grew, devices.prepare_gpus = False, grow
script, *argv = sys.argv[1:]
main = __import__(script).main
assert main(argv) == 0
assert devices.grew and context.context()._context_handle is not None
"""


@pytest.mark.slow
@pytest.mark.parametrize("script", ["train", "evaluate", "generate", "train_classifier"])
def test_script_lets_gpu_memory_grow_before_its_first_operation(
    script, python, tiny, tiny_run, digits, tmp_path
):
    out = f"--outdir={tmp_path / 'out'}"
    argv = {
        "train": [*tiny, "--steps=1", out],
        "evaluate": [f"--run={tiny_run.path}", "--num_samples=20", "--metrics=pixel_mean", out],
        "generate": [f"--run={tiny_run.path}", "--n=1", out],
        "train_classifier": [f"--dataset={digits}", "--epochs=1", out],
    }
    done = python("-c", FIRST_USE, script, *argv[script])
    assert done.code == 0, done
