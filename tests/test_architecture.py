"""The rooms (top-level packages): their imports, their size, and the top level."""

import ast
import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
GROUND = ("fields", "errors", "waiting", "replicas")
ROOMS = sorted(
    path.name
    for path in ROOT.iterdir()
    if (path / "__init__.py").exists() and path.name not in ("tests", "benchmarks")
)
TOP_LEVEL = {
    *("models", "losses", "augmentation", "metrics", "data", "training", "evaluation", "storage"),
    *("plotting", "cli", "configs", "benchmarks", "notebooks", "docs", "tests", "assets"),
    *("train.py", "evaluate.py", "generate.py", "study.py", "train_classifier.py"),
    *("errors.py", "fields.py", "waiting.py", "replicas.py"),
}


def product_files():
    """The Python files of the rooms and of the top level."""
    return [
        *sorted(ROOT.glob("*.py")),
        *(path for room in ROOMS for path in sorted((ROOT / room).rglob("*.py"))),
    ]


def may_import(room: str) -> list[str]:
    """The modules that the docstring of a room's __init__ lists after "May import:"."""
    doc = ast.get_docstring(ast.parse((ROOT / room / "__init__.py").read_text())) or ""
    found = re.search(r"May import:\s+(.*?)\.(?:\s|$)", doc, re.DOTALL)
    assert found, f"{room}/__init__.py has no line 'May import: ...'"
    return [room, *(name.strip() for name in re.split(r",|\band\b", found[1]) if name.strip())]


def imported(path: pathlib.Path) -> set[str]:
    """The dotted names of this repository that a file imports, in functions as well."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {name for name in names if name.split(".")[0] in {*ROOMS, *GROUND}}


@pytest.mark.parametrize("room", ROOMS)
def test_room_imports_only_the_modules_of_its_docstring(room):
    allowed = may_import(room)
    for path in (ROOT / room).rglob("*.py"):
        for name in imported(path):
            good = any(f"{name}.".startswith(f"{prefix}.") for prefix in allowed)
            assert good, f"{path.relative_to(ROOT)} imports {name}; {room} may import {allowed}"


@pytest.mark.parametrize("name", GROUND)
def test_ground_modules_import_no_room(name):
    assert {x.split(".")[0] for x in imported(ROOT / f"{name}.py")} <= {*GROUND}


def test_rooms_import_no_script():
    scripts = {path.stem for path in ROOT.glob("*.py")} - {*GROUND}
    for path in product_files():
        if path.parent == ROOT:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            module = getattr(node, "module", None) if isinstance(node, ast.ImportFrom) else None
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else [module or ""]
            assert not {name.split(".")[0] for name in names} & scripts, path


def test_top_level_has_the_declared_entries_only():
    folders = {path.name for path in ROOT.iterdir() if path.is_dir() and any(path.rglob("*.py"))}
    scripts = {path.name for path in ROOT.glob("*.py")}
    code = {name for name in folders if not name.startswith((".", "runs"))} | scripts
    assert code <= TOP_LEVEL


def test_product_files_have_at_most_450_lines():
    long = {
        str(path.relative_to(ROOT)): lines
        for path in product_files()
        if (lines := len(path.read_text().splitlines())) > 450
    }
    assert not long


SCRIPTS = sorted({path.stem for path in ROOT.glob("*.py")} - {*GROUND})


@pytest.mark.parametrize("script", SCRIPTS)
def test_script_imports_only_training_cli_fields_and_errors(script):
    rooms = {name.split(".")[0] for name in imported(ROOT / f"{script}.py")}
    assert rooms <= {"training", "cli", *GROUND}
    others = {name for name in SCRIPTS if f"import {name}" in (ROOT / f"{script}.py").read_text()}
    assert not others
