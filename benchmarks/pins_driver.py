"""Driver of benchmarks.pins: runs a script of a worktree in its own process.

    python pins_driver.py TASK.json

The worktree, older or present, is the one on PYTHONPATH. This file uses only the API that
both have: the scripts with their `main`, `data.load`, `data.check`, `data.ImageData`, `data.Split`,
and `fit` of a Keras model. The images are synthetic, from a seed, in the shape of the data set. The
task is a JSON object:

    mode     "begin": run up to the first step; write the hashes of the weights, and with
             `checkpoint` (trees with `training.checkpoints` only) a checkpoint of step 0
             "train": run the steps, without pictures and without the work after the last step
             "resolve": run up to the loading of data; write the options
    script   module with `main`
    argv     its command line
    out      JSON file that is written
    cpus     processors that the process uses
"""

import contextlib
import dataclasses
import functools
import gc
import hashlib
import importlib
import json
import os
import pathlib
import sys

TRAIN, TEST = 1280, 160  # images: at least 4 steps per epoch of each flagfile
# Shape, classes, and whether there are test images, by the name of the set.
SETS = {
    "mnist": ("MNIST", (28, 28, 1), 10, True),
    "fashion_mnist": ("FASHION_MNIST", (28, 28, 1), 10, True),
    "cifar10": ("CIFAR10", (32, 32, 3), 10, True),
    "birds": ("birds", (32, 32, 3), 50, False),
}
OMITTED_CALLBACKS = ("Picture", "Progress")  # parts of the names of callbacks that log nothing


class Done(Exception):
    """Exception that ends a script when the task is done."""


def main(task: dict) -> None:
    """Run the task."""
    out = pathlib.Path(task["out"])
    script = importlib.import_module(task["script"])
    replace_data(functools.partial(resolve, out) if task["mode"] == "resolve" else synthetic)
    if task["mode"] != "resolve":
        import keras

        made = in_order(keras)
        fit = keras.Model.fit
        keras.Model.fit = {
            "begin": lambda model, *_, **__: begin(model, made, task, out),
            "train": functools.partialmethod(steps, fit),
        }[task["mode"]]
    with contextlib.suppress(Done):
        code = script.main(task["argv"])
        sys.exit(f"{task['script']} ended with code {code} before the task was done")
    gc.collect()  # the generator of the batches must end before the interpreter does


def replace_data(load) -> None:
    """Replace data.load by `load` in all modules that imported it."""
    import data

    was, checked = data.load, data.check
    for module in list(sys.modules.values()):
        for name, value in list(getattr(module, "__dict__", {}).items()):
            if value is was:
                setattr(module, name, load)
            elif value is checked:
                setattr(module, name, lambda *_, **__: None)


def synthetic(name: str, **_):
    """Return a synthetic data set of the name: noisy light blots on dark, drawn from a seed."""
    import numpy as np

    import data

    name, shape, classes, tested = SETS[pathlib.Path(name).stem.lower()]
    random = np.random.default_rng([*name.encode()])

    def split(n: int):
        coarse = random.random((n, shape[0] // 4, shape[1] // 4, shape[2])) ** 3
        images = 200 * coarse.repeat(4, axis=1).repeat(4, axis=2) + 55 * random.random((n, *shape))
        return data.Split(images.astype(np.uint8), random.integers(0, classes, n))

    train, test = split(TRAIN), split(TEST) if tested else None
    pixels = hashlib.sha256(train.images.tobytes()).hexdigest()
    return data.ImageData(name, train, test, tuple(map(str, range(classes))), pixels)


def in_order(keras) -> list:
    """Return a list that collects all Keras variables created from now on, in order."""
    made, init = [], keras.Variable.__init__

    def recorded(variable, *args, **kwargs):
        made.append(variable)
        init(variable, *args, **kwargs)

    keras.Variable.__init__ = recorded
    return made


def begin(model, made: list, task: dict, out: pathlib.Path) -> None:
    """Write hashes of the model's initial weights, without scalars, and a checkpoint.

    The hashes are in the order of construction.
    """
    import numpy as np

    place = {id(variable): n for n, variable in enumerate(made)}
    weights = sorted(model.weights, key=lambda v: place.get(id(v), len(place)))
    digests = []
    for variable in weights:
        value = np.asarray(variable)
        if value.ndim:
            head = f"{value.dtype} {value.shape} ".encode()
            digests.append(hashlib.sha256(head + value.tobytes()).hexdigest())
    out.write_text(json.dumps({"weights": digests}))
    if folder := task.get("checkpoint"):
        from training.checkpoints import Checkpoints

        Checkpoints(model, pathlib.Path(folder)).save()
    raise Done


def steps(model, fit, *args, callbacks=(), **kwargs) -> None:
    """Fit without pictures, then end the script."""
    callbacks = [
        c for c in callbacks if not any(part in type(c).__name__ for part in OMITTED_CALLBACKS)
    ]
    fit(model, *args, callbacks=callbacks, **kwargs)
    raise Done


def resolve(out: pathlib.Path, *_, **__) -> None:
    """Write the options of the script, which the functions that call for the data hold.

    Those of single trainings are left out.
    """
    frame, found = sys._getframe(), {}
    while frame := frame.f_back:
        for value in frame.f_locals.values():
            name = type(value).__name__
            if name.endswith("Options") and name != "RunOptions":
                found |= dataclasses.asdict(value)
    out.write_text(json.dumps(found))
    raise Done


if __name__ == "__main__":
    task = json.loads(pathlib.Path(sys.argv[1]).read_text())
    del sys.path[0]  # the folder of this file; its modules must not be imported by name
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, task["cpus"])
    main(task)
