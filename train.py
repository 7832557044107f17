"""Train a model: python train.py --model dcgan --dataset MNIST. See --help."""

import sys
from collections.abc import Sequence
from pathlib import Path

if sys.path[:1] != [root := str(Path(__file__).resolve().parent)]:  # as with python -P
    sys.path.insert(0, root)

from cli import flags

EXAMPLE = "python train.py --model dcgan --dataset MNIST"


def main(argv: Sequence[str]) -> int:
    """Run the command line `argv` (without the program's name); return the exit code."""
    flags.require_some(argv, EXAMPLE)
    if flags.wants_help(argv):
        from training.help import help_text

        print(help_text(argv))
        return 0
    from training import options
    from training.running import run_training

    return run_training(options.parse(argv), argv)


if __name__ == "__main__":
    if code := flags.run_script(main):
        sys.exit(code)
