"""The README against the repository: its tables, links and files, and the published results."""

import json
import os
import re
import subprocess
import sys

import pytest

from evaluation.reports import publishing
from evaluation.reports import readme as tables

BASELINE = {"model", "dataset", "flagfile", "seed", "metrics"}
RECORD = BASELINE | {"steps", "kimg", "wall_minutes", "machine"}


@pytest.fixture(scope="module")
def readme():
    return tables.README.read_text()


@pytest.fixture(scope="module")
def results():
    return json.loads(publishing.RESULTS.read_text())


def linked(text):
    """Return the targets of Markdown and HTML links and pictures outside code blocks."""
    text = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    markdown = re.findall(r"\]\(\s*<?([^)\s>]+)", text)
    html = re.findall(r"(?:src|href|srcset)=[\"']([^\"']+)[\"']", text)
    return [*markdown, *html]


def test_readme_tables_match_the_results(readme, results):
    assert len(tables.BLOCK.findall(readme)) >= 1
    assert tables.fill(readme, results) == readme


def test_readme_linked_files_exist(readme, root):
    local = [target for target in linked(readme) if not re.match(r"[a-z]+:|#", target)]
    assert local
    assert [t for t in local if not (root / t.split("#")[0]).exists()] == []


def test_readme_linked_sections_exist(readme):
    titles = re.findall(r"^#+ (.*)$", readme, flags=re.MULTILINE)
    anchors = [re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles]
    wanted = [target[1:] for target in linked(readme) if target.startswith("#")]
    assert [anchor for anchor in wanted if anchor not in anchors] == []


def test_readme_named_flagfiles_exist(readme, root):
    assert [
        f for f in re.findall(r"configs/[\w.-]+\.txt", readme) if not (root / f).is_file()
    ] == []


def test_results_are_of_existing_flagfiles_or_of_baselines(results, root):
    assert results
    for record in results:
        if record["flagfile"]:
            assert re.fullmatch(r"configs/\w+\.txt", record["flagfile"])
            assert (root / record["flagfile"]).is_file(), record["flagfile"]
    names = ("dataset", "flagfile", "model", "seed")
    keys = [tuple(record[name] for name in names) for record in results]
    assert len(set(keys)) == len(keys)


def test_results_have_a_training_record_and_protocols(results):
    for record in results:
        assert set(record) == (RECORD if record["flagfile"] else BASELINE)
        assert record["metrics"]
        for name, metric in record["metrics"].items():
            assert set(metric) == {"value", "protocol"}, name
            assert metric["value"] is None or isinstance(metric["value"], (int, float)), name
            assert metric["protocol"], name


def test_requirements_have_lower_bounds_and_no_exact_pins(root):
    lines = (root / "requirements.txt").read_text().splitlines()
    requirements = [line for line in lines if line.strip() and not line.startswith("#")]
    assert requirements
    for requirement in requirements:
        assert re.fullmatch(r"[\w.-]+(\[\w+\])?>=[\d.]+(,<[\d.]+)?", requirement), requirement


@pytest.mark.slow
def test_readme_python_example_runs(readme, root, tmp_path):
    example = next(
        block
        for block in re.findall(r"^```python\n(.*?)^```", readme, flags=re.DOTALL | re.MULTILINE)
        if "gan.fit(" in block
    )
    run = subprocess.run(
        [sys.executable, "-c", example + "\nassert images.shape == (16, 28, 28, 1)"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    assert (tmp_path / "losses.csv").read_text().count("\n") == 3
