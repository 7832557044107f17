"""Names of the random streams of augmentation.

Renaming a stream changes its draws, and therefore the result of every seed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import tensorflow as tf

# (name of a random stream, shape) -> a float32 tensor in [0, 1).
Uniform = Callable[[str, list], "tf.Tensor"]

# Prefixes for the augmented inputs of the discriminator; each has a stream per operation.
REAL = "augment real"
FAKE = "augment fake"
REAL_OF_GENERATOR = "augment real of generator"
FAKE_OF_GENERATOR = "augment fake of generator"
PENALTY = "augment penalty"

# Operations, the second part of a stream's name.
COLOUR = "colour"
TRANSLATION = "translation"
CUTOUT = "cutout"

# Copies of the consistency loss.
AFFINE_COPIES = "affine copies"
UPRIGHT_COPIES = "upright copies"

# Prefixes for the copies of clustering, and for those of the selection of a head; each has a stream
# per change.
COPIES = ("copies a", "copies b")
GENERATED_COPIES = "copies of generated"
FIXED_COPIES = ("fixed copies a", "fixed copies b")


def of_operation(stream: str, operation: str) -> str:
    """Return the name of the stream of one operation on one input, as "augment real colour"."""
    return f"{stream} {operation}"
