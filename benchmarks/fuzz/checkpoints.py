"""Fuzz of the checkpoints of a run directory: index, data, TensorFlow's list, further files."""

import functools
import tempfile
from pathlib import Path

from hypothesis import strategies as st

from benchmarks.fuzz.examples import FLIPS, IN_MEMORY, files, flipped, has_value_or_error, silent
from storage.checkpoint_files import LIST, files_of

STEPS = (3, 6)
IDENTITY = {"model": "gan"}


def state():
    """Return the variables of a small model, and the step."""
    import tensorflow as tf

    step = tf.Variable(0, dtype=tf.int64)
    return {"step": [step], "network": {"kernel": tf.Variable(tf.ones((4, 3)))}}, step


def checkpoints(folder: Path):
    """Return the checkpoints of a folder, of new variables."""
    from storage.checkpoints import Checkpoints

    variables, step = state()
    return Checkpoints(variables, step, folder, identity=IDENTITY)


@functools.cache
def whole() -> dict[str, bytes]:
    """Return the files of two checkpoints by name."""
    with tempfile.TemporaryDirectory(dir=IN_MEMORY) as folder:
        saved = checkpoints(Path(folder))
        for step in STEPS:
            saved.step.assign(step)
            saved.save({"means": {}})
        return files(Path(folder))


def runs() -> st.SearchStrategy[dict[str, bytes]]:
    """Return the files of a folder of checkpoints, some of which are damaged or missing."""
    whole()  # made once, before the examples
    return damaged_runs()


@st.composite
def damaged_runs(draw: st.DrawFn) -> dict[str, bytes]:
    """Return the files of the checkpoints with changes."""
    found = dict(whole())
    names = [file.name for step in STEPS for file in files_of(Path(), step)]
    for name in draw(st.lists(st.sampled_from(names), max_size=3)):
        content = found.get(name, b"")
        kind = draw(st.sampled_from(["flipped", "flipped", "cut", "deleted", "bytes", "other"]))
        found[name] = {
            "flipped": flipped(content, draw(FLIPS)),
            "cut": content[: len(content) * draw(st.integers(0, 63)) // 64],
            "deleted": b"",
            "bytes": draw(st.binary(min_size=1, max_size=80)),
            "other": whole()[draw(st.sampled_from(names))],
        }[kind]
    if draw(st.booleans()):
        found[LIST] = draw(
            st.sampled_from(
                [b"", b'model_checkpoint_path: "/etc/passwd"\n', b"\xff\0", b"x: {" * 1000,
                 b'model_checkpoint_path: "../../../x"\nall_model_checkpoint_paths: "/dev/zero"']
            )
        )  # fmt: skip
    more = ["ckpt-9.index", "ckpt-007.index", "ckpt-99999999999999999999.index", "ckpt-9_temp/x"]
    for name in draw(st.lists(st.sampled_from(more), max_size=2)):
        found[name] = draw(st.binary(max_size=20))
    return {name: content for name, content in found.items() if content or name == LIST}


def check_run(content: dict[str, bytes]) -> None:
    """Restore the newest checkpoint and that of a step; nothing may be written."""
    with silent(), tempfile.TemporaryDirectory(dir=IN_MEMORY) as place:
        folder = Path(place) / "checkpoints"
        for name, data in content.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(data)
        before = files(folder)
        for step in (None, *STEPS):
            restored = checkpoints(folder)
            notes = has_value_or_error(restored.restore, step)
            number = int(restored.step.numpy())
            assert number == 0 if notes is None else number in ([step] if step else STEPS)
        assert files(folder) == before
