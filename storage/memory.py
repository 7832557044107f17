"""Memory that this process can still use."""

import contextlib
import math
import os
import pathlib

MEMINFO = pathlib.Path("/proc/meminfo")
CGROUP = pathlib.Path("/sys/fs/cgroup")
KIB = 2**10
UNITS = ("KiB", "MiB", "GiB", "TiB")


def available_memory() -> int | None:
    """Return the bytes that machine, container and limit of the process leave; None if unknown.

    Swap space is not counted. Where the free memory is unknown, that of the whole machine counts.
    """
    bounds = [bytes for bytes in (_of_machine(), _of_container(), _of_process()) if bytes]
    return min(bounds, default=None)


def described(size: float) -> str:
    """Return a number of bytes as text, such as "12.0 GiB"."""
    if size < KIB:
        return f"{size:,.0f} bytes"
    power = min(int(math.log(size, KIB)), len(UNITS))
    return f"{size / KIB**power:,.1f} {UNITS[power - 1]}"


def _of_machine() -> int | None:
    with contextlib.suppress(OSError, ValueError, IndexError):
        for line in MEMINFO.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * KIB
    with contextlib.suppress(OSError, ValueError, AttributeError):
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return None


def _of_container() -> int | None:
    """Return what the limit of the control group (version 2) leaves, without the file cache."""
    with contextlib.suppress(OSError, ValueError):
        limit = int((CGROUP / "memory.max").read_text())
        used = int((CGROUP / "memory.current").read_text())
        pairs = (line.split() for line in (CGROUP / "memory.stat").read_text().splitlines())
        cached = dict(pairs).get("inactive_file", 0)
        return max(limit - used + int(cached), 1)
    return None


def _of_process() -> int | None:
    """Return the limit of the address space."""
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        limit, _ = resource.getrlimit(resource.RLIMIT_AS)
        return limit if limit != resource.RLIM_INFINITY else None
    return None
