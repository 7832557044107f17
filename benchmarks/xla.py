"""Compilation and step time under XLA.

    python -m benchmarks.xla --models=stylegan

Runs one process per model and size of colour images. Prints the seconds of the first step,
including its compilation, and of the second, without lazy regularization, and the peak memory.
Flags, with their defaults in brackets:
"""

import dataclasses
import json
import resource
import subprocess
import sys
import time
from collections.abc import Sequence

import fields
from cli import flags
from errors import UserError
from evaluation.reports.tables import table
from fields import field
from models import REGISTRY


@dataclasses.dataclass(frozen=True)
class XlaOptions:
    """Options of the benchmark."""

    models: str = field(
        "stylegan,stylegan2", "names of models, separated by commas", group="benchmark"
    )
    sides: str = field(
        "32,64,128", "sides of the images in pixels, separated by commas", group="benchmark"
    )
    batch_size: int = field(4, "batch size", group="benchmark", at_least=1)
    width: int | None = field(
        None, "width of the networks; default: that of the model", group="benchmark", at_least=1
    )


def main(argv: Sequence[str]) -> int:
    """Run the command line `argv`; return the exit code."""
    if flags.wants_help(argv):
        print(f"{__doc__.strip()}\n\n{flags.describe(XlaOptions)}")
        return 0
    options = XlaOptions(**flags.given(argv, XlaOptions))
    models, sides = fields.listed(options.models), fields.listed(options.sides)
    if unknown := set(models) - set(REGISTRY):
        raise UserError(f"no such model: {', '.join(sorted(unknown))}", "models")
    if not all(side.isdecimal() for side in sides):
        raise UserError(f"expected integers separated by commas, got {options.sides}", "sides")
    rows = []
    for name in models:
        for side in sides:
            arguments = json.dumps([name, int(side), options.batch_size, options.width])
            code = f"from benchmarks import xla; xla.measure(*xla.json.loads({arguments!r}))"
            done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
            if done.returncode:
                return done.returncode
            rows.append([name, f"{side} x {side}", *json.loads(done.stdout.splitlines()[-1])])
    print(table(["model", "images", "weights", "first step, s", "second, s", "peak, GiB"], rows))
    return 0


def measure(name: str, side: int, batch_size: int, width: int | None) -> None:
    """Print a JSON list: number of weights, seconds of two steps, and peak memory in GiB."""
    import numpy as np
    import tensorflow as tf

    size = {"batch_size": batch_size} | ({"width": width} if width else {})
    model = REGISTRY[name].load()((side, side, 3), num_classes=10, **size)
    model.compile(jit_compile=True)
    lead = (model.hp.n_critic,) if model.hp.n_critic > 1 else ()
    shape = (*lead, batch_size, side, side, 3)
    images = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    labels = np.zeros(shape[:-3], np.int32)
    data = tf.data.Dataset.from_tensors((images, labels))
    seconds = []
    for _ in range(2):
        start = time.perf_counter()
        model.fit(data, verbose=0, shuffle=False)
        seconds.append(time.perf_counter() - start)
    weights = sum(v.shape.num_elements() for v in (x.value for x in model.trainable_variables))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(json.dumps([weights, *seconds, peak]))


if __name__ == "__main__":
    if code := flags.run_script(main):
        sys.exit(code)
