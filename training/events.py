"""TensorBoard's summaries of a run."""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary

from cli.failures import first_line
from errors import warn
from evaluation.metric import LOGGED, logged_metric
from models.scalars import group_of

SAMPLES = "Samples"  # folder of pictures; TensorBoard sorts capitals first
METRICS = LOGGED.removesuffix("_")  # folder of metrics
GROUPED = ".grouped"  # suffix of event files whose tags have folders
OTHERS = "other"  # folder of scalars without a declared group
EVALUATION = "evaluation"  # folder of what evaluate.py measures and draws, in the run and in tags


def tag_of(name: str) -> str:
    """Return the tag of a logged scalar: the folder of its group, and its name in the folder."""
    if metric := logged_metric(name):
        return f"{METRICS}/{metric}"
    group = group_of(name)
    return group.tag(name) if group else f"{OTHERS}/{name}"


class Events:
    """Summaries in an event file; a context manager that closes it.

    If the file cannot be written, there is one warning, and the training goes on without it.

    Args:
        directory: folder of the event file.
        start: step from which the training resumes; TensorBoard forgets what earlier event files
            have of this step and of later ones. None: it forgets nothing.
        suffix: last part of the name of the event file.
    """

    def __init__(self, directory: Path, start: int | None, suffix: str = GROUPED):
        self.directory, self.start, self.suffix = directory, start, suffix
        self.writer = None

    def __enter__(self) -> "Events":
        with self._tolerant():
            directory = str(self.directory)
            self.writer = tf.summary.create_file_writer(directory, filename_suffix=self.suffix)
            if self.start is not None:
                self._forget_from(self.start)
        return self

    def __exit__(self, *_) -> None:
        with self._tolerant():
            if self.writer:
                self.writer.close()

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Write logged scalars by name."""
        self._scalars(step, {tag_of(name): value for name, value in values.items()})

    def evaluation(
        self, step: int, metrics: Mapping[str, float], pictures: Mapping[str, np.ndarray]
    ) -> None:
        """Write the metrics and pictures of evaluate.py by name."""
        self._scalars(step, {f"{EVALUATION}/{name}": value for name, value in metrics.items()})
        self.images(step, pictures, folder=EVALUATION)

    def images(self, step: int, pictures: Mapping[str, np.ndarray], folder: str = SAMPLES) -> None:
        """Write pictures, uint8 [H, W, c], by name in a folder."""
        batches = {f"{folder}/{name}": picture[None] for name, picture in pictures.items()}
        self._write(step, tf.summary.image, batches)

    def text(self, step: int, name: str, text: str) -> None:
        """Write a text in Markdown."""
        self._write(step, tf.summary.text, {name: text})

    def hparams(self, step: int, summaries: Iterable[Summary]) -> None:
        """Write summaries of `training.hparams`."""
        raw = {value.tag: s.SerializeToString() for s in summaries for value in s.value}
        self._write(step, lambda _, content: tf.summary.experimental.write_raw_pb(content), raw)

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

    def _scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Write scalars by tag, as arrays: TensorFlow keeps each Python number for ever."""
        arrays = {tag: np.array(value, np.float32) for tag, value in values.items()}
        self._write(step, tf.summary.scalar, arrays)

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
