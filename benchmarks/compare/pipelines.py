"""Input pipeline: alone, with a train step, and on folders of many files."""

import time

import data
from benchmarks.compare import networks
from benchmarks.compare.contestants import Built
from data import Batches
from data.pipeline import repeated
from training import loop


def of_embedded(batch_size: int) -> Batches:
    """Return batches of the embedded MNIST."""
    return Batches(data.load("MNIST").train, batch_size)


def reading(batches: Batches, **parts: float) -> Built:
    """Return the reading of batches, without a step."""
    iterator = iter(batches.dataset())

    def run(steps: int) -> None:
        for _ in range(steps):
            next(iterator)

    return Built(run, images=batches.images_per_step, parts=parts)


def alone(batch_size: int) -> Built:
    """Return the pipeline of the embedded MNIST without a step."""
    return reading(of_embedded(batch_size))


def step(batch_size: int, constant: bool) -> Built:
    """Return DCGAN's step on batches of the pipeline, or on one of them if `constant`."""
    case = networks.prepared("dcgan_28", batch_size, "float32")
    model = networks.model_of(case)
    loop.compile_model(model, "auto")
    batches = of_embedded(batch_size)
    dataset = batches.dataset()
    if constant:
        dataset = repeated(next(iter(dataset)))

    def run(steps: int) -> None:
        model.fit(dataset, steps_per_epoch=steps, verbose=0, shuffle=False)

    return Built(run, images=batches.images_per_step)


def folder(path: str, batch_size: int) -> Built:
    """Return the pipeline of a folder of images, decoded, then loaded from the cache."""
    seconds = []
    for _ in range(2):
        start = time.perf_counter()
        images = data.load(path)
        seconds.append(time.perf_counter() - start)
    decoded, cached = seconds
    batches = Batches(images.train, batch_size)
    return reading(batches, **{"first load": decoded, "load from the cache": cached})
