"""Callback that runs the one-time actions of a model."""

import numpy as np

from training.callbacks import Log, Outputs, StepCallback, is_live


class Milestones(StepCallback):
    """Callback that runs each milestone of the model once, and prints the text that it returns.

    With `steps_per_execution` it runs at the end of the execution that contains its step.

    Args:
        outputs: TensorBoard's summaries and the requested stop.
        log: log, whose clock is stopped.
        images: uint8 [n, h, w, c], the training images.
    """

    def __init__(self, outputs: Outputs, log: Log, images: np.ndarray):
        super().__init__()
        self.outputs, self.log, self.images = outputs, log, images

    def begin(self):
        self.after_step()

    def after_step(self):
        """Run what is due, unless a stop is requested: a resumed training begins with it."""
        for step, act in sorted(self.model.milestones().items()):
            if step > self.step or self.outputs.stop.received:
                return
            self.log.pause()
            with self.outputs.stop.interruptible():
                text = act(self.images)
                print("\n" * is_live() + f"step {self.step}: {text}", flush=True)
                self.outputs.events.text(self.step, "milestones", text)
