"""The Colab notebook: its commands parse, and it runs from the first cell to the last."""

import json
import re
import shlex

import pytest

from benchmarks.gpu.__main__ import GpuOptions
from cli import flags
from evaluation.options import EvaluateOptions
from models import REGISTRY
from training import options
from training.drawing import OUTPUTS, GenerateOptions

FIELD = re.compile(r'^(\w+) = ("[^"]*")(  # @param .*)$', re.MULTILINE)


@pytest.fixture(scope="module")
def notebook(root):
    return json.loads((root / "notebooks" / "gan_zoo.ipynb").read_text())


@pytest.fixture(scope="module")
def cells(notebook):
    """Return the sources of its code cells."""
    return ["".join(c["source"]) for c in notebook["cells"] if c["cell_type"] == "code"]


def commands(cells):
    """Yield (script, arguments) of each command in the cells, with the default fields."""
    values = {}
    for cell in cells:
        values |= {name: json.loads(value) for name, value, _ in FIELD.findall(cell)}
        values["run"] = "runs/any"
        for script, line in re.findall(r"!\{python\} (\w+\.py|-m benchmarks \w+) (.*)", cell):
            yield script, shlex.split(line.replace("{", "%(").replace("}", ")s") % values)


def test_notebook_has_no_outputs(notebook):
    assert notebook["nbformat"] == 4
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            assert (cell["outputs"], cell["execution_count"]) == ([], None)


def test_commands_of_the_notebook_parse(cells):
    parse = {
        "train.py": options.parse,
        "evaluate.py": lambda argv: flags.given(argv, EvaluateOptions),
        "generate.py": lambda argv: flags.given(argv, GenerateOptions),
        "-m benchmarks gpu": lambda argv: flags.given(argv, GpuOptions),
    }
    found = list(commands(cells))
    assert [script for script, _ in found] == list(parse)
    for script, argv in found:
        parse[script](argv)


def test_forms_of_the_notebook_offer_every_model_and_output(cells):
    offered = {name: re.findall(r'"(\w+)"', form) for c in cells for name, _, form in
               FIELD.findall(c) if "[" in form}  # fmt: skip
    assert offered["model"] == list(REGISTRY)
    assert sorted(offered["output"]) == sorted(OUTPUTS)


RUN = """
import json, sys
from IPython.core.interactiveshell import InteractiveShell

shell = InteractiveShell.instance()
for cell in json.loads(sys.argv[1]):
    shell.run_cell(cell).raise_error()
"""


def test_setup_without_a_repository_ends_in_one_line(cells, tmp_path, python):
    code = RUN.replace(".raise_error()", "")
    (setup,) = (cell for cell in cells if "git clone" in cell)
    home = str(tmp_path / "ipython")
    done = python("-c", code, json.dumps([setup]), cwd=tmp_path, zoo=False, IPYTHONDIR=home)
    message = "repository is empty: enter the URL to clone in the form, and run this cell again"
    assert (done.out + done.err).strip() == f"error: {message}"


@pytest.mark.slow
def test_notebook_with_a_small_model_runs_to_the_last_cell(cells, digits, root, tmp_path, python):
    """Without the cells that require Colab: pip, TensorBoard and Google Drive."""
    given = {
        "runs": str(tmp_path / "runs"),
        "model": "gan",
        "dataset": str(digits),
        "flags": "--steps 2 --width 4",
        "measure_flags": "--num_samples 50 --metrics coverage",
        "draw_flags": "--n 2",
        "benchmark_flags": "--stages device",
    }

    def fill(field):
        name, value = field[1], json.loads(field[2])
        return f"{name} = {given.get(name, value)!r}{field[3]}"

    assert any("%pip install" in cell for cell in cells)
    small = [
        re.sub(r"^%pip .*$", "", FIELD.sub(fill, cell), flags=re.MULTILINE)
        for cell in cells
        if "%tensorboard" not in cell
    ]
    assert len(small) == len(cells) - 1
    done = python(
        "-c",
        RUN,
        json.dumps(small),
        cwd=root / "notebooks",
        IPYTHONDIR=str(tmp_path / "ipython"),
    )
    assert done.code == 0, done
    run = tmp_path / "runs" / f"gan-{digits.stem}"
    for name in ("samples.png", "evaluation.json"):
        assert (run / name).exists(), done
    assert sorted(path.suffix for path in (run / "generated").iterdir()) == [".gif", ".png"]
