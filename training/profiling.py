"""TensorBoard's profile of some steps of a training."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import tensorflow as tf

from cli.failures import first_line
from errors import warn
from training.callbacks import Log, StepCallback
from waiting import is_live


class Profiler(StepCallback):
    """Profile of a range of steps, in plugins/profile/ of the run directory.

    A resumed training profiles those steps of the range that it trains. With `steps_per_execution`
    the profile has all steps of the executions that contain the range. If it cannot be written,
    there is one warning.

    Args:
        folder: the run directory.
        steps: first and last step; None: no profile.
        log: log whose clock stops while the profile starts and ends.
    """

    def __init__(self, folder: Path, steps: tuple[int, int] | None, log: Log):
        super().__init__()
        self.folder, self.log = folder, log
        self.first, self.last = steps or (0, 0)
        self.began, self.trace = None, contextlib.ExitStack()

    def on_train_batch_begin(self, batch, logs=None):
        if self.step >= self.last:
            return
        if self.began is None and self.step + self.model.steps_per_execution >= self.first:
            self.log.pause()
            self.began = self.step + 1
            with self._tolerant():
                tf.profiler.experimental.start(str(self.folder))
        if self.began:
            marker = tf.profiler.experimental.Trace("train", step_num=self.step + 1, _r=1)
            self.trace.enter_context(marker)

    def after_step(self):
        self.trace.close()
        if self.began and self.step >= self.last:
            self.end()

    def on_train_end(self, logs=None):
        self.end()

    def end(self) -> None:
        """Write the profile if one has begun."""
        if not self.began:
            return
        self.log.pause()
        began, self.began, self.last = self.began, None, 0
        with self._tolerant():
            tf.profiler.experimental.stop()
            print(
                "\n" * is_live()
                + f"profile of steps {began} to {self.step}: {self.folder}/plugins",
                flush=True,
            )

    @contextlib.contextmanager
    def _tolerant(self) -> Iterator[None]:
        try:
            yield
        except (tf.errors.OpError, OSError) as error:
            warn(f"{self.folder}: no profile is written ({first_line(error)})")
            self.began, self.last = None, 0
