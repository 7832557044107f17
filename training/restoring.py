"""TensorBoard's summaries of the step from which a training resumes, from the files of the run.

A kill may end a training between the record of a step and its summary. `Events` therefore lets
TensorBoard forget those of the step from which a training resumes, and they are written again.
"""

import re

import numpy as np

from storage.run_directory import RunDirectory
from training.callbacks import SPEED
from training.curves import POSITION
from training.events import Events
from training.pictures import picture


def restore_summaries(run: RunDirectory, events: Events, step: int) -> bool:
    """Write the summaries of the records and pictures of a step.

    Args:
        run: the run directory.
        events: TensorBoard's summaries, without any of the step.
        step: the step of the checkpoint from which the training resumes.

    Returns:
        Whether the pictures of the step are complete: the sample grid, which is the last to be
        written, can be read. If not, no picture is written.
    """
    for record in run.records():
        if record["step"] == step:
            events.scalars(step, scalars_of(record))
    pictures = pictures_of(run, step)
    events.images(step, pictures)
    return bool(pictures)


def scalars_of(record: dict[str, float]) -> dict[str, float]:
    """Return the scalars of a record; those of an evaluation are without its position."""
    position = POSITION[:1] if record.keys() & {*SPEED.names} else POSITION
    return {name: value for name, value in record.items() if name not in position}


def pictures_of(run: RunDirectory, step: int) -> dict[str, np.ndarray]:
    """Return the pictures of a step, uint8 [H, W, c], by title; {} without a sample grid."""
    name = f"step-{step:07}.png"
    if (samples := picture(run.samples / name)) is None:
        return {}
    paths = {"reconstructions": run.reconstructions / name}
    for path in sorted(run.planes.glob(f"span-*-{name}")):
        paths[f"plane {re.match('span-([0-9]+)', path.name)[1]}"] = path
    others = {title: picture(path) for title, path in paths.items()}
    found = {title: pixels for title, pixels in others.items() if pixels is not None}
    return {**found, "samples": samples}
