"""Measure trained models: python evaluate.py --run runs/dcgan-mnist. See --help."""

import sys
from collections.abc import Sequence
from pathlib import Path

if sys.path[:1] != [root := str(Path(__file__).resolve().parent)]:  # as with python -P
    sys.path.insert(0, root)

from cli import flags

EXAMPLE = "python evaluate.py --run runs/dcgan-mnist"


def main(argv: Sequence[str]) -> int:
    """Run the command line `argv` (without the program's name); return the exit code."""
    flags.require_some(argv, EXAMPLE)
    if flags.wants_help(argv):
        from training.help import evaluation_help

        print(evaluation_help(argv))
        return 0
    from training.evaluating import EvaluateOptions, evaluate_all

    print(evaluate_all(EvaluateOptions(**flags.given(argv, EvaluateOptions))))
    return 0


if __name__ == "__main__":
    if code := flags.run_script(main):
        sys.exit(code)
