"""Generate images from a run or shipped weights: python generate.py --run DIR. See --help."""

import sys
from collections.abc import Sequence
from pathlib import Path

if sys.path[:1] != [root := str(Path(__file__).resolve().parent)]:  # as with python -P
    sys.path.insert(0, root)

from cli import flags

EXAMPLE = "python generate.py --run runs/dcgan-mnist"
USAGE = """usage: python generate.py --run DIR [--flag value ...]
       python generate.py --pretrained NAME [--flag value ...]
       python generate.py --list

Generates images from the last checkpoint of a run, or from shipped weights, and prints the paths of
the pictures, or the number and the folder of single images. --list shows the names of the shipped
weights. Flags, with their defaults in brackets, or in parentheses by output:
"""


def main(argv: Sequence[str]) -> int:
    """Run the command line `argv` (without the program's name); return the exit code."""
    flags.require_some(argv, EXAMPLE)
    from training.drawing import GenerateOptions, draw

    if flags.wants_help(argv):
        print(USAGE, flags.describe(GenerateOptions), "", flags.ENDING, sep="\n")
        return 0
    print(*draw(flags.given(argv, GenerateOptions)), sep="\n")
    return 0


if __name__ == "__main__":
    if code := flags.run_script(main):
        sys.exit(code)
