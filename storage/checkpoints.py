"""Checkpoints of variables, from which a training resumes bit for bit."""

import shutil
import sys
from pathlib import Path

import tensorflow as tf

from errors import UserError

State = dict[str, list[tf.Variable] | dict[str, tf.Variable]]

# Faults of the machine, under which an intact checkpoint must not be skipped.
TRANSIENT = (
    tf.errors.ResourceExhaustedError,
    tf.errors.PermissionDeniedError,
    tf.errors.UnavailableError,
)


class Checkpoints:
    """The last checkpoints of a state in a directory.

    Args:
        state: name of a part -> its variables. Variables of a list are saved by position, those of
            a dictionary by name. Of the latter the old layout, by position in the order of the
            dictionary, can be read too.
        step: variable of the state that counts the steps; numbers the checkpoints.
        directory: created with the first checkpoint.
        keep: number of checkpoints that are kept.
        complete: `state` is all that a checkpoint contains; if False, a checkpoint may contain
            more, such as the variables of optimizers.
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
        """Write a checkpoint of the current step; remove what a killed process left unfinished."""
        for leftover in self.directory.glob("*_temp"):
            shutil.rmtree(leftover)
        self.manager.save(checkpoint_number=int(self.step))

    def found(self) -> list[str]:
        """Return the checkpoints' paths, the newest first: those listed or with an index."""
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
            UserError: no checkpoint can be read, or it is one of another model.
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
                print(f"warning: {path} is damaged ({reason}); skipped", file=sys.stderr)
                continue
            return int(self.step)
        if paths:
            raise UserError(
                f"{self.directory}: no checkpoint can be read. Move the directory away to start "
                "afresh"
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
    """Return a tf.train.Checkpoint of a state; its counter exists, so that a read finds it."""
    checkpoint = tf.train.Checkpoint(**state)
    checkpoint.save_counter  # noqa: B018
    return checkpoint
