"""TensorBoard's summaries of a run."""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tensorboard.compat.proto.event_pb2 import Event, SessionLog

from cli.failures import first_line
from errors import warn


class Events:
    """Summaries in an event file; a context manager that closes it.

    If the file cannot be written, there is one warning, and the training goes on without it.

    Args:
        directory: folder of the event file.
        start: step from which the training resumes; TensorBoard forgets what earlier event files
            have of this step and of later ones.
    """

    def __init__(self, directory: Path, start: int):
        self.directory, self.start = directory, start
        self.writer = None

    def __enter__(self) -> "Events":
        with self._tolerant():
            self.writer = tf.summary.create_file_writer(str(self.directory))
            self._forget_from(self.start)
        return self

    def __exit__(self, *_) -> None:
        with self._tolerant():
            if self.writer:
                self.writer.close()

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Write scalars by name, as arrays: TensorFlow keeps each Python number for ever."""
        arrays = {name: np.array(value, np.float32) for name, value in values.items()}
        self._write(step, tf.summary.scalar, arrays)

    def images(self, step: int, pictures: Mapping[str, np.ndarray]) -> None:
        """Write pictures, uint8 [H, W, c], by name."""
        self._write(step, tf.summary.image, {k: picture[None] for k, picture in pictures.items()})

    def text(self, step: int, name: str, text: str) -> None:
        """Write a text in Markdown."""
        self._write(step, tf.summary.text, {name: text})

    def flush(self) -> None:
        """Write everything to the file."""
        with self._tolerant():
            if self.writer:
                self.writer.flush()

    def _forget_from(self, step: int) -> None:
        """Let TensorBoard forget the summaries from a step on, of earlier event files.

        It takes the first SessionLog.START for the start of the run, and each later one for a
        restart.
        """
        event = Event(step=step, session_log=SessionLog(status=SessionLog.START))
        for _ in range(2):
            tf.raw_ops.ImportEvent(writer=self.writer._resource, event=event.SerializeToString())

    def _write(self, step: int, write: Callable[[str, Any], Any], values: Mapping) -> None:
        """Write values by name. A writer that failed stays TensorFlow's default one, not used."""
        if not self.writer:
            return
        with self._tolerant(), self.writer.as_default(step=np.array(step)):
            for name, value in values.items():
                write(name, value)

    @contextlib.contextmanager
    def _tolerant(self) -> Iterator[None]:
        try:
            yield
        except (tf.errors.OpError, OSError) as error:
            warn(f"{self.directory}: TensorBoard's summaries end here ({first_line(error)})")
            self.writer = None
