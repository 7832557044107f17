"""Fuzz of the flags of all scripts."""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

from hypothesis import strategies as st

import fields
from benchmarks.fuzz.examples import NUMBERS, has_value_or_error, silent
from cli import flags
from data import cache, cub
from evaluation.options import EvaluateOptions
from models import REGISTRY
from storage.run_directory import RunDirectory
from training import drawing, evaluating, options, studying
from training.classifier_training import ClassifierOptions
from training.drawing import GenerateOptions
from training.export import ExportOptions


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


def check_flags(line: tuple[str, list[str]]) -> None:
    """Parse a command line."""
    script, argv = line
    with silent():
        has_value_or_error(PARSERS[script], argv)
