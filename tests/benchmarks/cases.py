"""Contestants and a case that are quick to build."""

import time

from benchmarks.compare.cases import Case, Convolutional
from benchmarks.compare.contestants import Built, Contestant

TINY = Case(
    name="tiny",
    title="tiny networks",
    model="dcgan",
    image_shape=(8, 8, 1),
    layers=Convolutional(strides=(2, 2), channels=(2, 3), kernel_size=4, first=4),
    hyperparameters={"noise_dim": 3},
    batch_size=4,
)
TINY_WGAN_GP = Case(
    name="tiny_wgan_gp",
    title="tiny networks of WGAN-GP",
    model="wgan_gp",
    image_shape=(8, 8, 1),
    layers=TINY.layers,
    hyperparameters={"noise_dim": 3, "n_critic": 2},
    batch_size=4,
)


def sleeping(seconds: float, multiple: int = 1) -> Built:
    """Return a contestant whose steps sleep."""
    print("a library prints to the standard output")

    def run(steps):
        assert steps % multiple == 0
        time.sleep(steps * seconds)

    return Built(run, images=10, multiplications=7, multiple=multiple)


def failing() -> Built:
    """Return nothing."""
    raise RuntimeError("out of luck")


def contestant(name, function="sleeping", **arguments) -> Contestant:
    """Return a contestant that this module builds."""
    return Contestant(name, f"tests.benchmarks.cases:{function}", arguments, own=True)
