"""Checkpoints of variables; a resumed run continues bit for bit."""

import contextlib
import dataclasses
import errno
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from errors import UserError, warn
from storage.checkpoint_files import (
    DATA,
    FOLDER_OF_TENSORFLOW,
    INDEX,
    LIST,
    WRITTEN,
    delete,
    files_of,
    path_of,
    remains,
    require_checkpoint,
    steps_of,
)
from storage.files import make_durable, sweep, temporary, write_atomically

State = dict[str, list[tf.Variable] | dict[str, tf.Variable]]

# Errors of the machine, not of the checkpoint: an intact checkpoint must not be skipped.
TRANSIENT = (
    tf.errors.ResourceExhaustedError,
    tf.errors.PermissionDeniedError,
    tf.errors.UnavailableError,
)
DAMAGE = (tf.errors.OpError, IndexError, ValueError)
VALUE = "/.ATTRIBUTES/VARIABLE_VALUE"
NOTES = "notes/.ATTRIBUTES/py_state"
OF_TENSORFLOW = {NOTES, f"save_counter{VALUE}", "_CHECKPOINTABLE_OBJECT_GRAPH"}
IDENTITY = "identity"  # entry of the notes
EXPANDED = frozenset("*?[]\\")  # characters that TensorFlow expands in the path of a checkpoint


class ForeignError(Exception):
    """A checkpoint belongs to another run; the message says how it differs."""


class Notes(tf.train.experimental.PythonState):
    """JSON content of a checkpoint beside its variables."""

    def __init__(self, content: Mapping[str, Any]):
        self.content = dict(content)

    def serialize(self) -> str:
        return json.dumps(self.content)

    def deserialize(self, string_value: bytes) -> None:
        self.content = json.loads(string_value)


@dataclasses.dataclass(frozen=True)
class Stored:
    """Content of a checkpoint.

    Attributes:
        tensors: key -> array, of all variables.
        notes: JSON content beside the variables; empty in checkpoints of earlier versions.
    """

    tensors: dict[str, np.ndarray]
    notes: dict[str, Any]


class Checkpoints:
    """Checkpoints of a state in a directory: the last `keep`, and those kept for good.

    A checkpoint is written to a temporary folder, read back, made durable and renamed, its index
    last; only then are older ones deleted. It is complete if its index and its data exist.

    Args:
        state: name of a part -> its variables. Variables in a list are saved by position, those in
            a dictionary by name. The old layout of dictionaries, by position, can also be read.
        step: variable of the state, the number of steps and of the checkpoint.
        directory: path; created with the first checkpoint.
        identity: JSON values by name that a checkpoint shares with its run. One that contains
            another value of a name is not restored.
        keep: number of the newest checkpoints to keep.
        keep_every: checkpoints of multiples of this step are never deleted; None for no others.
        complete: True if a checkpoint contains `state` only; False if it may contain more, such as
            the variables of optimizers.
        optional: part of the state whose variables earlier versions may lack; such a variable keeps
            its initial value.
        derived: function of the step of a checkpoint that returns values by variable, such as
            "own/images", for those of the optional part that earlier versions lack.
    """

    def __init__(
        self,
        state: State,
        step: tf.Variable,
        directory: Path,
        *,
        identity: Mapping[str, Any] | None = None,
        keep: int = 3,
        keep_every: int | None = None,
        complete: bool = True,
        optional: str = "",
        derived: Callable[[int], Mapping[str, Any]] = lambda step: {},
    ):
        self.state = state
        self.step = step
        self.directory = Path(directory)
        self.identity = json.loads(json.dumps(dict(identity or {})))
        self.keep, self.keep_every = keep, keep_every
        self.complete = complete
        self.optional, self.derived = optional, derived

    def save(self, notes: Mapping[str, Any] | None = None) -> None:
        """Write a checkpoint of the current step; delete older ones and leftovers of kills.

        Args:
            notes: JSON values by name that `restore` returns.
        """
        step = int(self.step.numpy())
        content = Notes({**(notes or {}), IDENTITY: self.identity})
        with temporary(path_of(self.directory, step)) as folder:
            folder.mkdir()
            path = path_of(folder, step)
            try:
                tf.train.Checkpoint(**self.state, notes=content).write(str(path))
                read(path)
            except tf.errors.OutOfRangeError as error:  # for Keras, the end of the data
                raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), str(path)) from error
            index, data = files_of(folder, step)
            make_durable(index, data)
            (self.directory / index.name).unlink(missing_ok=True)
            for file in (data, index):
                os.replace(file, self.directory / file.name)
        make_durable(self.directory)
        self._delete_older(step)
        self._list(step)
        self.sweep()

    def found(self) -> list[int]:
        """Return the steps of the complete checkpoints, the newest first."""
        return steps_of(self.directory)

    def restore(self, step: int | None = None) -> dict[str, Any] | None:
        """Restore the newest intact checkpoint, or that of a step.

        A damaged checkpoint, or one of another run, is skipped with a warning that has the step of
        the one that is restored.

        Args:
            step: step of the checkpoint; None for the newest intact one.

        Returns:
            Its notes, or None if there is no checkpoint.

        Raises:
            UserError: no checkpoint can be read, or there is none of the step.
        """
        found = self.found()
        if step is not None:
            require_checkpoint(self.directory, step)
        reasons = []
        for candidate in found if step is None else [step]:
            path = path_of(self.directory, candidate)
            try:
                stored = read(path)
                values = self._values_in(stored, candidate)
            except ForeignError as error:
                reasons.append(f"{path} belongs to another run ({error})")
            except TRANSIENT:
                raise
            except DAMAGE as error:
                reasons.append(f"{path} is damaged ({str(error).splitlines()[0]})")
            else:
                for variable, value in values:
                    variable.assign(value)
                for reason in reasons:
                    warn(f"{reason}; skipped, the checkpoint of step {candidate} is used")
                return stored.notes
        if not reasons:
            return None
        if step is not None:
            others = [k for k in sorted(found) if k != step and is_intact(self.directory, k)]
            intact = ", ".join(map(str, others)) or "none"
            raise UserError(f"{reasons[0]}; other intact steps: {intact}", "step")
        for reason in reasons if len(reasons) > 1 else ():
            warn(f"{reason}; skipped")
        raise UserError(
            f"{reasons[-1]}: no checkpoint can be read. Move {self.directory.parent} away to start "
            "a new run"
        )

    def _values_in(self, stored: Stored, step: int) -> list[tuple[tf.Variable, np.ndarray]]:
        """Return the variables of the state with their values in the checkpoint of a step.

        Raises:
            ForeignError: the checkpoint belongs to another run.
        """
        there = stored.notes.get(IDENTITY, {})
        changed = [name for name in there if there[name] != self.identity.get(name, there[name])]
        if changed:
            name = changed[0]
            raise ForeignError(f"{name} is {there[name]} there, not {self.identity[name]}")
        expected = self._keys(stored.tensors)
        lacking = expected.keys() - stored.tensors.keys()
        initial = {key for key in lacking if self.optional and key.startswith(f"{self.optional}/")}
        if lacking - initial:
            raise ForeignError(f"it has no {min(lacking - initial).removesuffix(VALUE)}")
        if self.complete and (more := stored.tensors.keys() - expected.keys()):
            raise ForeignError(f"this run has no {min(more).removesuffix(VALUE)}")
        derived = {}
        for name, value in self.derived(step).items():
            part, _, own = name.partition("/")
            derived |= {k: value for k, v in expected.items() if v is self.state[part][own]}
        for key in sorted(initial - derived.keys()):
            warn(f"{self.directory}: no {key.removesuffix(VALUE)} in the checkpoint; initialised")
        tensors = derived | stored.tensors
        values = []
        for key, variable in expected.items():
            if key in tensors:
                value = np.asarray(tensors[key])
                if value.shape != tuple(variable.shape):
                    name, shape = key.removesuffix(VALUE), tuple(variable.shape)
                    raise ForeignError(f"{name} has the shape {value.shape} there, not {shape}")
                values.append((variable, value))
        return values

    def _keys(self, stored: Mapping[str, np.ndarray]) -> dict[str, tf.Variable]:
        """Return the variables of the state by their keys in a checkpoint."""
        keys = {}
        for part, variables in self.state.items():
            by_name = isinstance(variables, dict)
            if by_name and f"{part}/0{VALUE}" in stored:  # the old layout
                variables, by_name = list(variables.values()), False
            items = variables.items() if by_name else enumerate(variables)
            keys |= {f"{part}/{name}{VALUE}": variable for name, variable in items}
        return keys

    def _delete_older(self, step: int) -> None:
        """Delete the checkpoints before the last `keep` up to a step, the oldest first."""
        upto = [k for k in self.found() if k <= step]
        for old in reversed(upto[self.keep :]):
            if not self.keep_every or old % self.keep_every:
                delete(self.directory, old)

    def _list(self, newest: int) -> None:
        """Write TensorFlow's list of the checkpoints, for tf.train.latest_checkpoint.

        Args:
            newest: step of the checkpoint that was saved; those of later steps are damaged or of
                another run.
        """
        lines = [f'model_checkpoint_path: "{path_of(self.directory, newest).name}"']
        for step in reversed(self.found()):
            lines.append(f'all_model_checkpoint_paths: "{path_of(self.directory, step).name}"')
        write_atomically(self.directory / LIST, "\n".join(lines) + "\n")

    def sweep(self) -> None:
        """Delete the remains of checkpoints that are incomplete after a kill."""
        for folder in self.directory.glob("*_temp"):
            if FOLDER_OF_TENSORFLOW.fullmatch(folder.name):
                shutil.rmtree(folder, ignore_errors=True)
        sweep(self.directory, WRITTEN)
        for file in remains(self.directory):
            warn(f"{file}: file of an incomplete checkpoint; deleted")
            file.unlink()


def is_intact(directory: Path, step: int) -> bool:
    """Return whether the checkpoint of a step can be read; all checksums are compared."""
    try:
        read(path_of(directory, step))
    except TRANSIENT:
        raise
    except DAMAGE:
        return False
    return True


def read(path: Path) -> Stored:
    """Return the content of a checkpoint.

    Args:
        path: path without suffix.

    Raises:
        tf.errors.OpError, IndexError or ValueError: it is damaged.
    """
    with readable(path) as prefix:
        reader = tf.train.load_checkpoint(str(prefix))
        # All tensors are read, so that all checksums are compared.
        stored = {key: reader.get_tensor(key) for key in reader.get_variable_to_shape_map()}
    tensors = {key: stored[key] for key in sorted(stored.keys() - OF_TENSORFLOW)}
    notes = json.loads(stored[NOTES]) if NOTES in stored else {}
    if not isinstance(notes, dict) or not isinstance(notes.get(IDENTITY, {}), dict):
        raise ValueError("its notes are no object")
    return Stored(tensors, notes)


@contextlib.contextmanager
def readable(path: Path) -> Iterator[Path]:
    """Yield a path of a checkpoint that TensorFlow can read: it expands some characters."""
    if not EXPANDED & set(str(path)):
        yield path
        return
    with tempfile.TemporaryDirectory() as folder:
        for suffix in (INDEX, DATA):
            os.symlink(path.with_name(path.name + suffix).absolute(), f"{folder}/ckpt{suffix}")
        yield Path(folder) / "ckpt"
