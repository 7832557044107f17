"""Draw the diagrams of docs/: python -m docs.diagrams."""

import sys

from docs.diagrams import architecture, models

if __name__ == "__main__":
    if len(sys.argv) > 1:
        sys.exit("usage: python -m docs.diagrams (it takes no arguments)")
    architecture.FILE.write_text(architecture.diagram())
    for path, text in models.pictures().items():
        path.write_text(text, "utf-8")
