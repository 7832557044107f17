"""Memory of trainings: it does not grow, and a lack of it is one line."""

import os
import pathlib

import pytest

from training.events import Events

# The address space is limited, so that the test cannot take the memory of the machine.
LIMITED = """
import resource, sys
from cli import flags

resource.setrlimit(resource.RLIMIT_AS, (16 * 2**30, resource.RLIM_INFINITY))
import train

sys.exit(flags.run_script(train.main, sys.argv[1:]))
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    "argv",
    [
        ("--model=gan", "--width=200000"),
        ("--model=gan", "--eval_every=1", "--eval_samples=2000000000"),
    ],
)
def test_training_that_exceeds_the_memory_is_one_line(python, tmp_path, argv):
    done = python("-c", LIMITED, *argv, "--steps=1", f"--outdir={tmp_path / 'run'}")
    assert done.code == 2, done
    assert "Traceback" not in done.err
    last = done.err.splitlines()[-1]
    assert last.startswith(("error: out of memory: ", "error: a number is too large: "))
    assert not (tmp_path / "run" / "config.json").exists()


def resident():
    """Return the resident memory of this process in MB."""
    pages = int(pathlib.Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="needs Linux")
def test_summaries_of_scalars_do_not_grow_the_memory(tmp_path):
    def write(events, steps):
        for step in steps:
            events.scalars(step, {f"s{k}": step + k / 100 for k in range(50)})

    with Events(tmp_path, 0) as events:
        write(events, range(100))
        before = resident()
        write(events, range(100, 500))  # 20,000 numbers, each of which took 800 bytes
        assert resident() - before < 6
