"""Labels that a training does not use."""

import numpy as np

from errors import UserError

UNKNOWN = -1
_LABELS = 2**63  # random key above those of the epochs and steps of data.pipeline


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
