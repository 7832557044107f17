"""Callbacks of a training: evaluation, log, pictures, checkpoints and the progress line.

`in_order` returns them in the order in which they must run.
"""

import math
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

import plotting
from evaluation.metric import logged_metric
from models.abilities import RECONSTRUCT
from models.base import GRADIENT_NORMS
from models.scalars import ScalarGroup, group_of
from storage.checkpoints import Checkpoints
from storage.run_directory import RunDirectory
from training.curves import POSITION, draw_curves
from training.pictures import plane_grid, reconstruction_grid

PLANE_SPANS = (1, 3)
LEARNING_RATES = ScalarGroup(title="learning rates", suffix="_learning_rate", order=70)
SPEED = ScalarGroup(title="images per second", names=("images_per_second",), order=100)


def in_order(
    *,
    gather: "Gather",
    measure: list,
    log: "Log",
    draw: "Pictures",
    save: "Saver",
    show: "Progress",
) -> list[keras.callbacks.Callback]:
    """Return the callbacks in the order in which they run after a step.

    The scalars are gathered and checked first. Evaluations precede the log, and the log precedes
    the pictures, because curves.png draws both. The checkpoint follows the log of its step.
    """
    return [gather, *measure, log, draw, save, show]


class DivergedError(Exception):
    """A loss or a weight is not a finite number; the message is one line."""

    def __init__(self, step: int, problem: str):
        super().__init__(
            f"step {step}: {problem}; earlier checkpoints are kept. Try a lower learning rate"
        )


class StepCallback(keras.callbacks.Callback):
    """Callback with `step`, the number of steps since the start of the run."""

    def on_train_begin(self, logs=None):
        self.step = int(self.model.step)
        self.begin()

    def on_train_batch_end(self, batch, logs=None):
        self.step += 1
        self.after_step(logs)

    def check_weights(self) -> None:
        """Raise DivergedError if a weight is not a finite number."""
        for name, player in self.model.players().items():
            if not all(tf.reduce_all(tf.math.is_finite(v.value)) for v in player.variables):
                raise DivergedError(self.step, f"weights of the {name} are not finite")

    def begin(self) -> None:
        """Run before the first step."""

    def after_step(self, scalars: dict[str, float]) -> None:
        """Run after each step with the scalars that it returned."""


class Log(StepCallback):
    """Means over `every` steps, in metrics.jsonl and TensorBoard.

    A record has step, epoch, kimg (thousands of real images seen), seconds (of training since the
    start of the run), images_per_second, each player's learning rate and the scalars of the step.
    """

    def __init__(self, run: RunDirectory, writer, every: int, batches):
        super().__init__()
        self.run, self.writer, self.every, self.batches = run, writer, every, batches
        self.window: list[dict[str, float]] = []
        self.busy = 0.0

    def begin(self):
        records = self.run.records()
        self.seconds = records[-1]["seconds"] if records else 0.0
        self.since = time.perf_counter()
        optimizers = self.model.optimizers.values()
        scaled = keras.optimizers.LossScaleOptimizer
        self.loss_scale = any(isinstance(optimizer, scaled) for optimizer in optimizers)

    def add(self, scalars: dict[str, float], seconds: float) -> None:
        """Add the scalars of a step, and the seconds that it took."""
        self.window.append(scalars)
        self.busy += seconds

    def after_step(self, scalars):
        if self.step % self.every == 0:
            self.flush(self.step)

    def may_overflow(self, name: str) -> bool:
        """Return whether a scalar is a gradient norm under a loss scale.

        Where gradients overflow, Keras skips the update and lowers the scale.
        """
        return self.loss_scale and GRADIENT_NORMS.label_of(name) is not None

    def mean(self, name: str) -> float:
        """Return the mean of a scalar over the window, without overflows."""
        values = [scalars[name] for scalars in self.window]
        if self.may_overflow(name):
            values = [value for value in values if math.isfinite(value)] or [0.0]
        return float(np.mean(values))

    def position(self, step: int) -> dict[str, float]:
        """Return step, epoch, kimg and seconds, the first entries of each record."""
        now = time.perf_counter()
        self.seconds += now - self.since
        self.since = now
        epoch = step / self.batches.steps_per_epoch
        kimg = step * self.batches.images_per_step / 1000
        return dict(zip(POSITION, (step, epoch, kimg, round(self.seconds, 3)), strict=True))

    def flush(self, step: int) -> None:
        """Write a record with the means since the last one, unless there was no step since."""
        if not self.window:
            return
        images = len(self.window) * self.batches.images_per_step
        rates = {
            name: float(optimizer.learning_rate)
            for name, optimizer in self.model.optimizers.items()
        }
        record = {
            **self.position(step),
            **SPEED.single(images / self.busy),
            **LEARNING_RATES.named(rates),
            **{name: self.mean(name) for name in self.window[0]},
        }
        self.run.log(record)
        with self.writer.as_default(step=step):
            for name, value in record.items():
                if name != "step":
                    tf.summary.scalar(name, value)
        self.window, self.busy = [], 0.0

    def on_train_end(self, logs=None):
        self.flush(self.step)


class Gather(StepCallback):
    """Pass the scalars of each step to the log, and check that they are finite.

    Raises:
        DivergedError: a scalar is not finite; the log is written up to this step.
    """

    def __init__(self, log: Log):
        super().__init__()
        self.log = log

    def on_train_batch_begin(self, batch, logs=None):
        self.started = time.perf_counter()

    def after_step(self, scalars):
        self.log.add(scalars, time.perf_counter() - self.started)
        for name, value in scalars.items():
            if not math.isfinite(value) and not self.log.may_overflow(name):
                self.log.flush(self.step)
                raise DivergedError(self.step, f"{name} is {value}")


class Pictures(StepCallback):
    """Grid of the same latents every `every` steps, and the curves of the log so far.

    After the last step there are no curves: they are drawn when the run is finished.

    Args:
        run: the run directory.
        writer: TensorBoard's summary writer.
        every: steps between two grids.
        total: last step of the run.
        real: uint8 images [n, h, w, c], drawn above their reconstructions if the model
            reconstructs images.
        planes: whether to draw the images over the plane of the first two latent dimensions.
    """

    def __init__(
        self,
        run: RunDirectory,
        writer,
        every: int,
        total: int,
        real: np.ndarray,
        planes: bool = False,
    ):
        super().__init__()
        self.run, self.writer, self.every, self.total = run, writer, every, total
        self.real, self.planes = real, planes

    def begin(self):
        if self.step == 0:
            self.draw()

    def after_step(self, scalars):
        if self.step % self.every == 0:
            self.draw()

    def on_train_end(self, logs=None):
        if self.step % self.every:
            self.draw()

    def draw(self) -> None:
        """Write the pictures to files and to TensorBoard, and update curves.png."""
        self.check_weights()
        latents, columns = self.model.picture_latents()
        grid = plotting.grid(self.model.generate(latents), columns)
        plotting.save_image(self.run.samples / f"step-{self.step:07}.png", grid)
        plotting.save_image(self.run.path / "samples.png", grid)
        pictures = {"samples": grid}
        if not self.model.lacks(RECONSTRUCT):
            picture = reconstruction_grid(self.model, self.real)
            plotting.save_image(self.run.reconstructions / f"step-{self.step:07}.png", picture)
            plotting.save_image(self.run.path / "reconstructions.png", picture)
            pictures["reconstructions"] = picture
        for span in PLANE_SPANS if self.planes else ():
            picture = plane_grid(self.model, self.model.draw_latents(1), span)
            plotting.save_image(self.run.planes / f"span-{span}-step-{self.step:07}.png", picture)
            plotting.save_image(self.run.path / f"plane-{span}.png", picture)
            pictures[f"plane {span}"] = picture
        with self.writer.as_default(step=self.step):
            for name, picture in pictures.items():
                tf.summary.image(name, picture[None])
        if self.step < self.total:
            draw_curves(self.run)


class Evaluator(StepCallback):
    """Evaluation every `every` steps and after the last one, in metrics.jsonl and TensorBoard.

    A run that is stopped before its last step is not evaluated when it stops.

    Args:
        run: the run directory.
        writer: TensorBoard's summary writer.
        log: log that returns the first entries of a record.
        every: steps between two evaluations.
        measure: function without arguments that returns values by their names in the log.
    """

    def __init__(self, run: RunDirectory, writer, log: Log, every: int, measure: Callable):
        super().__init__()
        self.run, self.writer, self.log = run, writer, log
        self.every, self.measure = every, measure

    def after_step(self, scalars):
        if self.step % self.every == 0:
            self.evaluate()

    def on_train_end(self, logs=None):
        if self.step % self.every and not self.model.stop_training:
            self.evaluate()

    def evaluate(self) -> None:
        """Evaluate and write a record."""
        self.check_weights()
        print("\n" * is_live(), end="")  # ends the progress line
        values = self.measure()
        if not values:
            return
        self.run.log({**self.log.position(self.step), **values})
        with self.writer.as_default(step=self.step):
            for name, value in values.items():
                tf.summary.scalar(name, value)
        found = "  ".join(f"{logged_metric(k) or k} {value:.4g}" for k, value in values.items())
        print(f"step {self.step}: {found}", flush=True)


class StopRequest:
    """Context in which SIGINT (Ctrl-C, a notebook's stop button) and SIGTERM request a stop.

    A second signal of the same kind has its usual effect.

    Attributes:
        received: the signal, or None.
    """

    received: signal.Signals | None = None

    def __enter__(self) -> "StopRequest":
        self.handlers = {}
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self.handlers[number] = signal.signal(number, self._take)
        return self

    def _take(self, number, frame) -> None:
        self.received = signal.Signals(number)
        signal.signal(number, self.handlers[number])
        os.write(2, b"stopping after this step; a second signal stops without a checkpoint\n")

    def __exit__(self, *_) -> None:
        for number, handler in self.handlers.items():
            signal.signal(number, handler)


class Saver(StepCallback):
    """Checkpoint every `every` steps, after the last one, and when a stop is requested."""

    def __init__(self, checkpoints: Checkpoints, log: Log, every: int, stop: StopRequest):
        super().__init__()
        self.checkpoints, self.log, self.every, self.stop = checkpoints, log, every, stop

    def begin(self):
        self.saved = self.step

    def after_step(self, scalars):
        if self.step % self.every == 0 or self.stop.received:
            self.save()
        if self.stop.received:
            self.model.stop_training = True

    def on_train_end(self, logs=None):
        self.save()

    def save(self) -> None:
        """Write the log and a checkpoint of this step, unless it is already saved."""
        if self.step > self.saved:
            self.log.flush(self.step)
            self.check_weights()
            self.checkpoints.save()
            self.saved = self.step


def is_live() -> bool:
    """Return whether a printed line can be updated: in a terminal or a notebook."""
    return sys.stdout.isatty() or "ipykernel" in sys.modules


class Progress(StepCallback):
    """Progress line, updated in a terminal or notebook; elsewhere a new line every 30 seconds."""

    def __init__(self, total: int, batches):
        super().__init__()
        self.total, self.batches = total, batches
        self.live = is_live()
        self.period = 0.5 if self.live else 30.0

    def begin(self):
        self.first, self.since = self.step, time.perf_counter()
        self.shown = self.since

    def after_step(self, scalars):
        now = time.perf_counter()
        if now - self.shown < self.period and self.step < self.total:
            return
        self.shown = now
        pace = (self.step - self.first) / (now - self.since)
        minutes, seconds = divmod(round((self.total - self.step) / pace), 60)
        epoch = math.ceil(self.step / self.batches.steps_per_epoch)
        losses = "  ".join(
            f"{name} {value:.3f}"
            for name, value in scalars.items()
            if (group := group_of(name)) and group.is_loss
        )
        line = (
            f"step {self.step}/{self.total}  epoch {epoch}  {losses}  "
            f"{pace * self.batches.images_per_step:,.0f} images/s  "
            f"{minutes // 60:02}:{minutes % 60:02}:{seconds:02} left"
        )
        if self.live:
            width = shutil.get_terminal_size().columns - 1
            print("\r" + line[:width].ljust(width), end="", flush=True)
        else:
            print(line, flush=True)

    def on_train_end(self, logs=None):
        if self.live:
            print()
