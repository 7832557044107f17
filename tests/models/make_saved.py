"""Write tests/models/saved/keras-VERSION.keras, a trained model in the format of this Keras."""

import pathlib

import keras
import numpy as np

from models import WGANGP  # a schedule, and more than one optimizer

FOLDER = pathlib.Path(__file__).parent / "saved"
SMALL = {"network": "mlp", "width": 2, "depth": 1, "noise_dim": 2, "n_critic": 1}


def pictures(n: int = 8) -> np.ndarray:
    """Return n random images."""
    return np.random.default_rng(0).integers(0, 256, (n, 4, 4, 1), dtype=np.uint8)


def trained() -> keras.Model:
    """Return a model after 2 of 4 steps, in which its learning rate falls."""
    keras.utils.set_random_seed(1)
    model = WGANGP((4, 4, 1), schedule="g_learning_rate:linear:1e-2:1e-3", **SMALL)
    model.before_training(8, 16)
    model.compile()
    model.fit(pictures(), batch_size=4, shuffle=False, verbose=0)
    return model


if __name__ == "__main__":
    version = ".".join(keras.__version__.split(".")[:2])
    trained().save(FOLDER / f"keras-{version}.keras")
