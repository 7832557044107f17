"""Measure trained models: python evaluate.py --run runs/dcgan-mnist. See --help."""

import sys
from collections.abc import Sequence
from pathlib import Path

if sys.path[:1] != [root := str(Path(__file__).resolve().parent)]:  # as with python -P
    sys.path.insert(0, root)

from cli import flags

EXAMPLE = "python evaluate.py --run runs/dcgan-mnist"
USAGE = """usage: python evaluate.py --run DIR[,DIR ...] [--flag value ...]
       python evaluate.py --pretrained NAME[,NAME ...] [--flag value ...]
       python evaluate.py --images FOLDER_OR_NPZ --dataset NAME [--flag value ...]

Draws samples from the last checkpoint of each run, compares them with real images, prints a table,
and writes evaluation.json and neighbours.png to each run directory. Earlier metrics of the same
checkpoint in evaluation.json are kept. Several runs are compared in tables and a figure. --images
measures image files instead of a run. Flags, with their defaults in brackets:
"""
METRICS = "Metrics, where <features> is the name of the feature network:"


def main(argv: Sequence[str]) -> int:
    """Run the command line `argv` (without the program's name); return the exit code."""
    flags.require_some(argv, EXAMPLE)
    from training.evaluating import EvaluateOptions, describe_metrics, evaluate_all

    if flags.wants_help(argv):
        options = flags.describe(EvaluateOptions)
        print(USAGE, options, "", METRICS, "", describe_metrics(), sep="\n")
        return 0
    print(evaluate_all(EvaluateOptions(**flags.given(argv, EvaluateOptions))))
    return 0


if __name__ == "__main__":
    if code := flags.run_script(main):
        sys.exit(code)
