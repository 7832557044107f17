"""Numbers of classes, and labels that a training does not use."""

from collections.abc import Sequence

import numpy as np

from errors import UserError

UNKNOWN = -1
MOST_CLASSES = 2**16
_LABELS = 2**63  # random key above those of the epochs and steps of data.pipeline


def numbered(labels: Sequence[np.ndarray]) -> tuple[list[np.ndarray], tuple[str, ...]]:
    """Number labels by their ascending values.

    Args:
        labels: integers >= 0, one array per split.

    Returns:
        The numbers, int64 arrays of the same shapes, and the values as names of the classes.
    """
    values = np.unique(np.concatenate([array.astype(np.uint64) for array in labels]))
    numbers = [np.searchsorted(values, array.astype(np.uint64)) for array in labels]
    return [array.astype(np.int64) for array in numbers], tuple(map(str, values.tolist()))


def hide_labels(labels: np.ndarray, fraction: float, seed: int, option: str = "") -> np.ndarray:
    """Return labels of which a random fraction is kept and the others are -1.

    Args:
        labels: integers [n].
        fraction: share of the labels that are kept, from 0 to 1.
        seed: seed of the choice.
        option: name of the option of the fraction in errors.

    Raises:
        UserError: a fraction above 0 is less than one image.
    """
    if fraction == 1:
        return labels
    order = generator(seed, _LABELS).permutation(len(labels))
    known = round(fraction * len(order))
    if fraction and not known:
        raise UserError(
            f"{fraction} of {len(order)} images is less than one image; set a larger fraction, "
            "or 0",
            option,
        )
    kept = np.full(len(order), UNKNOWN, np.int64)
    kept[order[:known]] = labels[order[:known]]
    return kept


def generator(seed: int, key: int) -> np.random.Generator:
    """Return the random generator of a seed and a key, such as an epoch."""
    return np.random.Generator(np.random.Philox(key=[seed, key]))
