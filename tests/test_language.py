"""The language of docstrings and names of tests: first words, phrases outside the glossary."""

import ast
import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
FILES = [
    path
    for path in sorted(ROOT.rglob("*.py"))
    if not any(part.startswith((".", "runs")) for part in path.relative_to(ROOT).parts)
]
FIRST_WORDS = re.compile(r"^(What|Which|Whether|How|Of which|Whose)\b")
FIRST_WORDS_OF_TESTS = re.compile(
    r"test_(what|which|where|whether|how|whose|when|of|it|its|a|an|the)_"
)
PHRASES = re.compile(
    r"\b(slopes?|each so many|as many times as strong|(?:is|are) shown to D|D is shown|"
    r"told the (?:class|label)|means nothing to|held against|which stands|"
    r"says? of (?:real|fake)|step size|(?:is|are) refused|wants? D)\b"
)


def documented(path: pathlib.Path):
    """Yield the line and the docstring of every module, class and function of a file."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            doc = ast.get_docstring(node)
            if doc:
                yield node.body[0].lineno, doc


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_docstrings_follow_the_rules_of_language(path):
    for line, doc in documented(path):
        place = f"{path.relative_to(ROOT)}:{line}"
        assert not FIRST_WORDS.match(doc), f"{place} begins with a relative clause: {doc[:60]}"
        if path.name != pathlib.Path(__file__).name:
            found = PHRASES.search(doc)
            assert not found, f"{place} has a phrase outside the glossary: {found and found[0]}"


def test_names_of_tests_begin_with_their_unit():
    for path in FILES:
        for name in re.findall(r"^ *(?:async )?def (test_\w+)", path.read_text(), re.MULTILINE):
            assert not FIRST_WORDS_OF_TESTS.match(name), f"{path.relative_to(ROOT)}: {name}"
            assert len(f"def {name}") <= 90, f"{path.relative_to(ROOT)}: {name} is too long"
