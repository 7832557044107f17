"""An empty cache, small data sets, the test images of MNIST and the shipped classifier of them."""

import numpy as np
import pytest

from tests.evaluation.cases import data_of, of_pixels, pictures


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """The folder of statistics in an empty cache."""
    monkeypatch.setenv("GAN_ZOO_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "statistics"


@pytest.fixture
def unlabelled():
    """300 training and 120 test images."""
    return data_of(pictures(300, 1), pictures(120, 2))


@pytest.fixture
def labelled():
    """280 training and 120 test images of 4 classes."""
    return data_of(pictures(280, 1, classes=4), pictures(120, 2, classes=4), classes=4)


@pytest.fixture
def extractor():
    """A network whose features are pixels."""
    return of_pixels()


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
