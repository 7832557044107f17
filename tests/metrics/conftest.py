"""The test images of MNIST, and the shipped classifier of them."""

import numpy as np
import pytest


@pytest.fixture(scope="session")
def mnist_test():
    """The test images of MNIST, uint8 [10000, 28, 28, 1], and their labels."""
    from data.arrays import MNIST

    with np.load(MNIST) as arrays:
        return arrays["x_test"][..., None], arrays["y_test"]


@pytest.fixture(scope="session")
def shipped():
    """The shipped classifier of digits."""
    from evaluation.features import classifier

    return classifier.load_digits()
