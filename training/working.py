"""Training of a worker that is not the chief: the train steps alone."""

import gc

from data import ImageData
from training.callbacks import StepCallback, StepCallbacks
from training.distribution import Distribution
from training.loop import prepared
from training.milestones import Milestones
from training.options import Config
from training.stopping import StopRequest


class Stop(StepCallback):
    """Callback that ends the training at a stop that the workers have agreed on."""

    def __init__(self, stop: StopRequest):
        super().__init__()
        self.stop = stop

    def after_step(self):
        if self.stop.received:
            self.model.stop_training = True


def work(config: Config, images: ImageData, distribution: Distribution) -> int:
    """Train with the chief, from its checkpoint to its last step or a stop; return the exit code.

    Raises:
        UserError: the configuration does not suit the images, or differs from the chief's.
    """
    batches, total, model = prepared(config, images, distribution)
    distribution.synchronise(model)
    start = int(model.step.numpy())
    with distribution.stop_request() as stop:
        milestones = Milestones(stop, batches.split.images, distribution.synchronise)
        callbacks = [*distribution.callbacks(stop), milestones, Stop(stop)]
        steps = total - start
        within = StepCallbacks(
            callbacks, add_history=True, model=model, epochs=1, steps=steps, verbose=0
        )
        if steps:
            data = distribution.dataset(batches, start, steps)
            model.fit(data, steps_per_epoch=steps, callbacks=within, shuffle=False, verbose=0)
            gc.collect()  # ends the generator of the batches before the interpreter exits
        stop.agree()
    return 128 + stop.received if stop.received else 0
