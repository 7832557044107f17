"""Networks, images and batches for which there is not enough memory end in one line."""

import pytest

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
