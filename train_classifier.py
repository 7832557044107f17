"""Train a classifier that serves as a feature network: python train_classifier.py. See --help."""

import sys
from collections.abc import Sequence
from pathlib import Path

if sys.path[:1] != [root := str(Path(__file__).resolve().parent)]:  # as with python -P
    sys.path.insert(0, root)

from cli import flags

EXAMPLE = "python train_classifier.py --dataset FASHION_MNIST"
USAGE = """usage: python train_classifier.py --dataset NAME [--flag value ...]

Trains a small classifier on the training images of a labelled data set, prints its accuracy on the
test images, and saves it for evaluate.py: in the cache for --features=classifier, or in --outdir
for --features=FILE. Flags, with their defaults in brackets:
"""


def main(argv: Sequence[str]) -> int:
    """Run the command line `argv` (without the program's name); return the exit code."""
    flags.require_some(argv, EXAMPLE)
    from training.classifier_training import ClassifierOptions, train_classifier

    if flags.wants_help(argv):
        print(USAGE, flags.describe(ClassifierOptions), "", flags.ENDING, sep="\n")
        return 0
    print(train_classifier(ClassifierOptions(**flags.given(argv, ClassifierOptions))))
    return 0


if __name__ == "__main__":
    if code := flags.run_script(main):
        sys.exit(code)
