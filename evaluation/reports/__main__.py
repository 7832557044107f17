"""Update the generated tables of README.md and docs/: python -m evaluation.reports."""

import sys

from evaluation.reports import pages, publishing

if __name__ == "__main__":
    if len(sys.argv) > 1:
        sys.exit("usage: python -m evaluation.reports (it takes no arguments)")
    pages.write(publishing.read_results())
