"""Fuzz of the JSON files of runs and packages: records, configurations, status, evaluations."""

import contextlib
import copy
import functools
import hashlib
import json
import tempfile
import types
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

from hypothesis import strategies as st

import plotting
from benchmarks.fuzz.examples import (
    FLIPS,
    IN_MEMORY,
    JSON,
    NUMBERS,
    encoded,
    files,
    has_value_or_error,
    silent,
)
from evaluation import categories
from evaluation import record as evaluation_record
from evaluation.options import EvaluateOptions
from evaluation.reports import packages as package_reports
from evaluation.reports import tables
from storage import packages
from storage.checkpoint_files import files_of
from storage.files import write_json
from storage.paths import require_apart
from storage.run_directory import RunDirectory, parsed_record, without_nan
from training import curves, evaluating, options, resume
from training.publishing import published_record

FLAGFILE = Path(__file__).resolve().parents[2] / "configs" / "infogan_mnist.txt"
HERE = "<here>"  # the run directory in a path


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


@st.composite
def paths_in_configs(draw: st.DrawFn) -> tuple[dict, dict]:
    """Return options with paths, and entries of the description of the data, of a config.json.

    HERE in a path is a folder that has a folder `images`.
    """
    some = st.sampled_from(
        [HERE, f"{HERE}/images", f"{HERE}/images/a", f"{HERE}/gone", f"{HERE}/images/a/a.png",
         f"{HERE}/../..", "a.npz", "/dev/null", "/etc/passwd", "~nobody_/x", "~", "a\0b", "a\n\x1b",
         "\udcff", "x" * 300, "x" * 9999, "", " ", "MNIST", "mnist:1.0.0", "x/y", "//", "CIFAR10"]
    )  # fmt: skip
    names = ["dataset", "data_dir", "outdir", "copy_to"]
    given = draw(st.dictionaries(st.sampled_from(names), st.one_of(some, some, JSON), max_size=4))
    counts = st.one_of(st.sampled_from([0, 1, 2, 10, 60_000, -1, 2**70]), JSON)
    entries = st.sampled_from(["num_classes", "train_images", "rules", "classes"])
    return given, draw(st.dictionaries(entries, counts, max_size=2))


def check_paths(example: tuple[dict, dict]) -> None:
    """Compare the paths in a config.json with the folders that they name; no file is opened."""
    given, described = example
    with silent(), run_with("status.json", b"") as run:
        pictures = run.path / "images" / "a"
        pictures.mkdir(parents=True)
        (pictures / "a.png").write_bytes(b"x")
        saved = copy.deepcopy(saved_config())
        for name, value in given.items():
            here = value.replace(HERE, str(run.path)) if isinstance(value, str) else value
            saved["options"][name] = here
        saved["data"] |= described
        run.config.write_bytes(encoded(saved, ()))
        before = files(run.path)
        config = has_value_or_error(options.Config.of_run, run)
        data = has_value_or_error(run.read_data)
        if config and data:
            chosen = config.options
            for read in (
                lambda: evaluating.require_fitting_folder(config, data, run.label),
                lambda: evaluating.require_own_data_dir(chosen, run.label),
                lambda: evaluating.takes_dataset(run),
                lambda: require_apart(run.path / "generated", chosen.dataset, "run"),
                lambda: RunDirectory(chosen.outdir),
            ):
                has_value_or_error(read)
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
