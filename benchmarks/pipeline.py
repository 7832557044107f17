"""Speed of the input pipeline.

    python -m benchmarks.pipeline --model dcgan --dataset MNIST

Prints the images per second of the pipeline alone, of the train step on one constant batch, and of
the train step on batches of the pipeline, measured in interleaved rounds. The last two are equal
unless the pipeline limits the training.
"""

import statistics
import sys
import time
from collections.abc import Callable, Sequence

from cli import flags
from training import options

ROUNDS, SECONDS = 5, 2.0
ALONE, CONSTANT, PIPELINE = "pipeline alone", "step, constant batch", "step, pipeline"


def main(argv: Sequence[str]) -> int:
    """Run the command line `argv`, flags of train.py; return the exit code."""
    if flags.wants_help(argv):
        print(__doc__.strip())
        return 0
    for name, value in measure(options.parse(argv), SECONDS).items():
        print(f"{name:>20}: {value:9,.0f} images/s (median of {ROUNDS} rounds)")
    return 0


def measure(config: options.Config, seconds: float) -> dict[str, float]:
    """Return the images per second by name; each measurement takes about `seconds`."""
    from data import Batches
    from data.pipeline import repeated
    from training import loading, loop

    loading.prepare(config)
    images = config.load_data()
    batches = Batches(
        images.train,
        config.hp.batch_size,
        n_critic=config.hp.n_critic,
        flip=config.options.flip,
    )
    model = loading.build_model(config, images.image_shape, images.num_classes)
    loop.compile_model(model, config.options.jit)
    pipeline = batches.dataset()

    def read(steps: int) -> None:
        for _ in pipeline.take(steps):
            pass

    def fit(dataset) -> Callable[[int], None]:
        return lambda steps: model.fit(dataset, steps_per_epoch=steps, verbose=0, shuffle=False)

    runs = {
        ALONE: read,
        CONSTANT: fit(repeated(next(iter(pipeline)))),
        PIPELINE: fit(pipeline),
    }
    runs[CONSTANT](1)
    steps = {name: steps_within(seconds, run) for name, run in runs.items()}
    rates = {name: [] for name in runs}
    for _ in range(ROUNDS):
        for name, run in runs.items():
            count = steps[name] * batches.images_per_step
            rates[name].append(count / seconds_of(run, steps[name]))
    return {name: statistics.median(values) for name, values in rates.items()}


def seconds_of(run: Callable[[int], None], steps: int) -> float:
    """Return the seconds of a number of steps."""
    start = time.perf_counter()
    run(steps)
    return time.perf_counter() - start


def steps_within(seconds: float, run: Callable[[int], None], multiple: int = 1) -> int:
    """Return a number of steps, a multiple of `multiple`, that take about `seconds`."""
    steps = multiple
    while seconds_of(run, steps) < seconds / 2:
        steps *= 2
    return steps


if __name__ == "__main__":
    if code := flags.run_script(main):
        sys.exit(code)
