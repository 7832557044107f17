"""The names of the files that are drawn."""

import os
import pathlib


def check_ending(path: str | os.PathLike, ending: str) -> pathlib.Path:
    """The path, or a ValueError unless its name ends in `ending`, such as ".png"."""
    path = pathlib.Path(path)
    if path.suffix.lower() != ending:
        raise ValueError(f"{path}: the file's name must end in {ending}")
    return path
