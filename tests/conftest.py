"""Shared by all tests: --slow, tiny data, scripts called in this process, and tiny runs."""

import contextlib
import dataclasses
import gc
import importlib
import io
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import types

import numpy as np
import pytest

# With the scripts' default, 1, compiling kernels takes longer than a tiny step without them.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
# Compiling a tiny step with XLA takes longer than running it.
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0")

ROOT = pathlib.Path(__file__).resolve().parents[1]

# Helpers with assertions of their own, which otherwise fail without the values.
pytest.register_assert_rewrite("tests.faults.stopping_cases")


def pytest_configure():
    """Take SIGINT, which a background job of a shell script ignores: tests send it to trainings."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser):
    parser.addoption("--slow", action="store_true", help="also run the tests that take minutes")


def pytest_collection_modifyitems(config, items):
    if config.getoption("--slow"):
        return
    for item in items:
        if "slow" in item.keywords:
            item.add_marker(pytest.mark.skip(reason="takes minutes: run with --slow"))


def pytest_collection_finish():
    """Freeze TensorFlow's objects, so that the garbage collections of clear_session skip them."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def plain_precision():
    """Reset Keras to float32 after each test."""
    yield
    if "keras" in sys.modules:
        sys.modules["keras"].config.set_dtype_policy("float32")


@pytest.fixture(scope="session")
def root():
    """The repository."""
    return ROOT


@dataclasses.dataclass(frozen=True)
class Outcome:
    """Exit code and output of a script."""

    code: int | str
    out: str
    err: str

    def refusal(self) -> str:
        """The message of a script that ended with code 2 and one line on stderr."""
        assert self.code == 2, self
        assert self.err.startswith("error: "), self
        assert self.err.count("\n") == 1, self
        assert self.err.endswith("\n"), self
        return self.err.removeprefix("error: ").rstrip()


@pytest.fixture(scope="session")
def call():
    """call("train", "--model=gan", ...) -> Outcome: a script in this process, where it is quick."""

    def call(script: str, *argv) -> Outcome:
        from cli import flags

        main = importlib.import_module(script).main
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = flags.run_script(main, [str(argument) for argument in argv])
        return Outcome(code, out.getvalue(), err.getvalue())

    return call


@pytest.fixture(scope="session")
def python():
    """python("train.py", ...) or python("-c", code, ...) -> Outcome: a process of its own."""

    def python(*argv, cwd=ROOT, zoo=True, **environment) -> Outcome:
        path = {"PYTHONPATH": str(ROOT)} if zoo else {}
        inherited = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
        done = subprocess.run(
            [sys.executable, *map(str, argv)],
            capture_output=True,
            text=True,
            cwd=cwd,
            timeout=600,
            env={**inherited, **path, **environment},
        )
        return Outcome(done.returncode, done.stdout, done.stderr)

    return python


BLOCKED = """
import contextlib, importlib, importlib.abc, io, json, sys

class Blocked(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name in {"tensorflow", "keras", "tensorflow_probability", "tensorflow_datasets"}:
            raise ImportError(f"{name} was imported")

sys.meta_path.insert(0, Blocked())
script, lines = json.loads(sys.argv[1])
main = importlib.import_module(script).main
from cli import flags
for argv in lines:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = flags.run_script(main, argv)
        except BaseException as error:
            code = repr(error)
    print(json.dumps({"code": code, "out": out.getvalue(), "err": err.getvalue()}))
"""


@pytest.fixture(scope="session")
def without_tensorflow(python):
    """without_tensorflow("train", [argv, ...], cwd) -> Outcomes, of a process that cannot import
    TensorFlow, Keras and what builds on them.

    The code of a command line that would have imported one is the ImportError's text.
    """

    def without_tensorflow(script: str, lines, cwd) -> list[Outcome]:
        done = python("-c", BLOCKED, json.dumps([script, lines]), cwd=cwd)
        assert done.code == 0, done
        return [Outcome(**json.loads(line)) for line in done.out.splitlines()]

    return without_tensorflow


def bars(n: int, seed: int):
    """N gray images uint8 [28, 28] of a noisy bright bar at the position of the label."""
    random = np.random.default_rng(seed)
    labels = np.arange(n) % 10
    columns = np.arange(28)[None, None, :]
    bar = np.abs(columns - 3 - 2.4 * labels[:, None, None]) < 2
    noise = random.integers(0, 50, (n, 28, 28))
    return np.where(bar, 200 + noise, noise).astype(np.uint8), labels.astype(np.uint8)


@pytest.fixture(scope="session")
def cells():
    """cells(sheet, columns) -> the 28-pixel images uint8 [rows, columns, 28, 28, c] on a sheet that
    plotting.grid made, below and right of the labels.
    """

    def cells(sheet, columns: int, side=28, padding=2):
        scale = 64 // side
        size = side * scale
        step = size + padding
        rows = (sheet.shape[0] - padding) // step
        assert sheet.shape[1] >= padding + columns * step
        sheet = sheet[-padding - rows * step :, -padding - columns * step :]

        def cell(i, j):
            enlarged = sheet[padding + i * step :, padding + j * step :][:size, :size]
            return enlarged[::scale, ::scale]

        return np.array([[cell(i, j) for j in range(columns)] for i in range(rows)])

    return cells


@pytest.fixture(scope="session")
def digits(tmp_path_factory):
    """An .npz file of 200 labelled images for training and 40 for testing."""
    path = tmp_path_factory.mktemp("data") / "digits.npz"
    x_train, y_train = bars(200, seed=1)
    x_test, y_test = bars(40, seed=2)
    np.savez(path, x_train=x_train, y_train=y_train, x_test=x_test, y_test=y_test)
    return path


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """An empty cache that replaces the user's."""
    path = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GAN_ZOO_CACHE", str(path))
        yield path


@pytest.fixture(scope="session")
def tiny(digits):
    """The flags of a training whose step takes milliseconds; 12 steps are an epoch."""
    networks = ("--model=gan", "--width=8", "--depth=1")
    return (*networks, "--batch_size=16", f"--dataset={digits}")


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory, call, tiny):
    """A finished run of 6 steps, read-only.

    Attributes: path, argv, outcome, scalars, a dict per step, and works, the titles of the work
    about which there would be notes.
    """
    import waiting
    from training import callbacks

    path = tmp_path_factory.mktemp("runs") / "tiny"
    every = ("--checkpoint_every=2", "--keep_checkpoints=2", "--sample_every=4", "--log_every=3")
    argv = (*tiny, "--steps=6", "--seed=5", "--g_learning_rate=1e-3", *every, f"--outdir={path}")
    scalars, works = [], []
    add = waiting.Notes.add
    batch_end = callbacks.StepCallbacks.on_train_batch_end

    def recorded(steps, batch, logs):
        scalars.append({name: float(value) for name, value in logs.items()})
        batch_end(steps, batch, logs)

    def noted(notes, work):
        works.append(work.title)
        add(notes, work)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(waiting.Notes, "add", noted)
        patch.setattr(callbacks.StepCallbacks, "on_train_batch_end", recorded)
        outcome = call("train", *argv)
    assert outcome.code == 0, outcome
    return types.SimpleNamespace(
        path=path, argv=argv, outcome=outcome, scalars=scalars, works=works
    )


@pytest.fixture(scope="session")
def told_run(tmp_path_factory, call, tiny):
    """A finished run of a class-conditional model, read-only. Attributes: path."""
    path = tmp_path_factory.mktemp("runs") / "told"
    small = ("--network=mlp", "--width=4", "--depth=1", "--g_learning_rate=1e-2")
    argv = [word for word in tiny if not word.startswith(("--model", "--width", "--depth"))]
    argv += ["--model=cgan", *small, "--steps=6", "--sample_every=4", "--sample_planes"]
    outcome = call("train", *argv, f"--outdir={path}")
    assert outcome.code == 0, outcome
    return types.SimpleNamespace(path=path)


@pytest.fixture(scope="session")
def coded_run(tmp_path_factory, call, tiny):
    """A finished run of a model with a code of 4 categories and 2 continuous ones, read-only.

    Attributes: path, outcome.
    """
    path = tmp_path_factory.mktemp("runs") / "coded"
    small = ("--network=mlp", "--width=8", "--depth=1", "--q_units=4", "--noise_dim=4")
    argv = [word for word in tiny if not word.startswith(("--model", "--width", "--depth"))]
    argv += ["--model=infogan", *small, "--categorical_codes=4", "--initializer=he", "--steps=4"]
    outcome = call("train", *argv, f"--outdir={path}")
    assert outcome.code == 0, outcome
    return types.SimpleNamespace(path=path, outcome=outcome)


@pytest.fixture(scope="session")
def styled_run(tmp_path_factory, call, tiny):
    """A finished run of a model with styles, read-only. Attributes: path, outcome."""
    path = tmp_path_factory.mktemp("runs") / "styled"
    small = ("--width=2", "--noise_dim=4", "--w_dim=4", "--mapping_depth=1")
    argv = [word for word in tiny if not word.startswith(("--model", "--width", "--depth"))]
    argv += ["--model=stylegan", *small, "--steps=3", "--augment=ada", "--penalty=none"]
    outcome = call("train", *argv, f"--outdir={path}")
    assert outcome.code == 0, outcome
    return types.SimpleNamespace(path=path, outcome=outcome)


@pytest.fixture
def copied_run(tiny_run, tmp_path):
    """A copy of the tiny run that a test may change."""
    return pathlib.Path(shutil.copytree(tiny_run.path, tmp_path / "copied"))


@pytest.fixture(scope="session")
def checkpoint():
    """checkpoint(path of a ckpt-N) -> all variables in it, as name -> array."""

    def checkpoint(path) -> dict[str, np.ndarray]:
        import tensorflow as tf

        reader = tf.train.load_checkpoint(str(path))
        # save_counter counts the written files and is no result of training.
        names = [n for n in reader.get_variable_to_shape_map() if "VARIABLE_VALUE" in n]
        return {n: reader.get_tensor(n) for n in names if not n.startswith("save_counter")}

    return checkpoint


@pytest.fixture(scope="session")
def assert_same_bits():
    """assert_same_bits(a, b): two checkpoints' variables are the same, bit for bit."""

    def assert_same_bits(a: dict[str, np.ndarray], b: dict[str, np.ndarray]):
        assert a
        assert a.keys() == b.keys()
        different = [n for n in a if np.asarray(a[n]).tobytes() != np.asarray(b[n]).tobytes()]
        assert not different

    return assert_same_bits
