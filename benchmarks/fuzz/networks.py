"""Fuzz of feature networks: classifiers in .npz files, and .keras files."""

import dataclasses
import functools
import io
import json
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from hypothesis import strategies as st

from benchmarks.fuzz.array_files import COMPRESSIONS, archive, array_header, arrays
from benchmarks.fuzz.examples import (
    FLIPS,
    IN_MEMORY,
    JSON,
    changed,
    encoded,
    files,
    flipped,
    has_value_or_error,
    paths_of,
    silent,
)
from benchmarks.fuzz.limits import TRAP
from data import ImageData, Split
from evaluation import features

SHAPE = (8, 8, 1)
VALUES = st.one_of(
    st.sampled_from([0, 1, 2, 3, 8, -1, 10**5, 10**9, 2**40, 10**30, 0.5, None, True, "a", [], {}]),
    st.sampled_from([[8, 8, 1], [8, 8, 3], [8, 8], ["8", 8, 1], [10**5, 10**5, 1], [0, 0, 1]]),
    JSON,
)
NAMES = st.sampled_from(
    ["Lambda", "__lambda__", "TFSMLayer", "Dense", "Conv2D", "Flatten", "Functional", "Sequential",
     "function", "module", TRAP, f"{TRAP}.Layer", "os.system", "builtins", "os", "keras",
     "keras.src", "keras.layers", "keras.saving", "keras.utils.get_file", "tensorflow", "exec",
     None]
)  # fmt: skip


@functools.cache
def classifier() -> dict[str, np.ndarray]:
    """Return the arrays of a small classifier."""
    from evaluation.features.classifier import Description, build

    described = dataclasses.asdict(Description("x", SHAPE, 2, 1, 0.5))
    weights = {f"weight_{k:02}": np.asarray(w) for k, w in enumerate(build(SHAPE, 2, 1).weights)}
    return {"description": np.array(json.dumps(described)), **weights}


def saved(array: np.ndarray) -> bytes:
    """Return an array as an .npy file."""
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def classifiers() -> st.SearchStrategy[bytes]:
    """Return .npz files of classifiers, most of them damaged."""
    classifier()  # made once, before the examples
    return damaged_classifiers()


@st.composite
def damaged_classifiers(draw: st.DrawFn) -> bytes:
    """Return the classifier with changes."""
    parts = dict(classifier())
    described = json.loads(str(parts["description"]))
    for path in draw(st.lists(st.sampled_from(list(paths_of(described))), max_size=2)):
        described = changed(described, [(path, draw(VALUES))])
    text = encoded(described, draw(FLIPS)).decode(errors="replace")
    contents = {"description": saved(np.array(text))}
    for name, array in list(parts.items())[1:]:
        contents[name] = saved(array)
    for name in draw(st.lists(st.sampled_from(list(contents)), max_size=2)):
        kind = draw(st.sampled_from(["deleted", "array", "shape", "type", "bytes", "huge"]))
        contents[name] = {
            "deleted": b"",
            "array": draw(arrays()),
            "shape": saved(np.zeros((3, 3, 1, 2), np.float32)),
            "type": saved(np.full(parts[name].shape, "x")),
            "bytes": b"x",
            "huge": array_header("<f4", "False", f"(3, 3, {2**16}, {2**16})"),
        }[kind]
    contents = {name: content for name, content in contents.items() if content}
    packed = archive(
        [(f"{name}.npy", content) for name, content in contents.items()],
        draw(st.sampled_from(COMPRESSIONS)),
    )
    return flipped(packed, draw(FLIPS)) if draw(st.integers(0, 5)) == 0 else packed


@functools.cache
def keras_file() -> dict[str, bytes]:
    """Return the members of a .keras file."""
    import zipfile

    import keras

    inputs = keras.Input(SHAPE)
    x = keras.layers.Conv2D(2, 3)(inputs)
    x = keras.layers.Flatten()(x)
    model = keras.Model(inputs, keras.layers.Dense(3)(x))
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "a.keras")
        model.save(path)
        with zipfile.ZipFile(path) as opened:
            return {name: opened.read(name) for name in opened.namelist()}


def keras_files() -> st.SearchStrategy[bytes]:
    """Return .keras files, most of them damaged."""
    keras_file()  # made once, before the examples
    return damaged_keras_files()


@st.composite
def damaged_keras_files(draw: st.DrawFn) -> bytes:
    """Return the .keras file with changes."""
    members = dict(keras_file())
    config = json.loads(members["config.json"])
    for path in draw(st.lists(st.sampled_from(list(paths_of(config))), max_size=3)):
        new = NAMES if path and path[-1] in ("class_name", "module", "registered_name") else VALUES
        config = changed(config, [(path, draw(new))])
    members["config.json"] = encoded(config, draw(FLIPS) if draw(st.integers(0, 4)) == 0 else ())
    for name in draw(st.lists(st.sampled_from(list(members)), max_size=1)):
        kind = draw(st.sampled_from(["deleted", "cut", "flipped", "bytes"]))
        content = members.pop(name)
        if kind != "deleted":
            members[name] = {
                "cut": content[: len(content) // 2],
                "flipped": flipped(content, draw(FLIPS)),
                "bytes": b"x",
            }[kind]
    if draw(st.integers(0, 9)) == 0:
        members[f"assets/../../{TRAP}.py"] = b"x"
    packed = archive(list(members.items()), draw(st.sampled_from(COMPRESSIONS)))
    return flipped(packed, draw(FLIPS)) if draw(st.integers(0, 9)) == 0 else packed


def check_network(content: bytes, ending: str) -> None:
    """Load a feature network, and compute features; nothing may be written."""
    images = np.zeros((2, *SHAPE), np.uint8)
    with silent(), tempfile.TemporaryDirectory(dir=IN_MEMORY) as folder:
        path = Path(folder) / f"a{ending}"
        path.write_bytes(content)

        def used() -> Sequence:
            network = features.load(str(path), ImageData("x", Split(images), None, (), "0" * 64))
            return network(images)

        has_value_or_error(used)
        assert files(Path(folder)) == {path.name: content}


def check_classifier(content: bytes) -> None:
    """Load a classifier."""
    check_network(content, ".npz")


def check_keras_file(content: bytes) -> None:
    """Load a .keras file."""
    check_network(content, ".keras")
