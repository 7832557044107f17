"""Check that two threads run on two cores; without them, no time is meaningful."""

import hashlib
import statistics
import threading
import time

LOWEST_SPEEDUP = 1.6  # of two threads over one; below it, figures are void
BUFFER = bytes(2**26)  # hashing releases the interpreter lock
REPEATS = 5


def seconds_of(threads: int, hashes: int) -> float:
    """Return the seconds in which each of several threads hashes the buffer several times."""

    def work() -> None:
        for _ in range(hashes):
            hashlib.sha256(BUFFER)

    started = [threading.Thread(target=work) for _ in range(threads)]
    start = time.perf_counter()
    for thread in started:
        thread.start()
    for thread in started:
        thread.join()
    return time.perf_counter() - start


def speedup(timer=seconds_of) -> float:
    """Return the speed of two threads relative to one on the same work, 2 at best.

    Args:
        timer: function of the number of threads and the work of each, which returns the seconds.
    """
    return statistics.median(timer(1, 2) / timer(2, 1) for _ in range(REPEATS))


def are_void(speedups: list[float]) -> bool:
    """Return whether figures are void: in one of the checks two threads shared a core."""
    return min(speedups) < LOWEST_SPEEDUP
