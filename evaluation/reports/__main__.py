"""`python -m evaluation.reports` writes the README's tables anew from assets/results.json."""

import sys

from evaluation.reports import publishing, readme

if __name__ == "__main__":
    if len(sys.argv) > 1:
        sys.exit("usage: python -m evaluation.reports (it takes no arguments)")
    readme.write(publishing.read_results())
