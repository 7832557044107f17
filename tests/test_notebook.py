"""The notebook: its forms, its set-up in every place, and its cells in a kernel, as shipped."""

import contextlib
import json
import os
import re
import signal
import subprocess
import threading
import time
import zipfile
from pathlib import Path

import pytest

from benchmarks.gpu.__main__ import GpuOptions
from cli import flags
from docs import address
from evaluation.options import EvaluateOptions
from models import REGISTRY
from notebooks import cells as notebook_cells
from notebooks import forms
from training import drawing, options
from training.drawing import OUTPUTS, GenerateOptions

FIELD = re.compile(r"^(\w+) = (.+?)(  # @param .*)$", re.MULTILINE)
MARK = "notebooks/forms.py"  # a folder with this file is a clone


@pytest.fixture(scope="module")
def notebook(root):
    return json.loads((root / "notebooks" / "gan_zoo.ipynb").read_text())


@pytest.fixture(scope="module")
def cells(notebook):
    """Return the sources of its code cells by title."""
    sources = ["".join(c["source"]) for c in notebook["cells"] if c["cell_type"] == "code"]
    return {re.match(r"# @title (.*?) \{", source)[1]: source for source in sources}


def filled(source, given):
    """Return a cell with other values of fields of its form."""

    def fill(field):
        name, _, form = field.groups()
        return f"{name} = {given[name]!r}{form}" if name in given else field[0]

    return FIELD.sub(fill, source)


def test_notebook_has_no_outputs(notebook):
    assert notebook["nbformat"] == 4
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            assert (cell["outputs"], cell["execution_count"]) == ([], None)


def test_forms_of_the_notebook_offer_every_model_and_output(cells):
    offered = {name: re.findall(r'"(\w+)"', form) for source in cells.values() for name, _, form in
               FIELD.findall(source) if "[" in form}  # fmt: skip
    assert offered["model"] == list(REGISTRY)
    assert sorted(offered["output"]) == sorted(OUTPUTS)


def test_commands_of_the_notebook_parse(cells, tmp_path, monkeypatch):
    commands = []
    monkeypatch.setattr(notebook_cells, "run", lambda *command, **_: commands.append(command))
    names = {"forms": forms, "runs": str(tmp_path), "Path": Path}
    for title, source in cells.items():
        if "%" not in source and title != "Set up":
            exec(source, names)
    parse = {
        "train.py": options.parse,
        "evaluate.py": lambda argv: flags.given(argv, EvaluateOptions),
        "generate.py": lambda argv: flags.given(argv, GenerateOptions),
        "benchmarks": lambda argv: flags.given(argv[1:], GpuOptions),
    }
    found = {
        command[command[0] == "-m"]: command[1 + (command[0] == "-m") :] for command in commands
    }
    assert list(found) == list(parse)
    for script, argv in found.items():
        parse[script](argv)
    for output in OUTPUTS:
        exec(filled(cells["Generate"], {"output": output}), names)
        drawn = drawing.parse(flags.given(commands.pop()[1:], GenerateOptions))
        assert drawn.output == output
    assert names["chosen"].run == tmp_path / "infogan-cifar10"


# Set-up: in a process, where pip is a program that does nothing.

SET_UP = """
import json, os, subprocess, sys
from IPython.core.interactiveshell import InteractiveShell
from notebooks import forms

run = subprocess.run
def without_pip(command, **options):
    return run(["true"] if "pip" in command else command, **options)

subprocess.run = without_pip
shell = InteractiveShell.instance()
for place, cell in json.loads(sys.argv[1]):
    os.chdir(place)
    shell.run_cell(cell)
    print("at", os.path.relpath(os.getcwd(), place))
"""


@pytest.fixture
def set_up(cells, tmp_path, python):
    """Return set_up(*(place, repository)) -> the lines of each set-up, and where it ends."""

    def set_up(*places):
        given = [
            (str(place), filled(cells["Set up"], {"repository": repository}))
            for place, repository in places
        ]
        home = {"IPYTHONDIR": str(tmp_path / "ipython"), "PATH": os.environ["PATH"]}
        done = python("-c", SET_UP, json.dumps(given), cwd=tmp_path, **home)
        assert done.code == 0, done
        runs = re.findall(r"(.*?)^at (\S+)\n", done.out, re.MULTILINE | re.DOTALL)
        return [(text.splitlines(), folder) for text, folder in runs]

    return set_up


def clone(folder):
    """Make what the set-up recognises as a clone."""
    path = folder / MARK
    path.parent.mkdir(parents=True)
    path.touch()
    return folder


def test_setup_finds_the_code_around_and_beside_the_notebook(set_up, tmp_path):
    inside = clone(tmp_path / "clone")
    beside = tmp_path / "beside"
    clone(beside / "my-zoo")
    found = set_up((inside, ""), (inside / "notebooks", ""), (beside, ""), (beside, "x"))
    assert [folder for _, folder in found] == [".", "..", "my-zoo", "my-zoo"]
    for text, _ in found:
        assert text[0].startswith("installing the requirements")
        assert text[1].startswith("runs: ")
    assert (beside / "my-zoo" / "runs").is_dir()


def test_setup_unpacks_an_uploaded_archive_once(set_up, tmp_path):
    for name, top in (("plain", ""), ("nested", "gan-zoo-main/")):
        (tmp_path / name).mkdir()
        with zipfile.ZipFile(tmp_path / name / "gan-zoo.zip", "w") as archive:
            archive.writestr(f"{top}{MARK}", "")
    found = set_up(*[(tmp_path / name, "") for name in ("plain", "plain", "nested", "nested")])
    places = ["gan-zoo"] * 2 + ["gan-zoo/gan-zoo-main"] * 2
    assert [folder for _, folder in found] == places


def test_setup_unpacks_the_newest_archive_after_one_that_was_not_unpacked_to_its_end(
    set_up, tmp_path
):
    clone(tmp_path / "gan-zoo.unpacked")
    times = {"gan-zoo.zip": 1e9, "gan-zoo (1).zip": 2e9, "gan-zoo (2).zip": 1.5e9}
    for name, uploaded in times.items():
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            archive.writestr(MARK, "")
            archive.writestr(name, "")
        os.utime(tmp_path / name, (uploaded, uploaded))
    ((_, folder),) = set_up((tmp_path, ""))
    assert folder == "gan-zoo"
    assert (tmp_path / "gan-zoo" / "gan-zoo (1).zip").exists()
    assert not (tmp_path / "gan-zoo.unpacked").exists()


def test_setup_clones_the_address_that_the_command_of_docs_writes(
    set_up, cells, root, tmp_path, notebook
):
    source = clone(tmp_path / "origin")
    git = ["git", "-C", str(source), "-c", "user.name=a", "-c", "user.email=a@b"]
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "one"]):
        subprocess.run([*git, *command], check=True)
    url = f"file://{source}"
    written = json.loads(address.in_notebook(json.dumps(notebook), url))
    assert f'repository = "{url}"' in "".join(written["cells"][1]["source"])
    (tmp_path / "content").mkdir()
    ((text, folder),) = set_up((tmp_path / "content", url))
    assert folder == "gan-zoo"
    assert text[0] == f"cloning {url}"


def test_setup_without_the_code_ends_in_one_line(set_up, tmp_path):
    for name in ("empty", "damaged", "foreign", "unreachable"):
        (tmp_path / name).mkdir()
    (tmp_path / "damaged" / "gan-zoo.zip").write_text("no archive")
    with zipfile.ZipFile(tmp_path / "foreign" / "gan-zoo.zip", "w") as archive:
        archive.writestr("readme.txt", "")
    missing = f"file://{tmp_path}/missing"
    found = set_up(
        (tmp_path / "empty", ""),
        (tmp_path / "damaged", ""),
        (tmp_path / "foreign", ""),
        (tmp_path / "unreachable", missing),
    )
    assert [folder for _, folder in found] == ["."] * 4
    last = [text[-1] for text, _ in found[:3]]
    assert last == [
        "error: enter the address of the repository in the form, or upload gan-zoo.zip",
        "error: gan-zoo.zip: File is not a zip file; upload it again",
        "error: gan-zoo is not this library: delete the folder, and run this cell again",
    ]
    assert found[3][0][1].startswith(f"error: git clone -q --depth=1 {missing} gan-zoo: fatal: ")


# In a kernel.


class Kernel:
    """Kernel that runs the cells of a copy of the notebook.

    Args:
        folder: folder of the copy, which is the kernel's directory.
        environment: environment variables.
    """

    def __init__(self, notebook, folder, environment):
        import nbformat
        from nbclient import NotebookClient

        self.notebook = nbformat.reads(json.dumps(notebook), as_version=4)
        self.client = NotebookClient(
            self.notebook, kernel_name="python3", timeout=300, allow_errors=True
        )
        self.started = self.client.setup_kernel(cwd=str(folder), env={**os.environ, **environment})

    def __enter__(self):
        self.started.__enter__()
        return self

    def __exit__(self, *error):
        self.started.__exit__(*error)

    def run(self, title, given=None):
        """Run the cell of a title, with values of its form; return its outputs."""
        for index, cell in enumerate(self.notebook.cells):
            if cell.cell_type == "code" and cell.source.startswith(f"# @title {title}"):
                cell.source = filled(cell.source, given or {})
                self.client.execute_cell(cell, index)
                return Outputs(cell.outputs)
        raise AssertionError(title)

    def interrupt(self):
        """Send SIGINT to the process group of the kernel, as Jupyter does."""
        os.killpg(os.getpgid(self.client.km.provisioner.pid), signal.SIGINT)


class Outputs:
    """Outputs of a cell: the text on stdout and stderr, the types of displays, and errors."""

    def __init__(self, outputs):
        streams = [o for o in outputs if o.output_type == "stream"]
        self.out, self.err = (
            "".join(o.text for o in streams if o.name == name) for name in ("stdout", "stderr")
        )
        self.types = [kind for o in outputs for kind in o.get("data", {})]
        self.errors = [o for o in outputs if o.output_type == "error"]

    def __repr__(self):
        return f"{self.out}\n{self.err}\n{self.types}\n{self.errors}"


def upload(root, path):
    """Write the product to an archive, as it is uploaded."""
    with zipfile.ZipFile(path, "w") as archive:
        rooms = [root / "benchmarks", *(file.parent for file in root.glob("*/__init__.py"))]
        inside = [file for room in rooms for file in room.rglob("*") if file.suffix != ".pyc"]
        for file in (*root.glob("*.py"), *root.glob("*.txt"), *root.glob("assets/*.*"), *inside):
            if file.is_file():
                archive.write(file, f"gan-zoo-main/{file.relative_to(root)}")


@contextlib.contextmanager
def tensorboards_ended(folder):
    """End the TensorBoards whose temporary files are in a folder."""
    try:
        yield
    finally:
        for file in (folder / ".tensorboard-info").glob("*.info"):
            with contextlib.suppress(ProcessLookupError):
                os.kill(json.loads(file.read_text())["pid"], signal.SIGTERM)


@pytest.mark.slow
@pytest.mark.smoke
def test_notebook_outside_a_clone_runs_twice_in_a_kernel_with_a_stop(
    notebook, digits, root, tmp_path
):
    """As shipped, but for a small model: set up from an archive, stopped, and run to the end."""
    pytest.importorskip("nbclient")
    upload(root, tmp_path / "gan-zoo.zip")
    environment = {"IPYTHONDIR": str(tmp_path / "ipython"), "TMPDIR": str(tmp_path)}
    form = {"model": "gan", "dataset": str(digits)}
    small = "--width=4 --depth=1 --log_every=10 --sample_every=20"
    run = tmp_path / "gan-zoo" / "gan-zoo-main" / "runs" / f"gan-{digits.stem}"

    with tensorboards_ended(tmp_path), Kernel(notebook, tmp_path, environment) as kernel:

        def stop_in_the_middle():
            deadline = time.monotonic() + 120
            while not (run / "curves.png").exists() and time.monotonic() < deadline:
                time.sleep(0.1)
            kernel.interrupt()

        assert not kernel.run("Set up").errors
        assert not kernel.run("Choose", {**form, "flags": f"{small} --steps=1000000"}).errors
        threading.Thread(target=stop_in_the_middle).start()
        stopped = kernel.run("Train")
        (error,) = stopped.errors
        assert error.traceback == [f"train.py was stopped. {forms.AFTER_STOP}"], stopped
        assert stopped.out.startswith("device: "), stopped
        assert re.search(r"^stopped by SIGINT at step (\d+)", stopped.out, re.MULTILINE), stopped
        assert stopped.err.count("\n") == stopped.err.count("stopping after this step") == 1, (
            stopped
        )
        assert stopped.types.count("image/png") >= 2, stopped

        step = max(int(path.stem[5:]) for path in (run / "checkpoints").glob("ckpt-*.index"))
        done = {}
        for title, fields in {
            "Set up": {},
            "Choose": {**form, "flags": f"{small} --steps={step + 20}"},
            "Watch": {},
            "Train": {},
            "Look": {},
            "Measure": {"measure_flags": "--num_samples 50 --metrics coverage"},
            "Generate": {"output": "interpolation", "draw_flags": "--n 2"},
            "Benchmark": {"benchmark_flags": "--stages device"},
        }.items():
            done[title] = kernel.run(title, fields)
            assert not done[title].errors, done[title]
        assert f"resumed from the checkpoint of step {step}\n" in done["Train"].out
        assert f"To train for more than {step + 20} steps, change Choose" in done["Train"].out
        assert "text/html" in done["Watch"].types, done["Watch"]
        assert done["Look"].types.count("image/png") == 2
        assert "coverage" in done["Measure"].out
        assert {"image/png", "image/gif"} < set(done["Generate"].types)
    assert (run / "evaluation.json").exists()
    assert (run / "progress.gif").exists()
