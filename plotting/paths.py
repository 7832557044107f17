"""Checks of file names."""

import os
import pathlib


def check_ending(path: str | os.PathLike, ending: str) -> pathlib.Path:
    """Return the path. Raises ValueError unless its name ends in `ending`, such as ".png"."""
    path = pathlib.Path(path)
    if path.suffix.lower() != ending:
        raise ValueError(f"{path}: the file name must end in {ending}")
    return path
