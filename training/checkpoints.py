"""Checkpoints from which a run goes on to the bit."""

import shutil
import sys
from pathlib import Path

import tensorflow as tf

from errors import UserError
from models.base import GenerativeModel

# Faults of the machine, under which a good checkpoint must not be passed over.
TRANSIENT = (
    tf.errors.ResourceExhaustedError,
    tf.errors.PermissionDeniedError,
    tf.errors.UnavailableError,
)


class Checkpoints:
    """The last checkpoints of a compiled model in a folder.

    Args:
        model: compiled, or not compiled if it is only to be looked at.
        directory: made when the first checkpoint is written.
        keep: how many of the last ones are kept.
    """

    def __init__(self, model: GenerativeModel, directory: Path, keep: int = 3):
        self.model = model
        self.directory = directory
        self.checkpoint = tf.train.Checkpoint(**model.state())
        self.checkpoint.save_counter  # noqa: B018  made now, so that a restore finds it
        try:
            self.manager = tf.train.CheckpointManager(self.checkpoint, str(directory), keep)
        except ValueError:  # the list of checkpoints is damaged; the next one makes it anew
            (directory / "checkpoint").unlink()
            self.manager = tf.train.CheckpointManager(self.checkpoint, str(directory), keep)

    def save(self) -> None:
        """Writes a checkpoint of the current step; what a kill left half-written is swept."""
        for leftover in self.directory.glob("*_temp"):
            shutil.rmtree(leftover)
        self.manager.save(checkpoint_number=int(self.model.step))

    def found(self) -> list[str]:
        """The checkpoints' paths, the newest first: those that are listed or have an index."""
        paths = {Path(path) for path in self.manager.checkpoints}
        paths |= {path.with_suffix("") for path in self.directory.glob("ckpt-*.index")}
        newest = sorted(paths, key=lambda path: int(path.name.removeprefix("ckpt-")), reverse=True)
        return [str(path) for path in newest]

    def restore(self) -> int | None:
        """Restores the newest checkpoint that is whole, and says its step; None without any.

        A damaged one is passed over with a warning.

        Raises:
            UserError: there are checkpoints, and none can be read; or they are of another model.
        """
        paths = self.found()
        for path in paths:
            try:
                status = self.checkpoint.read(path)
                if self.model.compiled:
                    status.assert_consumed()
                else:
                    status.assert_existing_objects_matched().expect_partial()
            except TRANSIENT:
                raise
            except (ValueError, AssertionError) as error:
                reason = str(error).splitlines()[0]
                raise UserError(f"{path}: it is of another model than this ({reason})") from None
            except (tf.errors.OpError, IndexError) as error:
                reason = str(error).splitlines()[0]
                print(f"warning: {path} is damaged ({reason}): passed over", file=sys.stderr)
                continue
            return int(self.model.step)
        if paths:
            raise UserError(
                f"{self.directory}: no checkpoint there can be read; move the folder away to start "
                "afresh"
            )
        return None
