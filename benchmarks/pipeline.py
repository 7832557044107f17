"""Benchmark of the input pipeline against the train step.

    python -m benchmarks.pipeline --model dcgan --dataset MNIST

Prints images per second of the pipeline alone, of the train step on a constant batch, and of the
train step fed by the pipeline, measured in interleaved rounds. The last two should be equal.
"""

import statistics
import sys
import time
from collections.abc import Sequence

from cli import flags
from training import options

ROUNDS, STEPS = 5, 40


def main(argv: Sequence[str]) -> int:
    """Run the benchmark with the flags of train.py in `argv` and return the exit code."""
    config = options.parse(argv)
    import tensorflow as tf

    from data import Batches
    from training import loading, loop

    loading.prepare(config)
    images = loading.load_data(config)
    batches = Batches(
        images.train,
        config.hp.batch_size,
        n_critic=config.hp.n_critic,
        flip=config.options.flip,
    )
    model = loading.build_model(config, images.image_shape, images.num_classes)
    loop.compile_model(model, config.options.jit)
    fed = batches.dataset()
    constant = tf.data.Dataset.from_tensors(next(iter(fed))).repeat()

    def rate(run, steps: int) -> float:
        start = time.perf_counter()
        run(steps)
        return steps * batches.images_per_step / (time.perf_counter() - start)

    def read(steps: int) -> None:
        for _ in fed.take(steps):
            pass

    def fit(dataset):
        return lambda steps: model.fit(dataset, steps_per_epoch=steps, verbose=0, shuffle=False)

    fit(constant)(STEPS)
    rates = {"pipeline alone": [], "step, constant batch": [], "step, fed": []}
    for _ in range(ROUNDS):
        rates["pipeline alone"].append(rate(read, 20 * STEPS))
        rates["step, constant batch"].append(rate(fit(constant), STEPS))
        rates["step, fed"].append(rate(fit(fed), STEPS))
    for name, values in rates.items():
        print(f"{name:>20}: {statistics.median(values):9,.0f} images/s (of {ROUNDS} rounds)")
    return 0


if __name__ == "__main__":
    if code := flags.run_script(main):
        sys.exit(code)
