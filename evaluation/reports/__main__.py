"""Update the tables and pictures of published records: python -m evaluation.reports."""

import sys

from evaluation.reports import pages, publishing, redrawing

if __name__ == "__main__":
    if len(sys.argv) > 1:
        sys.exit("usage: python -m evaluation.reports (it takes no arguments)")
    records = publishing.read_results()
    pages.write(records)
    redrawing.redraw(records)
