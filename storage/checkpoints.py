"""Checkpoints of variables; a resumed run continues bit for bit."""

import shutil
from pathlib import Path

import tensorflow as tf

from errors import UserError, warn

State = dict[str, list[tf.Variable] | dict[str, tf.Variable]]

# Errors of the machine, not of the checkpoint: an intact checkpoint must not be skipped.
TRANSIENT = (
    tf.errors.ResourceExhaustedError,
    tf.errors.PermissionDeniedError,
    tf.errors.UnavailableError,
)


class Checkpoints:
    """Checkpoints of a state in a directory, of which the last `keep` are kept.

    Args:
        state: name of a part -> its variables. Variables in a list are saved by position, those in
            a dictionary by name. The old layout of dictionaries, by position, can also be read.
        step: variable of the state, the number of steps and of the checkpoint.
        directory: path; created with the first checkpoint.
        keep: number of checkpoints to keep.
        complete: True if a checkpoint contains `state` only; False if it may contain more, such as
            the variables of optimizers.
    """

    def __init__(
        self,
        state: State,
        step: tf.Variable,
        directory: Path,
        keep: int = 3,
        complete: bool = True,
    ):
        self.state = state
        self.step = step
        self.directory = directory
        self.complete = complete
        self.checkpoint = checkpoint_of(state)
        try:
            self.manager = tf.train.CheckpointManager(self.checkpoint, str(directory), keep)
        except ValueError:  # the list of checkpoints is damaged; the next save writes a new one
            (directory / "checkpoint").unlink()
            self.manager = tf.train.CheckpointManager(self.checkpoint, str(directory), keep)

    def save(self) -> None:
        """Write a checkpoint of the current step; delete incomplete ones of killed processes."""
        for leftover in self.directory.glob("*_temp"):
            shutil.rmtree(leftover)
        self.manager.save(checkpoint_number=int(self.step))

    def found(self) -> list[str]:
        """Return the paths of listed or indexed checkpoints, the newest first."""
        paths = {Path(path) for path in self.manager.checkpoints}
        paths |= {path.with_suffix("") for path in self.directory.glob("ckpt-*.index")}
        newest = sorted(paths, key=lambda path: int(path.name.removeprefix("ckpt-")), reverse=True)
        return [str(path) for path in newest]

    def restore(self) -> int | None:
        """Restore the newest intact checkpoint.

        A damaged checkpoint is skipped with a warning.

        Returns:
            Its step, or None if there is no checkpoint.

        Raises:
            UserError: no checkpoint can be read, or a checkpoint belongs to another model.
        """
        paths = self.found()
        for path in paths:
            try:
                status = checkpoint_of(self.as_stored(path)).read(path)
                if self.complete:
                    status.assert_consumed()
                else:
                    status.assert_existing_objects_matched().expect_partial()
            except TRANSIENT:
                raise
            except (ValueError, AssertionError) as error:
                reason = str(error).splitlines()[0]
                raise UserError(f"{path}: checkpoint of another model ({reason})") from None
            except (tf.errors.OpError, IndexError) as error:
                reason = str(error).splitlines()[0]
                warn(f"{path} is damaged ({reason}); skipped")
                continue
            return int(self.step)
        if paths:
            raise UserError(
                f"{self.directory}: no checkpoint can be read. Move the directory away to start a "
                "new run"
            )
        return None

    def as_stored(self, path: str) -> State:
        """Return the state in the layout of a checkpoint."""
        names = tf.train.load_checkpoint(path).get_variable_to_shape_map()
        return {
            part: list(variables.values())
            if isinstance(variables, dict) and f"{part}/0/.ATTRIBUTES/VARIABLE_VALUE" in names
            else variables
            for part, variables in self.state.items()
        }


def checkpoint_of(state: State) -> tf.train.Checkpoint:
    """Return a tf.train.Checkpoint of a state, with its save counter created for reading."""
    checkpoint = tf.train.Checkpoint(**state)
    checkpoint.save_counter  # noqa: B018
    return checkpoint
