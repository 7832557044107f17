"""Update the README's tables from assets/results.json: python -m evaluation.reports."""

import sys

from evaluation.reports import publishing, readme

if __name__ == "__main__":
    if len(sys.argv) > 1:
        sys.exit("usage: python -m evaluation.reports (it takes no arguments)")
    readme.write(publishing.read_results())
