"""Pictures, films and the exported generator at the end of a run."""

from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np

import plotting
from models import layers
from models.abilities import LABEL, RECONSTRUCT, STYLES
from models.base import GenerativeModel
from storage.files import replacing
from storage.run_directory import RunDirectory
from training import callbacks, hparams
from training.curves import draw_curves
from training.events import Events
from training.pictures import (
    TRAVERSAL_SPANS,
    TRAVERSALS,
    names_of_categories,
    picture,
    reconstructions_by_epoch,
    save_categories,
    save_style_pictures,
    save_traversals,
    step_pictures,
)
from waiting import waiting

GIF_FRAMES = 100


def finish(
    run: RunDirectory,
    model: GenerativeModel,
    events: Events,
    class_names: Sequence[str],
    originals: np.ndarray,
    steps_per_epoch: int,
) -> None:
    """Write curves.png, progress.gif, pictures of latents and the exported generator.

    The run is then marked as finished.

    Args:
        run: the run directory.
        model: the trained model.
        events: TensorBoard's summaries.
        class_names: names of the classes of the data set.
        originals: uint8 [n, h, w, c], the images whose reconstructions are drawn.
        steps_per_epoch: number of steps per epoch.
    """
    reconstructions = ["reconstructions.png"] * (not model.lacks(RECONSTRUCT))
    listed, step = ["samples.png", *reconstructions, "curves.png"], int(model.step.numpy())
    traversed, styled = [], []
    with run.optional("pictures"), waiting("drawing pictures and films"):
        draw_curves(run)
        if frames := frames_of(run):
            plotting.save_gif(run.path / "progress.gif", frames, fps=max(2, len(frames) / 10))
        rows = reconstructions_by_epoch(run, originals, steps_per_epoch)
        if rows is not None:
            listed.append("reconstructions-by-epoch.png")
            plotting.save_image(run.path / listed[-1], rows)
        names = class_names or None
        if LABEL not in model.latents.parts:
            names = names_of_categories(run, int(model.step.numpy()))
        listed += [path.name for path in save_categories(model, run.path, names)]
        folder = run.path / TRAVERSALS
        for span in TRAVERSAL_SPANS:
            traversed += save_traversals(model, span, 0, folder, None, names)
        listed += [f"{folder.name}/"] * bool(traversed)
        if not model.lacks(STYLES):
            styled = save_style_pictures(model, 0, run.path / "styles")
            listed.append("styles/")
    paths = [path for path in (*traversed, *styled) if path.suffix == ".png"]
    shown = {f"{path.parent.name}/{path.stem}": picture(path) for path in paths}
    events.images(step, {name: pixels for name, pixels in shown.items() if pixels is not None})
    if (curves := picture(run.path / "curves.png")) is not None:
        events.images(step, {"curves": curves}, folder=callbacks.PROGRESS.folder)
    events.hparams(step, hparams.end_summaries())
    events.flush()
    with waiting("exporting the generator"):
        export(layers.plain(model.generator_network()), run.export)
    run.set_status(finished=step)
    print(f"done: {', '.join(listed)}, progress.gif and export/ are in {run.path}")


def export(network: keras.Model, folder: Path) -> None:
    """Write generator.keras and saved_model/ to a folder; a failure leaves the earlier ones."""
    with replacing(folder / "generator.keras") as path:
        network.save(path)
    with replacing(folder / "saved_model") as path:
        network.export(str(path), verbose=False)


def frames_of(run: RunDirectory) -> list[np.ndarray]:
    """Return up to GIF_FRAMES sample grids of a run, uint8 [H, W, c], all of one shape.

    Damaged pictures, and those of another shape than the last one, are left out.
    """
    paths = list(step_pictures(run.samples).values())
    kept = np.linspace(0, len(paths) - 1, min(len(paths), GIF_FRAMES)).round().astype(int)
    found = [picture(paths[k]) for k in kept]
    drawn = [pixels for pixels in found if pixels is not None]
    kind = [(pixels.shape, pixels.dtype) for pixels in drawn]
    return [pixels for pixels, one in zip(drawn, kind, strict=True) if one == kind[-1]]
