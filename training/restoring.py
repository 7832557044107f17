"""TensorBoard's summaries of the step from which a training resumes, from the files of the run.

A kill may end a training after the record of a step and before its summary. `Events` therefore lets
TensorBoard forget those of the step from which a training resumes, and they are written again. If a
run has no summaries with folders, since it is of an earlier version or was copied without them,
those of all its steps are written; the tags of an earlier version stay.
"""

import contextlib
import re

import numpy as np

from storage.run_directory import STEP_PICTURE, RunDirectory
from training.callbacks import SPEED
from training.curves import POSITION
from training.events import GROUPED, Events
from training.pictures import GENERATED, picture


def first_step_to_restore(run: RunDirectory, step: int) -> int:
    """Return the first step whose summaries must be written if a training begins at a step.

    Before step 0, the event files of a killed training are deleted: TensorBoard would show the
    HParams of that training.
    """
    earlier = list(run.path.glob(f"events.out.tfevents.*{GROUPED}"))
    for path in () if step else earlier:
        with contextlib.suppress(OSError):
            path.unlink()
    return step if earlier else 0


def restore_summaries(run: RunDirectory, events: Events, first: int, step: int) -> bool:
    """Write the summaries of the records and pictures of steps.

    Args:
        run: the run directory.
        events: TensorBoard's summaries, without any of these steps.
        first: the first of these steps.
        step: the last one, that of the checkpoint from which the training resumes.

    Returns:
        Whether the pictures of the last step are complete: the sample grid, which is the last to be
        written, can be read. If not, no picture is written.
    """
    for record in run.records():
        if first <= record["step"] <= step:
            events.scalars(record["step"], scalars_of(record))
    for at in sorted({*sampled_steps(run), step}):
        if first <= at <= step:
            drawn = pictures_of(run, at)
            events.images(at, drawn)
    return bool(drawn)


def sampled_steps(run: RunDirectory) -> list[int]:
    """Return the steps with a sample grid."""
    names = [path.name for path in run.samples.glob("*.png")]
    return [int(match[1]) for name in names if (match := STEP_PICTURE.fullmatch(name))]


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
    return {**found, GENERATED: samples}
