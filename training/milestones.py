"""Callback that runs the one-time actions of a model."""

import numpy as np

from training.callbacks import Log, Outputs, StepCallback
from waiting import is_live, waiting


class Milestones(StepCallback):
    """Callback that runs each milestone of the model once, and logs the scalars that it returns.

    With `steps_per_execution` it runs at the end of the execution that contains its step.

    Args:
        outputs: files of the run, and the requested stop.
        log: log that returns the first entries of a record.
        images: uint8 [n, h, w, c], the training images.
    """

    def __init__(self, outputs: Outputs, log: Log, images: np.ndarray):
        super().__init__()
        self.outputs, self.log, self.images = outputs, log, images

    def begin(self):
        self.pending = sorted(self.model.milestones(), key=lambda milestone: milestone[0])
        self.after_step()

    def after_step(self):
        """Run what is due, unless a stop is requested: a resumed training begins with it."""
        while self.pending and self.pending[0][0] <= self.step and not self.outputs.stop.received:
            self.log.pause()
            values = {}
            step, act = self.pending[0]
            print("\n" * is_live(), end="")  # ends the progress line
            with self.outputs.stop.interruptible(), waiting(f"milestone of step {step}"):
                values = act(self.images)
            if not values:
                return
            self.pending = self.pending[1:]
            self.outputs.run.log({**self.log.position(self.step), **values})
            self.outputs.events.scalars(self.step, values)
            found = "  ".join(f"{name} {value:.4g}" for name, value in values.items())
            print(f"step {self.step}: {found}", flush=True)
