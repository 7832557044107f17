"""Trains the runs of a study in turn, then compares them: python study.py --configs=A.txt,B.txt.

See --help.
"""

import sys
from collections.abc import Sequence

import train
from cli import flags
from evaluation.options import MeasureOptions
from training.studying import StudyOptions, run_study

USAGE = """usage: python study.py --configs FILE[,FILE ...] [--flag value ...] [--flagfile FILE]

Trains each flagfile with each seed, one after the other, as train.py does. Finished runs are
skipped and stopped runs are resumed, so the same command continues the study. A run directory is
the one of its flagfile, with -seed<N> appended for another seed than the flagfile's own. After a
run that fails the next one is trained. Once all runs are trained, they are measured and compared as
evaluate.py does, with the same flags except --run; measurements of the same checkpoint by the same
protocol are not repeated. Flags with their defaults:
"""


def main(argv: Sequence[str]) -> int:
    """Run the command line `argv` (without the program's name); return the exit code."""
    if flags.wants_help(argv):
        print(f"{USAGE}\n{flags.describe(StudyOptions, MeasureOptions)}")
        return 0
    given = flags.given(argv, StudyOptions, MeasureOptions)
    own = {name: given.pop(name) for name in ("configs", "seeds") if name in given}
    return run_study(StudyOptions(**own), given, train.main)


if __name__ == "__main__":
    if code := flags.run_script(main):
        sys.exit(code)
