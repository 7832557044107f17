"""Speed of the input pipeline.

    python -m benchmarks.pipeline --model dcgan --dataset MNIST

Prints the images per second of the pipeline alone, of the train step on one constant batch, and of
the train step on batches of the pipeline, measured in interleaved rounds. The last two are equal
unless the pipeline limits the training.
"""

import statistics
import sys
import time
from collections.abc import Sequence

from cli import flags
from training import options

ROUNDS, STEPS = 5, 40


def main(argv: Sequence[str]) -> int:
    """Run the command line `argv`, flags of train.py; return the exit code."""
    if flags.wants_help(argv):
        print(__doc__.strip())
        return 0
    config = options.parse(argv)
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
    constant = repeated(next(iter(pipeline)))

    def rate(run, steps: int) -> float:
        start = time.perf_counter()
        run(steps)
        return steps * batches.images_per_step / (time.perf_counter() - start)

    def read(steps: int) -> None:
        for _ in pipeline.take(steps):
            pass

    def fit(dataset):
        return lambda steps: model.fit(dataset, steps_per_epoch=steps, verbose=0, shuffle=False)

    fit(constant)(STEPS)
    rates = {"pipeline alone": [], "step, constant batch": [], "step, pipeline": []}
    for _ in range(ROUNDS):
        rates["pipeline alone"].append(rate(read, 20 * STEPS))
        rates["step, constant batch"].append(rate(fit(constant), STEPS))
        rates["step, pipeline"].append(rate(fit(pipeline), STEPS))
    for name, values in rates.items():
        print(f"{name:>20}: {statistics.median(values):9,.0f} images/s (median of {ROUNDS} rounds)")
    return 0


if __name__ == "__main__":
    if code := flags.run_script(main):
        sys.exit(code)
