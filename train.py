"""Train a model: python train.py --model dcgan --dataset MNIST. See --help."""

import sys
from collections.abc import Sequence

from cli import flags

USAGE = """usage: python train.py --model NAME [--flag value ...] [--flagfile FILE]

Trains a model and writes checkpoints, logs and pictures to a run directory. Run the same command to
resume a stopped run. Exit codes: 0 done, 1 not finite, 2 an error, 128 + signal for a stop, such as
130 for Ctrl-C. Flags, with their defaults in brackets, or in parentheses by choice and data
set, where (dcgan: 0, MNIST: 1024) is 0 with --network=dcgan, but 1024 on MNIST:
"""
MORE = "For the flags of a model, such as --epochs: python train.py --model NAME --help"


def main(argv: Sequence[str]) -> int:
    """Run the command line `argv` (without the program's name); return the exit code."""
    if flags.wants_help(argv):
        print(help_text([argument for argument in argv if argument not in flags.HELP]))
        return 0
    from training import options
    from training.running import run_training

    return run_training(options.parse(argv), argv)


def help_text(argv: Sequence[str]) -> str:
    """Return the help text: the flags of every run, and those of the model given by --model."""
    from training import options

    classes = options.option_classes(argv)
    more = f"\n\n{MORE}" if len(classes) == 1 else ""
    return f"{USAGE}\n{flags.describe(*classes)}{more}"


if __name__ == "__main__":
    if code := flags.run_script(main):
        sys.exit(code)
