"""Lines of TensorFlow's log that a cell hides, and lines that it shows."""

import pytest

from notebooks.startup_lines import StartupLines

# As TensorFlow 2.20 and 2.21 print them, the first ones on a CPU, those of factories on a GPU.
HARMLESS = """\
WARNING: All log messages before absl::InitializeLog() is called are written to STDERR
I0000 00:00:1796.428962 81 port.cc:153] oneDNN custom operations are on.
I0000 00:00:1796.429402 81 cudart_stub.cc:31] Could not find cuda drivers on your machine
I0000 00:00:1796.746027 81 cpu_feature_guard.cc:227] This TensorFlow binary is optimized
To enable the following instructions: AVX2 FMA, in other operations, rebuild TensorFlow
E0000 00:00:1796.412012 81 cuda_platform.cc:52] failed call to cuInit: INTERNAL: CUDA error
2026-11-30 14:30:00.1: E external/local_xla/xla/stream_executor/cuda/cuda_fft.cc:467] Unable to \
register cuFFT factory: Attempting to register factory for plugin cuFFT
E0000 00:00:1796.412012 81 cuda_dnn.cc:8579] Unable to register cuDNN factory: Attempting
E0000 00:00:1796.412012 81 cuda_blas.cc:1407] Unable to register cuBLAS factory: Attempting
W0000 00:00:1796.412012 81 computation_placer.cc:177] computation placer already registered.
2026-11-30 14:30:00.1: I tensorflow/core/util/port.cc:153] oneDNN custom operations are on.
2026-11-30 14:30:00.1: E tensorflow/core/grappler/optimizers/meta_optimizer.cc:967] remapper \
failed: INVALID_ARGUMENT: Mutation::Apply error
E0000 00:00:1796.412012 81 meta_optimizer.cc:966] layout failed: INVALID_ARGUMENT: Size
E0000 00:00:1796.412012 81 util.cc:131] oneDNN supports DT_INT64 only on platforms with AVX-512.
I0000 00:00:1796.412012 81 gpu_device.cc:2019] Created device /device:GPU:0 with 13942 MB
I0000 00:00:1796.412012 81 device_compiler.h:196] Compiled cluster using XLA!
W0000 00:00:1796.412012 81 op_kernel.cc:1844] UNKNOWN: Python interpreter state is not \
initialized. The process may be terminated.
\t [[{{node PyFunc}}]]
2026-11-30 14:30:00.1: W tensorflow/core/framework/local_rendezvous.cc:404] Local rendezvous is \
aborting with status: OUT_OF_RANGE: End of sequence
\t [[{{node IteratorGetNext}}]]
""".splitlines()

NOT_HARMLESS = """\
warning: mixed_precision=bfloat16: this CPU emulates bfloat16
error: --width: expected an integer >= 1, got 0
W0000 00:00:1796.412012 81 gpu_device.cc:2430] Cannot dlopen some GPU libraries.
E0000 00:00:1796.412012 81 cuda_diagnostics.cc:257] kernel version does not match DSO version
E0000 00:00:1796.412012 81 cuda_platform.cc:52] another error
W0000 00:00:1796.412012 81 bfc_allocator.cc:501] Allocator (GPU_0_bfc) ran out of memory
F0000 00:00:1796.412012 81 cuda_dnn.cc:10] Check failed: cuda
2026-11-30 14:30:00.1: W tensorflow/core/framework/local_rendezvous.cc:404] Local rendezvous is \
aborting with status: INTERNAL: failed
\t [[{{node PyFunc}}]]
Traceback (most recent call last):
/usr/lib/python3/x.py:3: FutureWarning: To enable the following instructions: use y
""".splitlines()


@pytest.mark.parametrize("line", [line for line in HARMLESS if not line.startswith("\t")])
def test_harmless_line_is_hidden_and_kept(line):
    lines = StartupLines()
    assert lines.hides(line)
    assert lines.hidden == [line]


@pytest.mark.parametrize("line", NOT_HARMLESS)
def test_any_other_line_is_shown(line):
    lines = StartupLines()
    assert not lines.hides(line)
    assert lines.hidden == []


def test_all_lines_of_a_start_are_hidden_and_those_between_are_shown():
    lines, mixed = StartupLines(), []
    for harmless in HARMLESS:
        mixed += [harmless] if harmless.startswith("\t") else ["step 1", harmless]
    assert [line for line in mixed if not lines.hides(line)] == ["step 1"] * 18
    assert lines.hidden == HARMLESS
