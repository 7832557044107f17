"""Progress line of a training."""

import math
import shutil
import time

from data import Batches
from models.scalars import group_of
from training.callbacks import Log, StepCallback, is_live


class Progress(StepCallback):
    """Progress line, updated in a terminal or notebook; elsewhere a new line every 30 seconds.

    Args:
        total: last step of the run.
        batches: the batches of the training.
        log: log that has the losses.
    """

    def __init__(self, total: int, batches: Batches, log: Log):
        super().__init__()
        self.total, self.batches, self.log = total, batches, log
        self.live = is_live()
        self.period = 0.5 if self.live else 30.0

    def begin(self):
        self.since = time.perf_counter()
        self.shown = self.since

    def after_step(self):
        now = time.perf_counter()
        if now - self.shown < self.period and self.step < self.total:
            return
        self.shown = now
        pace = (self.step - self.first_step) / (now - self.since)
        minutes, seconds = divmod(round((self.total - self.step) / pace), 60)
        epoch = math.ceil(self.step / self.batches.steps_per_epoch)
        losses = "  ".join(
            f"{name} {mean.value:.3f}"
            for name, mean in self.log.latest().items()
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
