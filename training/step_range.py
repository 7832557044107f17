"""Range of steps that an option gives. Does not import TensorFlow."""

import re

from errors import UserError


def step_range(text: str, total: int | None, option: str) -> tuple[int, int] | None:
    """Return the first and the last step of a range A,B; None for an empty text.

    Args:
        text: value of the option.
        total: last step of the training; None if it is not known yet.
        option: name of the option.

    Raises:
        UserError: the text is no range from 1 on, or the range ends after the last step.
    """
    if not text:
        return None
    found = re.fullmatch(r"([0-9]{1,18}),([0-9]{1,18})", text.replace(" ", ""))
    first, last = map(int, found.groups()) if found else (0, 0)
    if not 1 <= first <= last:
        raise UserError(f"expected A,B with 1 <= A <= B, such as 20,30, got {text}", option)
    if total is not None and last > total:
        raise UserError(f"expected steps up to {total}, the last one, got {text}", option)
    return first, last
