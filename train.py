"""Trains a model of the zoo: python train.py --model dcgan --dataset MNIST. See --help."""

import shlex
import sys
from collections.abc import Sequence

import data
from cli import flags
from models import REGISTRY
from storage.run_directory import RunDirectory
from training import options, resume

USAGE = """usage: python train.py --model NAME [--flag value ...] [--flagfile FILE]

Trains in a run directory; the same command goes on where it stopped. Flags with their defaults:
"""


MORE = "python train.py --model NAME --help: a model's own, such as epochs and learning rates."


def main(argv: Sequence[str]) -> int:
    """Runs the command line `argv` (without the program's name); returns the exit code."""
    if flags.wants_help(argv):
        print(help_text(argv))
        return 0
    config = options.parse(argv)
    data.check(
        config.options.dataset,
        data_dir=config.options.data_dir or None,
        gray=config.options.gray,
    )
    with RunDirectory(config.outdir) as run:
        resume.check(config, run)
        from training.callbacks import DivergedError
        from training.loop import train

        try:
            return train(config, run, shlex.join(["python", "train.py", *argv]))
        except DivergedError as error:
            print(f"error: {error}", file=sys.stderr)
            return 1


def help_text(argv: Sequence[str]) -> str:
    """The flags of every run, and those of the model that the command line names."""
    given = flags.given([a for a in argv if "help" not in a], options.RunOptions, partial=True)
    if not given.get("model"):
        return f"{USAGE}\n{flags.describe(options.RunOptions)}\n\n{MORE}"
    entry = REGISTRY[options.model_name(given["model"])]
    return f"{USAGE}\n{flags.describe(options.RunOptions, entry.hyperparameters)}"


if __name__ == "__main__":
    if code := flags.run_script(main):
        sys.exit(code)
