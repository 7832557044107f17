"""Fuzz of the files and flags that the scripts read.

    python -m benchmarks.fuzz --examples=10000 --record=benchmarks/fuzz.json

Reads damaged and foreign config.json, status.json, metrics.jsonl and evaluation.json of a run,
descriptions and index.json of packages of weights, and lists of CUB-200-2011, and parses arbitrary
flags of every script. Each example must give a value or a UserError of one line with less than 500
characters, and an error must leave the run directory unchanged. Stops at the first other outcome
and prints the smallest example of it. Flags, with their defaults in brackets:
"""

import contextlib
import copy
import dataclasses
import functools
import hashlib
import json
import math
import os
import sys
import tempfile
import time
import types
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import hypothesis
from hypothesis import strategies as st
from PIL import Image

import fields
import plotting
from cli import flags
from data import cache, cub
from errors import UserError
from evaluation import categories
from evaluation import record as evaluation_record
from evaluation.options import EvaluateOptions
from evaluation.reports import packages as package_reports
from evaluation.reports import tables
from fields import field
from models import REGISTRY
from storage import packages
from storage.checkpoint_files import files_of
from storage.files import write_json
from storage.run_directory import RunDirectory, parsed_record, without_nan
from training import curves, drawing, evaluating, options, resume, studying
from training.classifier_training import ClassifierOptions
from training.drawing import GenerateOptions
from training.export import ExportOptions
from training.publishing import published_record

FLAGFILE = Path(__file__).resolve().parents[1] / "configs" / "infogan_mnist.txt"
LONGEST = 500  # characters of a message
IN_MEMORY = "/dev/shm" if os.path.isdir("/dev/shm") else None  # for speed
DELETED = "<deleted>"
RAW = {  # JSON that Python's encoder does not write
    "<deep>": "[" * 100_000 + "]" * 100_000,
    "<digits>": "1" * 5000,
    "<huge>": "1e999",
    "<surrogate>": '"\\ud800"',
    "<nul>": '"a\\u0000b"',
    "<lines>": '"a\\nb"',
}
CUB = {  # lists of an archive of one image
    "images.txt": b"1 1",
    "classes.txt": b"1 a",
    "image_class_labels.txt": b"1 1",
    "train_test_split.txt": b"1 1",
    "bounding_boxes.txt": b"1 2 2 5 5",
}


@dataclasses.dataclass(frozen=True)
class FuzzOptions:
    """Options of the fuzz."""

    examples: int = field(10_000, "examples of each strategy", group="fuzz", at_least=1)
    seed: int = field(0, "seed of the examples", group="fuzz", at_least=0)
    record: str = field("", "JSON file for the numbers; default: none", group="fuzz")


# Strategies


NUMBERS = st.one_of(
    st.integers(-5, 5),
    st.integers(),
    st.floats(),
    st.sampled_from([2**31, 2**63, -(2**63), 10**20, 1e308, math.nan, math.inf, True]),
)
TEXTS = st.one_of(
    st.text(max_size=8),
    st.sampled_from(["", "gan", "r1", "r1:5", "0", "off", "x" * 10_000, *RAW, DELETED]),
    st.sampled_from(["python train.py 'x", "python train.py --flagfile", "--flagfile=~nobody_/x"]),
)
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=6), inner, max_size=3)
    ),
    max_leaves=5,
)
FLIPS = st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), max_size=2)


def encoded(value: Any, flips: Sequence[tuple[int, int]], indent: int | None = 2) -> bytes:
    """Return a value as JSON, with raw JSON for its marks, and some bytes replaced."""
    text = json.dumps(value, indent=indent)
    for mark, raw in RAW.items():
        text = text.replace(f'"{mark}"', raw)
    content = bytearray(text.encode())
    for position, byte in flips:
        if content:
            content[position % len(content)] = byte
    return bytes(content)


def paths_of(value: Any, path: tuple = ()) -> Iterator[tuple]:
    """Yield the paths of all values in a JSON value."""
    yield path
    items = value.items() if isinstance(value, dict) else ()
    items = enumerate(value) if isinstance(value, list) else items
    for key, inner in items:
        yield from paths_of(inner, (*path, key))


def changed(value: Any, changes: Sequence[tuple[tuple, Any]]) -> Any:
    """Return a JSON value with some of its values replaced or deleted."""
    value = copy.deepcopy(value)
    for path, new in changes:
        if not path:
            value = new
            continue
        with contextlib.suppress(KeyError, IndexError, TypeError):
            inside = value
            for key in path[:-1]:
                inside = inside[key]
            if new == DELETED:
                del inside[path[-1]]
            else:
                inside[path[-1]] = new
    return value


@functools.cache
def configuration() -> options.Config:
    """Return the configuration of a run."""
    return options.parse([f"--flagfile={FLAGFILE}"])


@functools.cache
def saved_config() -> dict:
    """Return the content of the config.json of a run."""
    config = configuration()
    data = {"name": "MNIST", "fingerprint": "0" * 64, "image_shape": [28, 28, 1]}
    data |= {"num_classes": 10, "train_images": 60_000, "test_images": 10_000, "notes": []}
    data |= {"classes": {str(k): 6000 for k in range(10)}, "rules": 2}
    commands = [f"python train.py --flagfile={FLAGFILE}"]
    saved = {"commands": commands, **config.as_dict(), "data": data, "total_steps": 6}
    return json.loads(json.dumps({**saved, "environment": {"machine": "2 cores", "keras": "3"}}))


@functools.cache
def saved_evaluation() -> dict:
    """Return the content of the evaluation.json of a run."""
    about = {"fingerprint": "0" * 64, "checkpoint_step": 6, "features_sha256": "0" * 64}
    metrics = {
        "fid": {"value": 31.5, "protocol": {**about, "values": [30.5, 31.5, 40.0], "seeds": 3}},
        "slant": {"value": 0.5, "protocol": {**about, "code": 1, "spread": 0.25}},
        "nmi": {"value": None, "protocol": {**about, "reason": "no categorical code"}},
    }
    saved = {"name": "runs/x", "dataset": "MNIST", "seconds": {"samples": 1.5}, "metrics": metrics}
    return {**saved, evaluation_record.HASHES: dict.fromkeys(metrics, "abc")}


@functools.cache
def saved_package() -> dict:
    """Return the description of a package of weights."""
    trained = {
        "model": "infogan", "dataset": "MNIST", "flagfile": "", "seed": 0, "steps": 6, "kimg": 0.4,
        "wall_minutes": 1.5, "machine": "2 cores", "commit": "",
    }  # fmt: skip
    about = {"name": "a", "sha256": hashlib.sha256(b"x").hexdigest(), "bytes": 1, "licence": "MIT"}
    return {**saved_config(), **about, "trained": trained, "metrics": saved_evaluation()["metrics"]}


def damaged(saved: dict) -> st.SearchStrategy[bytes]:
    """Return contents of a JSON file: the saved one with some changes, or any bytes."""
    paths = st.sampled_from(list(paths_of(saved)))
    changes = st.lists(st.tuples(paths, JSON), max_size=3)
    mutated = st.builds(lambda c, flips: encoded(changed(saved, c), flips), changes, FLIPS)
    return st.one_of(mutated, mutated, mutated, st.binary(max_size=50))


def statuses() -> st.SearchStrategy[bytes]:
    """Return contents of status.json."""
    one = st.fixed_dictionaries({}, optional={"checkpoint": JSON, "finished": JSON})
    return st.one_of(st.builds(encoded, st.one_of(one, JSON), FLIPS), st.binary(max_size=50))


def logs() -> st.SearchStrategy[bytes]:
    """Return contents of metrics.jsonl: records, damaged ones, and any bytes."""
    steps = st.one_of(st.integers(-1, 30), JSON)
    names = st.one_of(st.sampled_from(["d_loss", "metric_fd_digits", "seconds"]), st.text())
    values = st.dictionaries(names, st.one_of(NUMBERS, st.none(), JSON), max_size=3)
    records = st.builds(lambda step, rest: {"step": step, **rest}, steps, values)
    record = st.builds(lambda r, flips: encoded(r, flips, None), records, FLIPS)
    line = st.one_of(record, record, st.binary(max_size=20), st.just(b""))
    return st.lists(line, max_size=6).map(b"\n".join)


def values_of(spec: dataclasses.Field) -> st.SearchStrategy[str]:
    """Return texts of a flag: valid and invalid ones."""
    valid = [fields.as_text(spec.default), *fields.names_of(spec)]
    some = st.sampled_from(
        ["", "-1", "0", "1", "1e5", "nan", "inf", "1e999", "9" * 20, "9" * 5000, "a:b:c", "r1:,:",
         "true", "~", "~nobody_/x", "a\0b", "a\nb", "\udc80", "x" * 9999, ",", "/", ".."]
    )  # fmt: skip
    return st.one_of(st.sampled_from(valid), some, st.text(max_size=10), NUMBERS.map(str))


def classes_of(script: str, model: str) -> tuple[type, ...]:
    """Return the option classes of a script."""
    return {
        "train": (options.RunOptions, REGISTRY[model].hyperparameters),
        "evaluate": (EvaluateOptions,),
        "generate": (GenerateOptions,),
        "study": studying.OPTIONS,
        "train_classifier": (ClassifierOptions,),
        "training.export": (ExportOptions,),
        "data.cub": (cub.CubOptions,),
        "data.cache": (cache.CacheOptions,),
    }[script]


def cub_lists() -> st.SearchStrategy[tuple[str, bytes]]:
    """Return the name of a list of CUB-200-2011 with arbitrary content."""
    words = st.lists(st.one_of(NUMBERS.map(str), st.text(max_size=4)), max_size=5)
    lines = st.lists(st.one_of(words.map(" ".join), st.just("1 1")), max_size=3).map("\n".join)
    content = st.one_of(
        lines.map(lambda text: text.encode(errors="replace")), st.binary(max_size=9)
    )
    return st.tuples(st.sampled_from(list(CUB)), content)


@st.composite
def command_lines(draw: st.DrawFn) -> tuple[str, list[str]]:
    """Return a script and a command line of it."""
    script = draw(st.sampled_from(["train", "train", *list(PARSERS)[1:]]))
    model = draw(st.sampled_from(list(REGISTRY)))
    specs = [spec for cls in classes_of(script, model) for spec in dataclasses.fields(cls)]
    argv = [f"--model={model}"] if script == "train" else []
    for spec in draw(st.lists(st.sampled_from(specs), max_size=4)):
        value = draw(values_of(spec))
        form = draw(st.sampled_from(["--{}={}", "--{}={}", "--{}={}", "-{}={}", "--no{}", "--{}"]))
        argv.append(form.format(spec.name, value))
    if draw(st.integers(0, 9)) == 0:
        argv.append(draw(st.one_of(st.text(max_size=8), st.text(max_size=8).map("--".__add__))))
    return script, argv


# Checks


def parse_train(argv: Sequence[str]) -> None:
    """Parse flags of train.py, and its paths."""
    config = options.parse(argv)
    RunDirectory(config.outdir)
    assert config.copy is None or config.options.copy_to


def parse_evaluate(argv: Sequence[str]) -> None:
    """Parse flags of evaluate.py, and find the runs."""
    evaluating.runs_of(EvaluateOptions(**flags.given(argv, EvaluateOptions)))


def parse_generate(argv: Sequence[str]) -> None:
    """Parse flags of generate.py."""
    drawing.parse(flags.given(argv, GenerateOptions))


def parse_study(argv: Sequence[str]) -> None:
    """Parse flags of study.py, and those of its flagfiles."""
    given = flags.given(argv, *studying.OPTIONS)
    own = {spec.name for spec in dataclasses.fields(studying.StudyOptions)} & set(given)
    studying.runs_of(studying.StudyOptions(**{name: given[name] for name in own}), Path("runs"))


def parse_train_classifier(argv: Sequence[str]) -> None:
    """Parse flags of train_classifier.py."""
    ClassifierOptions(**flags.given(argv, ClassifierOptions))


def parse_export(argv: Sequence[str]) -> None:
    """Parse flags of training.export."""
    ExportOptions(**flags.given(argv, ExportOptions))


def parse_cub(argv: Sequence[str]) -> None:
    """Parse flags of data.cub."""
    cub.CubOptions(**flags.given(argv, cub.CubOptions))


def parse_cache(argv: Sequence[str]) -> None:
    """Parse flags of data.cache."""
    cache.CacheOptions(**flags.given(argv, cache.CacheOptions))


PARSERS: dict[str, Callable[[Sequence[str]], None]] = {
    "train": parse_train,
    "evaluate": parse_evaluate,
    "generate": parse_generate,
    "study": parse_study,
    "train_classifier": parse_train_classifier,
    "training.export": parse_export,
    "data.cub": parse_cub,
    "data.cache": parse_cache,
}


def has_value_or_error(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function that may raise a UserError of one short line; return its value or None."""
    try:
        return function(*arguments)
    except UserError as error:
        message = str(error)
        assert len(message) < LONGEST, len(message)
        assert message.isprintable(), message
        return None


def files(folder: Path) -> dict[str, bytes]:
    """Return the files of a folder at any depth, with their content."""
    found = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


@contextlib.contextmanager
def run_with(name: str, content: bytes) -> Iterator[RunDirectory]:
    """Yield a run directory with a checkpoint by name, and with a file of this content."""
    with tempfile.TemporaryDirectory(dir=IN_MEMORY) as folder:
        run = RunDirectory(folder)
        run.checkpoints.mkdir()
        run.samples.mkdir()
        for file in files_of(run.checkpoints, 6):
            file.write_bytes(b"x")
        write_json(run.config, saved_config())
        run.set_status(checkpoint=6, finished=6)
        run.log({"step": 6, "kimg": 0.4, "seconds": 1.5})
        (run.path / name).write_bytes(content)
        yield run


@contextlib.contextmanager
def silent() -> Iterator[None]:
    """Context without warnings on stderr."""
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stderr(nowhere):
        yield


def check_config(content: bytes) -> None:
    """Read a config.json in all ways that need no model; nothing may be written."""
    from models.loading import declaration_of

    with silent(), run_with("config.json", content) as run:
        before = files(run.path)
        request = EvaluateOptions(run=str(run.path))
        here = configuration().with_options(outdir=str(run.path))
        for read in (
            run.read_config,
            run.read_data,
            lambda: options.Config.of_run(run).fixed(),
            lambda: run.parsed_config(declaration_of),
            lambda: resume.check(here, run),
            lambda: evaluating.runs_of(request),
            lambda: run.finished,
            lambda: resume.finished_step(here, run),
            lambda: published_record(run),
        ):
            has_value_or_error(read)
        assert files(run.path) == before
        if has_value_or_error(write_config, run) is None:
            assert files(run.path) == before


def write_config(run: RunDirectory) -> bool:
    """Write config.json of a resumed run; return True."""
    saved = saved_config()
    config = {name: saved[name] for name in ("options", "hyperparameters")}
    run.write_config(config, saved["data"], {}, "python train.py", 6)
    assert run.read_config()["commands"][-1] == "python train.py"
    return True


def check_status(content: bytes) -> None:
    """Read and change a status.json."""
    with silent(), run_with("status.json", content) as run:
        before = files(run.path)
        status = run.status()
        assert all(value is None or type(value) is int for value in status.values())
        has_value_or_error(lambda: run.finished)
        assert files(run.path) == before
        run.set_status(finished=6)
        assert run.finished
        assert run.status()["finished"] == 6


def check_log(content: bytes, draws: bool = False) -> None:
    """Read, draw and cut a metrics.jsonl."""
    with silent(), run_with("metrics.jsonl", content) as run:
        before = files(run.path)
        records = run.records()
        assert all(record["step"] >= 0 for record in records)
        assert files(run.path) == before
        with contextlib.nullcontext() if draws else mock.patch.object(plotting, "save_curves"):
            has_value_or_error(curves.draw_curves, run)
        run.forget_after(3)
        kept = [parsed_record(encoded(without_nan(r), (), None)) for r in records if r["step"] <= 3]
        assert repr(run.records()) == repr(kept)
        after = files(run.path)
        for line in after["metrics.jsonl"].splitlines():
            json.loads(line, parse_constant=lambda name: 1 / 0)  # NaN is no JSON
        assert after.keys() - {"curves.png"} == before.keys() | {"metrics.jsonl"}


def check_evaluation(content: bytes) -> None:
    """Read an evaluation.json as a later measurement of the run does; nothing may be written."""
    with silent(), run_with("evaluation.json", content) as run:
        before = files(run.path)
        new = {"fid": {"value": None, "protocol": {"reason": "no features"}}}
        protocol = {"checkpoint_step": 6}
        for names in (["fid"], ["fid", "slant", "nmi"]):
            measured = types.SimpleNamespace(name=str(run.path))
            if kept := evaluation_record.measured_before(measured, run.path, "abc", names):
                assert kept["metrics"].keys() == {*names}
                tables.tables([kept])
                tables.notes(kept)
        for line in categories.matching(evaluation_record.stored_metrics(run.path)):
            assert line.startswith(categories.CORNER_WITH_CLASSES)
        merged = evaluation_record.with_earlier({"metrics": new}, protocol, "abc", run.path)
        assert "fid" in merged["metrics"]
        json.dumps(merged)
        assert files(run.path) == before


def check_package(content: bytes) -> None:
    """Read the description of a package of weights in all ways that need no model."""
    with silent(), tempfile.TemporaryDirectory(dir=IN_MEMORY) as folder:
        description = Path(folder) / "a.json"
        description.write_bytes(content)
        description.with_suffix(".safetensors").write_bytes(b"x")
        package = packages.find(str(description))
        for read in (
            lambda: package_reports.packages_table([package]),
            lambda: package_reports.write_card(package),
            lambda: options.Config.of_run(package).fixed(),
            lambda: evaluating.runs_of(EvaluateOptions(pretrained=str(description))),
            package.read_tensors,
        ):
            has_value_or_error(read)
        assert description.read_bytes() == content


def check_index(content: bytes) -> None:
    """Read the index of a folder of packages."""
    with tempfile.TemporaryDirectory(dir=IN_MEMORY) as folder:
        (Path(folder) / packages.INDEX).write_bytes(content)
        found = has_value_or_error(packages.index, Path(folder)) or {}
        assert all(packages.NAME.fullmatch(name) for name in found)


def check_cub(example: tuple[str, bytes]) -> None:
    """Convert a folder of CUB-200-2011 with one image, of which one list is replaced."""
    name, content = example
    with tempfile.TemporaryDirectory(dir=IN_MEMORY) as folder:
        (Path(folder) / "images").mkdir()
        Image.new("RGB", (9, 9)).save(Path(folder) / "images" / "1", "PNG")
        for one, text in {**CUB, name: content}.items():
            (Path(folder) / one).write_bytes(text)
        to = Path(folder) / "birds.npz"
        written = has_value_or_error(cub.convert, cub.CubOptions(folder=folder, to=str(to)))
        assert to.exists() == bool(written)


def check_flags(line: tuple[str, list[str]]) -> None:
    """Parse a command line."""
    script, argv = line
    with silent():
        has_value_or_error(PARSERS[script], argv)


STRATEGIES: dict[str, tuple[Callable, Callable[[], st.SearchStrategy]]] = {
    "config.json": (check_config, lambda: damaged(saved_config())),
    "status.json": (check_status, statuses),
    "metrics.jsonl": (check_log, logs),
    "evaluation.json": (check_evaluation, lambda: damaged(saved_evaluation())),
    "package": (check_package, lambda: damaged(saved_package())),
    "index.json": (check_index, lambda: damaged({"a": {"sha256": "0" * 64, "bytes": 1}})),
    "lists of CUB-200-2011": (check_cub, cub_lists),
    "flags": (check_flags, command_lines),
}


def run_examples(name: str, count: int, seed: int | None = None) -> None:
    """Check examples of a strategy; raise the error of the smallest example that fails.

    Args:
        name: one of STRATEGIES.
        count: number of examples.
        seed: seed of the examples; None for the fixed ones.
    """
    check, strategy = STRATEGIES[name]
    fuzzed = hypothesis.given(strategy())(lambda example: check(example))
    fuzzed = hypothesis.settings(
        max_examples=count,
        database=None,
        deadline=None,
        derandomize=seed is None,
        suppress_health_check=list(hypothesis.HealthCheck),
    )(fuzzed)
    (fuzzed if seed is None else hypothesis.seed(seed)(fuzzed))()


def main(argv: Sequence[str]) -> int:
    """Run the command line `argv`; return the exit code."""
    if flags.wants_help(argv):
        print(f"{__doc__.strip()}\n\n{flags.describe(FuzzOptions)}")
        return 0
    request = FuzzOptions(**flags.given(argv, FuzzOptions))
    record = {"examples": request.examples, "seed": request.seed, "strategies": {}}
    for name in STRATEGIES:
        start = time.perf_counter()
        run_examples(name, request.examples, request.seed)
        seconds = round(time.perf_counter() - start)
        record["strategies"][name] = {"seconds": seconds, "faults": 0}
        print(f"{name}: {request.examples:,} examples, {seconds} s, no fault", flush=True)
    if request.record:
        write_json(request.record, record)
    return 0


if __name__ == "__main__":
    sys.exit(flags.run_script(main))
