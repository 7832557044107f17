"""Callbacks of a training: evaluation, log, pictures, checkpoints and the progress line.

`in_order` returns them in the order in which they must run.
"""

import dataclasses
import math
import time
from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

import plotting
from data import Batches
from evaluation.metric import logged_metric
from models.abilities import RECONSTRUCT
from models.means import RunningMean
from models.scalars import ScalarGroup
from storage.checkpoints import Checkpoints
from storage.run_directory import RunDirectory
from training.curves import POSITION, draw_curves
from training.events import Events
from training.pictures import GENERATED, Picture, plane_grid, plane_spans, reconstruction_grid
from training.stopping import StopRequest
from waiting import is_live, waiting

LEARNING_RATES = ScalarGroup(
    title="learning rates",
    folder="learning_rate",
    suffix="_learning_rate",
    order=70,
    settings=True,
)
SPEED = ScalarGroup(
    title="images per second", folder="progress", names=("images_per_second",), order=100
)
PROGRESS = ScalarGroup(title="progress", folder=SPEED.folder, names=POSITION[1:], order=101)


def in_order(
    *,
    milestones: "StepCallback",
    measure: list,
    log: "Log",
    draw: "Pictures",
    save: "Saver",
    show: "StepCallback",
) -> list[keras.callbacks.Callback]:
    """Return the callbacks in the order in which they run after a step.

    The milestones of the model come first. Evaluations precede the log, and the log precedes the
    pictures, because curves.png draws both.
    The checkpoint is the last to be written, so that the records of its step are complete.
    """
    return [milestones, *measure, log, draw, save, show]


class DivergedError(Exception):
    """A loss or a variable is not a finite number; the message is one line."""

    def __init__(self, step: int, problem: str):
        super().__init__(
            f"step {step}: {problem}; earlier checkpoints are kept. Start "
            "a new run with a lower learning rate"
        )


class StepCallbacks(keras.callbacks.CallbackList):
    """Callbacks that need no logs of each step, whose scalars stay on the device.

    Keras' own list converts the scalars of each step to numbers, for which the host waits.
    """

    def on_train_batch_begin(self, batch, logs=None):
        for callback in self.callbacks:
            callback.on_train_batch_begin(batch)

    def on_train_batch_end(self, batch, logs=None):
        for callback in self.callbacks:
            callback.on_train_batch_end(batch)


class StepCallback(keras.callbacks.Callback):
    """Callback with `step`, the number of steps since the start of the run."""

    def set_model(self, model):
        super().set_model(model)
        self.step = self.first_step = int(model.step.numpy())

    def on_train_begin(self, logs=None):
        self.begin()

    def on_train_batch_end(self, batch, logs=None):
        self.step = self.first_step + min(batch + 1, self.params["steps"])
        self.after_step()

    def begin(self) -> None:
        """Run before the first step."""

    def after_step(self) -> None:
        """Run after each step, or with steps_per_execution after these steps."""


@dataclasses.dataclass(frozen=True)
class Outputs:
    """Files, last step and requested stop that the callbacks of a training share.

    Attributes:
        run: the run directory.
        events: TensorBoard's summaries.
        total: last step of the run.
        stop: requested stop.
    """

    run: RunDirectory
    events: Events
    total: int
    stop: StopRequest


class Periodic(StepCallback):
    """Callback that acts after every `every` steps and after the last one.

    It does not act any more when a stop is requested: a resumed training begins with what is due.
    So the files of a resumed run equal those of an uninterrupted one.

    Args:
        outputs: files of the run, and its last step.
        every: steps between two actions.
    """

    def __init__(self, outputs: "Outputs", every: int):
        super().__init__()
        self.outputs, self.every = outputs, every
        self.run, self.events, self.stop = outputs.run, outputs.events, outputs.stop

    @property
    def due(self) -> bool:
        return self.step % self.every == 0 or self.step == self.outputs.total

    def begin(self):
        if self.due and not self.stop.received and not self.done():
            self.act()

    def after_step(self):
        if self.due and not self.stop.received:
            self.act()

    def act(self) -> None:
        """Do what is due."""
        raise NotImplementedError

    def done(self) -> bool:
        """Return whether what is due at the first step was done by the training that stopped."""
        raise NotImplementedError

    def check_state(self) -> None:
        """Raise DivergedError if a variable of the model's state is not a finite number."""
        if self.step and (name := self.model.non_finite()):
            raise DivergedError(self.step, f"{name} is not finite")


class Log(Periodic):
    """Means over `every` steps, in metrics.jsonl and TensorBoard.

    A record has step, epoch, kimg (thousands of real images seen), seconds (of training since the
    start of the run), images_per_second, each player's learning rate and the scalars of the step.

    Args:
        outputs, every: as for `Periodic`.
        batches: the batches of the training.
        saved: `state` in the checkpoint from which the training resumes.
    """

    def __init__(self, outputs: Outputs, every: int, batches: Batches, saved: Mapping[str, Any]):
        super().__init__(outputs, every)
        self.batches = batches
        # Checkpoints of earlier versions have no state; a killed catch-up leaves later records.
        *_, last = [{}, *self.run.records()]
        self.seconds = max(saved.get("seconds", 0.0), last.get("seconds", 0.0))
        self.first, self.busy = saved.get("first"), saved.get("busy", 0.0)
        self.means = {name: RunningMean(*mean) for name, mean in saved.get("means", {}).items()}
        self.recorded = {}
        self.started, self.since = None, time.perf_counter()

    def set_model(self, model):
        super().set_model(model)
        if self.first is None or self.run.has_record(self.step, *SPEED.names):
            self._renew()
        else:
            model.restore_means(self.means)

    def on_epoch_begin(self, epoch, logs=None):
        self.model.restore_means(self.means)  # Keras has reset them

    def on_train_batch_begin(self, batch, logs=None):
        if self.started is None:
            self.started = time.perf_counter()

    def pause(self) -> None:
        """Wait for the last step, and stop the clock of the steps until the next one."""
        self.means = self.model.running_means()
        if self.started is not None:
            self.busy += time.perf_counter() - self.started
            self.started = None

    def latest(self) -> dict[str, RunningMean]:
        """Return the means since the last record; right after it those of the record."""
        means = self.model.running_means()
        return {name: mean for name, mean in means.items() if mean.count} or self.recorded

    def state(self) -> dict[str, Any]:
        """Return the JSON values that `saved` takes."""
        self.pause()
        self._count_seconds()
        return {
            "seconds": self.seconds,
            "busy": self.busy,
            "first": self.first,
            "means": self.means,
        }

    def check_means(self, step: int) -> None:
        """Raise DivergedError, after a record of a step, if one of the means is not finite."""
        self.pause()
        bad = {n: m for n, m in self.means.items() if m.count and not math.isfinite(m.value)}
        if bad:
            name, mean = min(bad.items(), key=lambda item: item[1].finite)
            first_bad = self.first + int(mean.finite) + 1
            self.write(step)
            raise DivergedError(first_bad, f"{name} is {mean.value}")

    def _count_seconds(self) -> None:
        now = time.perf_counter()
        self.seconds += now - self.since
        self.since = now

    def position(self, step: int) -> dict[str, float]:
        """Return step, epoch, kimg and seconds, the first entries of each record."""
        self._count_seconds()
        epoch = step / self.batches.steps_per_epoch
        kimg = step * self.batches.images_per_step / 1000
        return dict(zip(POSITION, (step, epoch, kimg, round(self.seconds, 3)), strict=True))

    def done(self):
        return self.first == self.step

    def act(self):
        self.check_means(self.step)
        self.write(self.step)

    def write(self, step: int) -> None:
        """Write a record of a step with the means since the last one, and begin new means."""
        images = (step - self.first) * self.batches.images_per_step
        rates = {
            name: float(tf.convert_to_tensor(optimizer.learning_rate))
            for name, optimizer in self.model.optimizers.items()
        }
        record = {
            **self.position(step),
            **SPEED.single(images / max(self.busy, 1e-9)),
            **LEARNING_RATES.named(rates),
            **{name: mean.value for name, mean in self.means.items() if mean.count},
        }
        self.run.log(record)
        self.events.scalars(step, {k: v for k, v in record.items() if k != "step"})
        self.recorded = self.means
        self._renew()

    def _renew(self) -> None:
        """Begin new means."""
        self.means, self.first, self.busy = {}, self.step, 0.0
        self.model.restore_means({})


class Evaluator(Periodic):
    """Evaluation every `every` steps and after the last one, in metrics.jsonl and TensorBoard.

    Args:
        outputs, every: as for `Periodic`.
        log: log that returns the first entries of a record.
        measure: function without arguments that returns values by their names in the log.
        prefix: first part of these names.
    """

    def __init__(
        self,
        outputs: Outputs,
        every: int,
        log: Log,
        measure: Callable[[], dict[str, float]],
        prefix: str,
    ):
        super().__init__(outputs, every)
        self.log, self.measure, self.prefix = log, measure, prefix

    def done(self):
        return not self.step or self.run.has_record(self.step, self.prefix)

    def act(self):
        self.log.check_means(self.step)
        self.check_state()
        print("\n" * is_live(), end="")  # ends the progress line
        values = {}
        with self.stop.interruptible():
            values = self.measure()
        if not values:
            return
        self.run.log({**self.log.position(self.step), **values})
        self.events.scalars(self.step, values)
        found = "  ".join(f"{logged_metric(k) or k} {value:.4g}" for k, value in values.items())
        print(f"step {self.step}: {found}", flush=True)


class Pictures(Periodic):
    """Grid of the same latents every `every` steps, and the curves of the log so far.

    After the last step there are no curves: they are drawn when the run is finished.

    Args:
        outputs, every: as for `Periodic`.
        log: log whose means are checked first.
        real: uint8 images [n, h, w, c], drawn above their reconstructions if the model
            reconstructs images.
        planes: whether to draw the images over the plane of the first two latent dimensions.
        drawn: whether the pictures of the first step are there.
    """

    def __init__(
        self,
        outputs: Outputs,
        every: int,
        log: Log,
        real: np.ndarray,
        planes: bool = False,
        drawn: bool = False,
    ):
        super().__init__(outputs, every)
        self.log, self.real, self.planes, self.drawn_before = log, real, planes, drawn

    def done(self):
        return self.drawn_before

    def act(self):
        self.log.check_means(self.step)
        self.check_state()
        with waiting(f"drawing the pictures of step {self.step}"):
            pictures = self.drawn()
            with self.run.optional("pictures"):
                for picture in pictures:  # the sample grid of the step shows that all are complete
                    plotting.save_image(picture.newest, picture.pixels)
                    plotting.save_image(picture.kept, picture.pixels)
                if self.step < self.outputs.total:
                    draw_curves(self.run)
        self.events.images(self.step, {p.title: p.pixels for p in pictures})

    def drawn(self) -> list[Picture]:
        """Return the pictures of this step; the sample grid is the last one."""
        name, pictures = f"step-{self.step:07}.png", []
        if not self.model.lacks(RECONSTRUCT):
            pixels = reconstruction_grid(self.model, self.real)
            newest = self.run.path / "reconstructions.png"
            kept = self.run.reconstructions / name
            pictures.append(Picture("reconstructions", pixels, kept, newest))
        for span in plane_spans(self.model) if self.planes else ():
            pixels = plane_grid(self.model, self.model.draw_latents(1), span)
            kept = self.run.planes / f"span-{span}-{name}"
            newest = self.run.path / f"plane-{span}.png"
            pictures.append(Picture(f"plane {span}", pixels, kept, newest))
        latents, columns = self.model.picture_latents()
        pixels = plotting.grid(self.model.generate(latents), columns)
        newest = self.run.path / "samples.png"
        return [*pictures, Picture(GENERATED, pixels, self.run.samples / name, newest)]


class Saver(Periodic):
    """Checkpoint every `every` steps and `minutes`, after the last step, and at a requested stop.

    The steps at which a checkpoint is kept for good are due as well.

    Args:
        outputs, every: as for `Periodic`.
        log: log whose state belongs to each checkpoint.
        checkpoints: the checkpoints.
        minutes: age of the last checkpoint, in minutes, at which the next one is due as well.
        after_save: function that runs after each checkpoint.
    """

    def __init__(
        self,
        outputs: Outputs,
        every: int,
        log: Log,
        checkpoints: Checkpoints,
        minutes: float = math.inf,
        after_save: Callable[[], None] = lambda: None,
    ):
        super().__init__(outputs, every)
        self.log, self.checkpoints = log, checkpoints
        self.minutes, self.after_save = minutes, after_save

    @property
    def due(self):
        kept = self.checkpoints.keep_every
        return super().due or bool(kept and self.step % kept == 0)

    def begin(self):
        self.saved, self.time = self.step, time.monotonic()

    def after_step(self):
        late = time.monotonic() - self.time > 60 * self.minutes
        stopping = self.stop.received is not None  # a later signal stops after the next step
        if self.due or late or stopping:
            self.run.require()
            self.act()
        if stopping:
            self.model.stop_training = True
            print("\n" * is_live() + f"a checkpoint of step {self.step} is saved", flush=True)

    def act(self):
        if self.step == self.saved:
            return
        self.log.check_means(self.step)
        self.check_state()
        self.events.flush()
        with waiting(f"writing the checkpoint of step {self.step}"):
            self.checkpoints.save({"log": self.log.state()})
        self.run.note_checkpoint(self.step)
        self.saved, self.time = self.step, time.monotonic()
        self.after_save()
