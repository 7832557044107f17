"""Harmless lines that TensorFlow logs, which a cell does not show unless its script fails."""

import re

# A line of TensorFlow's log in C++: severity, time, file and text, such as
# "I0000 00:00:1796049248.428962    8581 port.cc:153] oneDNN custom operations are on." or, in an
# older form, "2026-11-30 14:30:00.123456: E external/xla/cuda_fft.cc:467] Unable to register ...".
LOGGED = re.compile(
    r"(?:\d{4}-\d\d-\d\d [\d:.]+: )?(?P<severity>[IWEF])(?:\d{4} [\d:.]+ +\d+)? "
    r"(?P<file>[\w./-]+):\d+\] (?P<text>.*)"
)
# File and first words of warnings and errors. Lines of the severity I are information only.
HARMLESS = {
    "cuda_platform.cc": "failed call to cuInit",  # no GPU, or none for this TensorFlow
    "cudart_stub.cc": "Could not find cuda drivers",
    "cuda_executor.cc": "INTERNAL: CUDA Runtime error: Failed call to cudaGetRuntimeVersion",
    "cuda_fft.cc": "Unable to register cuFFT factory",  # libraries that register twice
    "cuda_dnn.cc": "Unable to register cuDNN factory",
    "cuda_blas.cc": "Unable to register cuBLAS factory",
    "util.cc": "oneDNN supports DT_INT64 only on platforms with AVX-512",
    "computation_placer.cc": "computation placer already registered",
    "py_utils.cc": "TF-TRT Warning: Could not find TensorRT",
    "meta_optimizer.cc": "",  # Grappler leaves one optimization of a graph out
    "local_rendezvous.cc": "Local rendezvous is aborting with status: OUT_OF_RANGE",
}
# First words of harmless lines without a severity.
WITHOUT_SEVERITY = (
    "WARNING: All log messages before absl::InitializeLog() is called are written to STDERR",
    "To enable the following instructions:",  # second line of cpu_feature_guard.cc
)
NODE = "[[{{node "
# Of a thread that prepares batches at the end.
INTERPRETER_ENDED = "Python interpreter state is not initialized"


class StartupLines:
    """Filter of the lines of stderr.

    Attributes:
        hidden: the lines that were not shown.
    """

    def __init__(self):
        self.hidden: list[str] = []
        self._last = False

    def hides(self, line: str) -> bool:
        """Return whether a line is harmless, or names the node of a harmless one; then keep it."""
        self._last = is_harmless(line) or (self._last and line.lstrip().startswith(NODE))
        if self._last:
            self.hidden.append(line)
        return self._last


def is_harmless(line: str) -> bool:
    """Return whether a line of stderr is one of TensorFlow that is known to be harmless."""
    logged = LOGGED.match(line)
    if not logged:
        return line.startswith(WITHOUT_SEVERITY)
    name = logged["file"].rsplit("/", 1)[-1]
    known = name in HARMLESS and logged["text"].startswith(HARMLESS[name])
    return logged["severity"] == "I" or known or INTERPRETER_ENDED in logged["text"]
