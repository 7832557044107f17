"""Step time of flagfiles.

    python -m benchmarks.steps configs/dcgan_mnist.txt configs/wgan_gp_mnist.txt

Prints for each flagfile the images per second (real images of the discriminator) and the
milliseconds per step, measured in interleaved rounds, and both relative to the first flagfile. With
--publish the milliseconds per step are also written to docs/results/step_times.json, for the
minutes in the tables of results; this requires an idle machine.
"""

import json
import os
import statistics
import sys
import time
from collections.abc import Mapping, Sequence

from benchmarks.compare import cores
from cli import flags
from errors import UserError
from evaluation.reports import pages
from evaluation.reports.tables import table
from storage.files import write_json
from training import options

ROUNDS, STEPS = 5, 20


def main(argv: Sequence[str]) -> int:
    """Time the steps of the flagfiles `argv`; return the exit code."""
    if flags.wants_help(argv):
        print(__doc__.strip())
        return 0
    publish = "--publish" in argv
    argv = [path for path in argv if path != "--publish"]
    if not argv:
        raise UserError("expected flagfiles: python -m benchmarks.steps configs/...")
    if publish and not (speedup := cores.speedup()) >= cores.LOWEST_SPEEDUP:
        raise UserError(
            f"two threads are {speedup:.2f} times as fast as one; stop other processes", "publish"
        )
    configs = {path: options.parse([f"--flagfile={path}"]) for path in argv}
    from data import Batches
    from data.pipeline import repeated
    from training import loading, loop

    runs = {}
    for path, config in configs.items():
        loading.prepare(config)
        images = config.load_data()
        n_critic = config.hp.n_critic
        batches = Batches(images.train, config.hp.batch_size, n_critic=n_critic)
        model = loading.build_model(config, images.image_shape, images.num_classes)
        loop.compile_model(model, config.options.jit)
        constant = repeated(next(iter(batches.dataset())))
        model.fit(constant, steps_per_epoch=STEPS, verbose=0, shuffle=False)
        runs[path] = model, constant, batches.images_per_step

    seconds = {path: [] for path in runs}
    for _ in range(ROUNDS):
        for path, (model, constant, _) in runs.items():
            start = time.perf_counter()
            model.fit(constant, steps_per_epoch=STEPS, verbose=0, shuffle=False)
            seconds[path].append((time.perf_counter() - start) / STEPS)
    first = statistics.median(seconds[argv[0]])
    rate = runs[argv[0]][2] / first
    rows = []
    for path, (_, _, images_per_step) in runs.items():
        step = statistics.median(seconds[path])
        images_per_second = images_per_step / step
        row = [path, images_per_second, 1000 * step, images_per_second / rate, step / first]
        rows.append(row)
    if publish:
        write_step_times({path: statistics.median(seconds[path]) for path in runs})
    print(table(["flagfile", "images/s", "ms/step", "images/s, relative", "step, relative"], rows))
    return 0


def write_step_times(seconds: Mapping[str, float]) -> None:
    """Add the seconds per step of flagfiles to the file of published step times."""
    from training import machine

    path = pages.STEP_TIMES
    times = json.loads(path.read_text()) if path.exists() else {}
    here = machine.environment()["machine"]
    times |= {
        os.path.relpath(flagfile, pages.ROOT): {
            "milliseconds": round(1000 * value, 2),
            "machine": here,
        }
        for flagfile, value in seconds.items()
    }
    write_json(path, dict(sorted(times.items())))


if __name__ == "__main__":
    if code := flags.run_script(main):
        sys.exit(code)
