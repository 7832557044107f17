"""Callbacks that run the one-time actions of a model."""

from collections.abc import Callable, Mapping

import numpy as np

from models.base import GenerativeModel
from training.callbacks import Log, Outputs, StepCallback
from training.stopping import StopRequest
from waiting import is_live, waiting


class Milestones(StepCallback):
    """Callback that runs each milestone of the model once.

    With `steps_per_execution` it runs at the end of the execution that contains its step.

    Args:
        stop: the requested stop.
        images: uint8 [n, h, w, c], the training images.
        synchronise: function that gives all workers the chief's model.
    """

    def __init__(
        self,
        stop: StopRequest,
        images: np.ndarray,
        synchronise: Callable[[GenerativeModel], None],
    ):
        super().__init__()
        self.stop, self.images, self.synchronise = stop, images, synchronise

    def begin(self):
        self.pending = sorted(self.model.milestones(), key=lambda milestone: milestone[0])
        self.after_step()

    def after_step(self):
        """Run what is due, unless a stop is requested: a resumed training begins with it."""
        while self.pending and self.pending[0][0] <= self.step and not self.stop.received:
            values = self.run_first()
            if not values:
                return
            self.pending = self.pending[1:]

    def run_first(self) -> Mapping[str, float]:
        """Run the first pending milestone; return its scalars, or {} if a stop ended it."""
        values = {}
        with self.stop.interruptible():
            values = self.pending[0][1](self.images)
            self.synchronise(self.model)
        return values


class LoggedMilestones(Milestones):
    """Milestones whose scalars are written to the files of the run.

    Args:
        outputs: files of the run, and the requested stop.
        log: log that returns the first entries of a record.
        images, synchronise: as for `Milestones`.
    """

    def __init__(
        self,
        outputs: Outputs,
        log: Log,
        images: np.ndarray,
        synchronise: Callable[[GenerativeModel], None],
    ):
        super().__init__(outputs.stop, images, synchronise)
        self.outputs, self.log = outputs, log

    def run_first(self):
        self.log.pause()
        print("\n" * is_live(), end="")  # ends the progress line
        with waiting(f"milestone of step {self.pending[0][0]}"):
            values = super().run_first()
        if values:
            self.outputs.run.log({**self.log.position(self.step), **values})
            self.outputs.events.scalars(self.step, values)
            found = "  ".join(f"{name} {value:.4g}" for name, value in values.items())
            print(f"step {self.step}: {found}", flush=True)
        return values
