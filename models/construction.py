"""Global state of Keras and Python while a model is built."""

import contextlib
import random
from collections.abc import Iterator

import keras


@contextlib.contextmanager
def default_dtype_policy(policy: str | keras.DTypePolicy) -> Iterator[None]:
    """Set the dtype policy of new layers within the block."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


@contextlib.contextmanager
def same_random_state() -> Iterator[None]:
    """Restore, after the block, the random state from which layers draw their initial weights."""
    before = random.getstate()
    try:
        yield
    finally:
        random.setstate(before)
