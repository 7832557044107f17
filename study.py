"""Train and compare the runs of a study: python study.py --configs=A.txt,B.txt. See --help."""

import sys
from collections.abc import Sequence
from pathlib import Path

if sys.path[:1] != [root := str(Path(__file__).resolve().parent)]:  # as with python -P
    sys.path.insert(0, root)

from cli import flags

EXAMPLE = "python study.py --configs configs/dcgan_mnist.txt,configs/lsgan_mnist.txt --seeds 0,1"
USAGE = """usage: python study.py --configs FILE[,FILE ...] [--flag value ...] [--flagfile FILE]

Trains each flagfile with each combination of the values of --set and with each seed, one after the
other, like train.py. Run the same command to resume the study: finished runs are skipped and
stopped runs are resumed. If a run fails, the next one is trained. The run directory, in --outdir,
is <flagfile>[-<flag>=<value> ...]-seed<N>. Then the runs are measured and compared like
evaluate.py, with the same flags; the table has means over the seeds. Metrics of the same checkpoint
with the same protocol are not measured again. Flags, with their defaults in brackets:
"""


def main(argv: Sequence[str]) -> int:
    """Run the command line `argv` (without the program's name); return the exit code."""
    flags.require_some(argv, EXAMPLE)
    from training.studying import OPTIONS, run_study

    if flags.wants_help(argv):
        print(USAGE, flags.describe(*OPTIONS), "", flags.ENDING, sep="\n")
        return 0
    return run_study(flags.given(argv, *OPTIONS))


if __name__ == "__main__":
    if code := flags.run_script(main):
        sys.exit(code)
