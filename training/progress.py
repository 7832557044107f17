"""Progress line of a training."""

import contextlib
import math
import shutil
import time

from data import Batches
from models.scalars import group_of
from training.callbacks import Log, StepCallback
from waiting import Work, is_live, waiting

WARM_UP = 3.0  # seconds from the first execution, which compiles, to the first estimate
ESTIMATING = "estimating the time left"


class Progress(StepCallback):
    """Progress line, updated in a terminal or notebook; elsewhere a new line every 30 seconds.

    Args:
        total: last step of the run.
        batches: the batches of the training.
        log: log that has the losses.

    Attributes:
        notes: context in which the note about the first step begins.
    """

    def __init__(self, total: int, batches: Batches, log: Log):
        super().__init__()
        self.total, self.batches, self.log = total, batches, log
        self.live = is_live()
        self.period = 0.5 if self.live else 30.0
        self.notes = contextlib.ExitStack()
        self.first: Work | None = None

    def begin(self):
        self.shown = time.perf_counter()
        self.since, self.counted = self.shown, self.step
        self.warm, self.first = False, None

    def on_train_batch_begin(self, batch, logs=None):
        if self.first is None:
            title = "first step, which XLA compiles" if self.model.jit_compile else "first step"
            self.first = self.notes.enter_context(waiting(title))

    def after_step(self):
        now = time.perf_counter()
        if self.counted == self.first_step:  # the speed is measured after the first execution
            self.first.end()
            if self.step < self.total:
                self.since, self.counted = now, self.step
        self.warm = self.warm or (now - self.since >= WARM_UP and self.step > self.counted)
        if now - self.shown < self.period and self.step < self.total:
            return
        self.shown = now
        if self.live:
            width = shutil.get_terminal_size().columns - 1
            print("\r" + self.line(now, width).ljust(width), end="", flush=True)
        else:
            print(self.line(now), flush=True)

    def line(self, now: float, width: float = math.inf) -> str:
        """Return the progress line; without its last losses if it is wider than `width` columns."""
        speed, left = [], ESTIMATING
        if steps := self.step - self.counted:
            pace = steps / (now - self.since)
            speed = [f"{pace * self.batches.images_per_step:,.0f} images/s"]
            if self.warm or self.step == self.total:
                minutes, seconds = divmod(round((self.total - self.step) / pace), 60)
                left = f"{minutes // 60:02}:{minutes % 60:02}:{seconds:02} left"
        losses = [
            f"{name} {mean.value:.3f}"
            for name, mean in self.log.latest().items()
            if (group := group_of(name)) and group.is_loss
        ]
        epoch = math.ceil(self.step / self.batches.steps_per_epoch)
        line = ""
        for count in range(len(losses), -1, -1):
            parts = [f"step {self.step}/{self.total}", f"epoch {epoch}", *losses[:count]]
            line = "  ".join([*parts, *speed, left])
            if len(line) <= width:
                return line
        return line[: int(width)]

    def on_train_end(self, logs=None):
        if self.live:
            print()
