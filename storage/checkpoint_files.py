"""Files of checkpoints, without TensorFlow."""

import re
from pathlib import Path

from errors import UserError

INDEX, DATA = ".index", ".data-00000-of-00001"
LIST = "checkpoint"  # TensorFlow's list of the checkpoints
NAME = r"ckpt-(0|[1-9][0-9]{0,17})"
FILE = re.compile(rf"{NAME}(?:{re.escape(INDEX)}|{re.escape(DATA)})")
FOLDER_OF_TENSORFLOW = re.compile(rf"{NAME}_temp")
WRITTEN = re.compile(rf"{NAME}|{FILE.pattern}|{LIST}")  # names under which files are written


def path_of(directory: Path, step: int) -> Path:
    """Return the path of the checkpoint of a step, without suffix."""
    return directory / f"ckpt-{step}"


def files_of(directory: Path, step: int) -> tuple[Path, Path]:
    """Return the index and the data of the checkpoint of a step."""
    path = path_of(directory, step)
    return path.with_name(path.name + INDEX), path.with_name(path.name + DATA)


def delete(directory: Path, step: int) -> None:
    """Delete the checkpoint of a step, the index first, so that it is not complete any more."""
    for file in files_of(directory, step):
        file.unlink(missing_ok=True)


def steps_of(directory: Path) -> list[int]:
    """Return the steps of the complete checkpoints in a directory, the newest first.

    A checkpoint is complete if it has an index and data. Other files are ignored.
    """
    if not directory.is_dir():
        return []
    sizes = {file.name: file.stat().st_size for file in directory.iterdir() if file.is_file()}
    steps = {int(match[1]) for name in sizes if (match := FILE.fullmatch(name))}
    whole = [k for k in steps if all(sizes.get(file.name) for file in files_of(directory, k))]
    return sorted(whole, reverse=True)


def require_checkpoint(directory: Path, step: int) -> None:
    """Raise UserError unless a directory has a complete checkpoint of a step."""
    steps = steps_of(directory)
    if step not in steps:
        there = (
            f"there are those of {', '.join(map(str, sorted(steps)))}"
            if steps
            else "there are none"
        )
        raise UserError(f"{directory}: no checkpoint of step {step}; {there}", "step")


def remains(directory: Path) -> list[Path]:
    """Return the files of checkpoints in a directory that are not complete."""
    steps = steps_of(directory)
    found = sorted(directory.iterdir()) if directory.is_dir() else []
    return [
        file
        for file in found
        if (match := FILE.fullmatch(file.name)) and int(match[1]) not in steps and file.is_file()
    ]
