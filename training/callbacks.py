"""What happens beside the steps of a training: logs, pictures, checkpoints, a line of progress."""

import math
import os
import re
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
from evaluation.reports.comparison import is_logarithmic
from models.abilities import RECONSTRUCT
from storage.checkpoints import Checkpoints
from storage.run_directory import RunDirectory
from training.pictures import plane_grid, reconstruction_grid

PLANE_SPANS = (1, 3)


class DivergedError(Exception):
    """A loss or a weight is not a finite number; the message is one line."""

    def __init__(self, step: int, what: str):
        super().__init__(
            f"step {step}: {what}; the checkpoints before it are kept. Try a lower learning rate"
        )


class StepCallback(keras.callbacks.Callback):
    """A callback that knows the model's step: how many steps were done since the run began."""

    def on_train_begin(self, logs=None):
        self.step = int(self.model.step)
        self.begin()

    def on_train_batch_end(self, batch, logs=None):
        self.step += 1
        self.after_step(logs)

    def check_weights(self) -> None:
        """Raises DivergedError if the step has left a weight that is not a finite number."""
        for name, player in self.model.players().items():
            if not all(tf.reduce_all(tf.math.is_finite(v.value)) for v in player.variables):
                raise DivergedError(self.step, f"weights of the {name} are not finite")

    def begin(self) -> None:
        """Runs before the first step."""

    def after_step(self, scalars: dict[str, float]) -> None:
        """Runs after each step with what it returned."""


class Log(StepCallback):
    """Means over `every` steps into metrics.jsonl and TensorBoard, and the curves of all of them.

    A line holds step, epoch, kimg (thousands of real images shown), seconds (of training since the
    run began), images_per_second, each player's learning rate and the step's scalars.

    Raises:
        DivergedError: a loss is not finite.
    """

    def __init__(self, run: RunDirectory, writer, every: int, batches):
        super().__init__()
        self.run, self.writer, self.every, self.batches = run, writer, every, batches
        self.window: list[dict[str, float]] = []

    def begin(self):
        records = self.run.records()
        self.seconds = records[-1]["seconds"] if records else 0.0
        self.since = time.perf_counter()
        self.busy = 0.0
        optimizers = self.model.optimizers.values()
        self.loss_scale = any(hasattr(optimizer, "dynamic_scale") for optimizer in optimizers)

    def on_train_batch_begin(self, batch, logs=None):
        self.started = time.perf_counter()

    def after_step(self, scalars):
        self.busy += time.perf_counter() - self.started
        self.window.append(scalars)
        for name, value in scalars.items():
            if not math.isfinite(value) and not self.may_overflow(name):
                self.flush()
                raise DivergedError(self.step, f"{name} is {value}")
        if self.step % self.every == 0:
            self.flush()

    def may_overflow(self, name: str) -> bool:
        """Whether a scalar is a norm of gradients under a loss scale: where they overflow, Keras
        does not apply them, and lowers the scale."""
        return self.loss_scale and name.endswith("_gradient_norm")

    def mean(self, name: str) -> float:
        """The mean of a scalar over the window, less what has overflowed."""
        values = [scalars[name] for scalars in self.window]
        if self.may_overflow(name):
            values = [value for value in values if math.isfinite(value)] or [0.0]
        return float(np.mean(values))

    def place(self) -> dict[str, float]:
        """Where the training is: what each record of the log begins with."""
        now = time.perf_counter()
        self.seconds += now - self.since
        self.since = now
        return {
            "step": self.step,
            "epoch": self.step / self.batches.steps_per_epoch,
            "kimg": self.step * self.batches.images_per_step / 1000,
            "seconds": round(self.seconds, 3),
        }

    def flush(self) -> None:
        """Writes the mean of the steps since the last line, if there were any."""
        if not self.window:
            return
        images = len(self.window) * self.batches.images_per_step
        rates = {
            f"{name}_learning_rate": float(optimizer.learning_rate)
            for name, optimizer in self.model.optimizers.items()
        }
        record = {
            **self.place(),
            "images_per_second": images / self.busy,
            **rates,
            **{name: self.mean(name) for name in self.window[0]},
        }
        self.run.log(record)
        with self.writer.as_default(step=self.step):
            for name, value in record.items():
                if name != "step":
                    tf.summary.scalar(name, value)
        self.window, self.busy = [], 0.0

    def on_train_end(self, logs=None):
        self.flush()


class Pictures(StepCallback):
    """A grid of the same latents every so many steps, and the curves of the log so far.

    Args:
        real: uint8 images [n, h, w, c], drawn above their reconstructions if the model makes any.
        planes: draw the images over the plane of the first two latent dimensions, too.
    """

    def __init__(
        self, run: RunDirectory, writer, every: int, real: np.ndarray, planes: bool = False
    ):
        super().__init__()
        self.run, self.writer, self.every = run, writer, every
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
        """Writes the pictures and the curves so far; the pictures into TensorBoard too."""
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
        draw_curves(self.run)


class Evaluator(StepCallback):
    """What is measured every so many steps, and at the end of a training that is not stopped, into
    metrics.jsonl, TensorBoard and the curves.

    Args:
        measure: () -> name in the log -> value.
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
        self.check_weights()
        print("\n" * is_live(), end="")  # else what is told goes on with the line of progress
        values = self.measure()
        self.run.log({**self.log.place(), **values})
        with self.writer.as_default(step=self.step):
            for name, value in values.items():
                tf.summary.scalar(name, value)
        found = "  ".join(f"{logged_metric(k) or k} {value:.4g}" for k, value in values.items())
        print(f"step {self.step}: {found}", flush=True)


class StopRequest:
    """While entered, SIGINT (Ctrl-C, a notebook's stop button) and SIGTERM only ask for a stop.

    The same signal a second time acts as it did before.

    Attributes:
        received: the one that came, or None.
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
    """Checkpoints every so many steps, at the end, and when a stop is asked for, which it heeds."""

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
        if self.step > self.saved:
            self.log.flush()
            self.check_weights()
            self.checkpoints.save()
            self.saved = self.step


def is_live() -> bool:
    """Whether a line that was printed can be rewritten: at a terminal, or in a notebook."""
    return sys.stdout.isatty() or "ipykernel" in sys.modules


class Progress(StepCallback):
    """One line that is rewritten at a terminal or in a notebook; else a line every half minute."""

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
        losses = "  ".join(f"{k} {v:.3f}" for k, v in scalars.items() if k.endswith("loss"))
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


DISTANCES, SHARES = "distances of samples", "shares and scores"

# Panels of a run's curves for all but metrics: the names that match, less what the title says.
PANELS = {
    "loss": r"((?:test_)?)loss",
    "reconstruction loss": r"((?:test_)?)reconstruction_loss",
    "KL divergence, in nats": r"((?:test_)?)kl_loss",
    "losses": r"(.*_loss)",
    "D's loss terms": r"d_loss_(.*)",
    "G's loss terms": r"g_loss_(.*)",
    "mutual information, at least, in nats": r"information_(.*)",
    "D's accuracy": r"d_accuracy_(.*)",
    "gradient norms": r"(.*)_gradient_norm",
    "learning rates": r"(.*)_learning_rate",
    "weight of the KL divergence": r"(kl)_weight",
    "active latent dimensions": r"((?:test_)?)active_units",
    "images a second": r"(images)_per_second",
    "others": r"(?!(?:step|epoch|kimg|seconds)$)(.*)",
}
LOGARITHMIC = ("gradient norms", DISTANCES)


def panel_of(name: str) -> tuple[str, str]:
    """Return the title of the panel that a logged scalar is drawn in, and its label there; nothing
    if it is not drawn."""
    if metric := logged_metric(name):
        return (DISTANCES if is_logarithmic(metric) else SHARES), metric
    for title, pattern in PANELS.items():
        if match := re.fullmatch(pattern, name):
            return title, match[1].removesuffix("_") or "train"
    return "", ""


def draw_curves(run: RunDirectory) -> None:
    """curves.png of a run: what it has logged, over the steps."""
    records = run.records()
    names = list(dict.fromkeys(name for record in records for name in record))
    series = {title: {} for title in (DISTANCES, SHARES, *PANELS)}
    for name in names:
        title, label = panel_of(name)
        points = [(r["step"], r[name]) for r in records if name in r]
        if title:
            series[title][label] = tuple(zip(*points, strict=True))
    panels = [
        plotting.Panel(title, found, log_y=title in LOGARITHMIC)
        for title, found in series.items()
        if found
    ]
    if panels:
        plotting.save_curves(run.path / "curves.png", panels, "step")
