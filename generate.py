"""Generate images from a run: python generate.py --run runs/dcgan-mnist. See --help."""

import sys
from collections.abc import Sequence

from cli import flags

USAGE = """usage: python generate.py --run DIR [--flag value ...]

Generates images from the last checkpoint of a run and prints the paths of the files. Flags, with
their defaults in brackets, or in parentheses by output:
"""


def main(argv: Sequence[str]) -> int:
    """Run the command line `argv` (without the program's name); return the exit code."""
    import fields
    from training.drawing import GenerateOptions, draw

    if flags.wants_help(argv):
        print(f"{USAGE}\n{flags.describe(GenerateOptions)}")
        return 0
    options = fields.resolve(GenerateOptions, flags.given(argv, GenerateOptions))
    print(*draw(options), sep="\n")
    return 0


if __name__ == "__main__":
    if code := flags.run_script(main):
        sys.exit(code)
