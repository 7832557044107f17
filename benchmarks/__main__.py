"""Benchmarks by name.

    python -m benchmarks compare --stages=steps

Runs the module `benchmarks.NAME` with the remaining arguments. Names:
"""

import ast
import pathlib
import runpy
import sys

from cli import flags
from errors import UserError, near

FOLDER = pathlib.Path(__file__).resolve().parent


def described() -> dict[str, str]:
    """Return the first line of the docstring of each benchmark by name."""
    files = {path.parent.name: path for path in FOLDER.glob("*/__main__.py")}
    files |= {path.stem: path for path in FOLDER.glob("*.py") if path.stem != "__main__"}
    lines = {}
    for name, path in sorted(files.items()):
        module = ast.parse(path.read_text())
        if any(isinstance(node, ast.FunctionDef) and node.name == "main" for node in module.body):
            lines[name] = ast.get_docstring(module).splitlines()[0]
    return lines


def main(argv: list[str]) -> int:
    """Run the benchmark `argv[0]`; list all without arguments."""
    names = described()
    if not argv or flags.wants_help(argv[:1]):
        print(__doc__.strip())
        width = max(map(len, names))
        print("\n".join(f"  {name.ljust(width)}  {line}" for name, line in names.items()))
        return 0
    name, *rest = argv
    if name not in names:
        raise UserError(f"no such benchmark: {name}{near(name, names)}")
    sys.argv = [name, *rest]
    runpy.run_module(f"benchmarks.{name}", run_name="__main__", alter_sys=True)
    return 0


if __name__ == "__main__":
    if code := flags.run_script(main):
        sys.exit(code)
