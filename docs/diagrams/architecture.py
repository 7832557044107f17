"""Diagram of the packages and their imports, from their docstrings."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "docs" / "architecture.svg"
LEFT_OUT = ("fields", "errors", "waiting", "replicas")  # modules whose arrows are left out
WIDTH, HEIGHT, ACROSS, DOWN = 132, 40, 168, 104  # pixels of a box, and of the grid
STYLE = 'font-family="sans-serif" font-size="15" text-anchor="middle" fill="#222"'


def imports() -> dict[str, list[str]]:
    """Map each package, and the scripts, to the packages that it may import by its docstring."""
    packages = {}
    for file in sorted(ROOT.glob("*/__init__.py")):
        doc = ast.get_docstring(ast.parse(file.read_text())) or ""
        if found := re.search(r"May import:\s+(.*?)\.(?:\s|$)", doc, re.DOTALL):
            names = [name.strip().partition(".")[0] for name in found[1].split(",")]
            packages[file.parent.name] = [name for name in names if name not in LEFT_OUT]
    return {"scripts": ["training", "cli"], **packages}


def levels(packages: dict[str, list[str]]) -> dict[str, int]:
    """Map each package to its level: the length of the longest chain of imports below it."""

    def level(package: str) -> int:
        return 1 + max(map(level, packages[package]), default=-1)

    return {package: level(package) for package in packages}


def diagram() -> str:
    """Return the SVG: a row per level, and an arrow from each package to those that it imports."""
    packages = imports()
    level = levels(packages)
    rows = [
        [package for package in packages if level[package] == k]
        for k in range(max(level.values()) + 1)
    ]
    columns = max(map(len, rows))
    place = {
        package: (
            round((k + 0.5 + (columns - len(row)) / 2) * ACROSS),
            round((len(rows) - 1 - level[package] + 0.5) * DOWN),
        )
        for row in rows
        for k, package in enumerate(row)
    }
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{columns * ACROSS}" '
        f'height="{len(rows) * DOWN}" viewBox="0 0 {columns * ACROSS} {len(rows) * DOWN}">',
        '<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" '
        'markerHeight="8" orient="auto"><path d="M0 0L8 4L0 8z" fill="#7a869a"/></marker></defs>',
        '<rect width="100%" height="100%" fill="white"/>',
    ]
    for package, below in packages.items():
        for other in below:
            (x, y), (to_x, to_y) = place[package], place[other]
            start, end = y + HEIGHT // 2, to_y - HEIGHT // 2
            lines.append(
                f'<path d="M{x} {start}C{x} {start + 30} {to_x} {end - 34} {to_x} {end - 2}" '
                'fill="none" stroke="#7a869a" marker-end="url(#head)"/>'
            )
    for package, (x, y) in place.items():
        lines += [
            f'<rect x="{x - WIDTH // 2}" y="{y - HEIGHT // 2}" width="{WIDTH}" height="{HEIGHT}" '
            'rx="6" fill="#eef2fb" stroke="#3f51b5"/>',
            f'<text x="{x}" y="{y + 5}" {STYLE}>{package}</text>',
        ]
    return "\n".join([*lines, "</svg>"]) + "\n"
