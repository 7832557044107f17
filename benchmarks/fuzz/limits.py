"""Limit and peak of the memory of this process, and traps that notice the execution of code."""

import contextlib
import dataclasses
import resource
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

MOST = 2 * 2**30  # bytes of memory that an example may add to those at its start
ADDRESSES = 3 * 2**30  # bytes of address space: more than MOST, for the stacks of threads
STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
RESET_PEAK = "5"  # of the resident memory
TRAP = "stranger_features"  # module that must not be imported
TRAP_CODE = "import pathlib\npathlib.Path(__file__).with_name('executed').write_text('')\n"


@dataclasses.dataclass
class Memory:
    """Peak of the resident memory above that at the start, in bytes; None where it is unknown."""

    peak: int | None = None


@contextlib.contextmanager
def memory_limit() -> Iterator[Memory]:
    """Context in which the process gets ADDRESSES of memory; its end checks the peak.

    The limit protects the machine, and stands for one with few memory: an array that exceeds it is
    an error. Linux only; elsewhere nothing is limited or measured.

    Raises:
        AssertionError: on exit, if the peak exceeds MOST.
    """
    memory, start = Memory(), _status("VmRSS")
    if start is None:
        yield memory
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    with contextlib.suppress(OSError):  # an old kernel: the peak is that of the whole process
        CLEAR.write_text(RESET_PEAK)
    resource.setrlimit(resource.RLIMIT_AS, (_status("VmSize") + ADDRESSES, hard))
    try:
        yield memory
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
        memory.peak = max(_status("VmHWM") - start, 0)
    assert memory.peak < MOST, f"{memory.peak / 2**30:.1f} GiB of memory"


def _status(name: str) -> int | None:
    """Return an entry of the process status in bytes; None if there is none."""
    with contextlib.suppress(OSError, ValueError):
        for line in STATUS.read_text().splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1]) * 2**10
    return None


class Trap:
    """Object whose unpickling imports the module of `trap`."""

    def __reduce__(self):
        return (__import__, (TRAP,))


@contextlib.contextmanager
def trap() -> Iterator[Path]:
    """Context in which the module TRAP can be imported; yield the file that its import writes."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / f"{TRAP}.py").write_text(TRAP_CODE)
        sys.path.insert(0, folder)
        try:
            yield Path(folder) / "executed"
        finally:
            sys.path.remove(folder)
            sys.modules.pop(TRAP, None)
