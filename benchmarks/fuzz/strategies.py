"""Strategies of the fuzz by name, and runs of their examples."""

import dataclasses
import importlib
from collections.abc import Callable

import hypothesis
from hypothesis import strategies as st

from benchmarks.fuzz import (
    array_files,
    checkpoints,
    command_lines,
    cub_lists,
    image_folders,
    networks,
    prepared_sets,
    run_files,
)
from benchmarks.fuzz.examples import damaged
from benchmarks.fuzz.limits import memory_limit, trap

PART = 40
KERAS = ("tensorflow", "keras", "storage.checkpoints")
TFDS = ("tensorflow", "tensorflow_datasets")


@dataclasses.dataclass(frozen=True)
class Strategy:
    """Examples and their check.

    Attributes:
        check: function of an example that raises an error if there is a fault.
        examples: function that returns the strategy of hypothesis.
        modules: slow modules that are imported before the memory is measured. Such strategies run
            one in PART of the examples of the others.
    """

    check: Callable
    examples: Callable[[], st.SearchStrategy]
    modules: tuple[str, ...] = ()

    def share(self, count: int) -> int:
        """Return the number of examples for a number of those of the quick strategies."""
        return -(-count // PART) if self.modules else count


STRATEGIES = {
    "config.json": Strategy(run_files.check_config, lambda: damaged(run_files.saved_config())),
    "paths in config.json": Strategy(run_files.check_paths, run_files.paths_in_configs),
    "status.json": Strategy(run_files.check_status, run_files.statuses),
    "metrics.jsonl": Strategy(run_files.check_log, run_files.logs),
    "evaluation.json": Strategy(
        run_files.check_evaluation, lambda: damaged(run_files.saved_evaluation())
    ),
    "package": Strategy(run_files.check_package, lambda: damaged(run_files.saved_package())),
    "index.json": Strategy(
        run_files.check_index, lambda: damaged({"a": {"sha256": "0" * 64, "bytes": 1}})
    ),
    "lists of CUB-200-2011": Strategy(cub_lists.check_cub, cub_lists.cub_lists),
    "flags": Strategy(command_lines.check_flags, command_lines.command_lines),
    "folders of images": Strategy(image_folders.check_folder, image_folders.folders),
    ".npz data sets": Strategy(array_files.check_data_set, array_files.data_sets),
    "sets of TensorFlow Datasets": Strategy(prepared_sets.check_set, prepared_sets.sets, TFDS),
    "classifiers": Strategy(networks.check_classifier, networks.classifiers, KERAS),
    ".keras files": Strategy(networks.check_keras_file, networks.keras_files, KERAS),
    "checkpoints": Strategy(checkpoints.check_run, checkpoints.runs, KERAS),
}


def run_examples(name: str, count: int, seed: int | None = None) -> int | None:
    """Check examples of a strategy; raise the error of the smallest example that fails.

    Args:
        name: one of STRATEGIES.
        count: number of examples.
        seed: seed of the examples; None for the fixed ones.

    Returns:
        The most memory that an example has added to that at its start in bytes; None where it is
        unknown.
    """
    strategy = STRATEGIES[name]
    for module in strategy.modules:
        importlib.import_module(module)
    peaks = []
    with trap() as executed:

        def check(example):
            with memory_limit() as memory:
                strategy.check(example)
            assert not executed.exists(), "code was executed"
            if memory.peak is not None:
                peaks.append(memory.peak)

        fuzzed = hypothesis.given(strategy.examples())(check)
        fuzzed = hypothesis.settings(
            max_examples=count,
            database=None,
            deadline=None,
            derandomize=seed is None,
            suppress_health_check=list(hypothesis.HealthCheck),
        )(fuzzed)
        (fuzzed if seed is None else hypothesis.seed(seed)(fuzzed))()
    return max(peaks, default=None)
