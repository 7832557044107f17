"""Pictures of planes, reconstructions, categories, traversals and styles of a model."""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from PIL import Image

import plotting
from errors import UserError, printable, warn
from evaluation.categories import (
    CLUSTER_ACCURACY,
    CORNER,
    CORNER_WITH_CLASSES,
    with_classes,
)
from evaluation.record import FILE, stored_metrics
from models.abilities import LABEL, ORDERED_DIMENSIONS, STYLES
from models.base import GenerativeModel, to_unit_range
from models.latents import (
    CONTINUOUS,
    SHOWN_CLASSES,
    plane,
    truncate,
    with_code,
    with_each,
    with_value,
)
from storage.packages import Package
from storage.run_directory import STEP_PICTURE, RunDirectory

PLANE_SPANS = (1, 3)
RECONSTRUCTIONS = 10  # images per row
EPOCH_ROWS = 12  # maximum number of rows of reconstructions_by_epoch below the originals
CATEGORIES = "categories.png"
TRAVERSALS = "traversals"  # folder in a run
TRAVERSAL_SPANS = (1, 2)  # of the traversals of a run
PLANE_POINTS = 10  # values per dimension in a plane
POINTS = 11  # values per code in a traversal
PSIS = (0.0, 0.25, 0.5, 0.7, 0.85, 1.0, 1.25)  # columns of the truncation sweep
GENERATED = "generated"  # title of the sample grid
DRAWS = 100  # noise draws per standard deviation
FILM_BYTES = 500_000  # largest GIF of a traversal


class Picture(NamedTuple):
    """Picture uint8 [H, W, c] with its title and its files: of this step, and of the newest."""

    title: str
    pixels: np.ndarray
    kept: Path
    newest: Path


def picture(path: Path) -> np.ndarray | None:
    """Return a PNG file as uint8 [H, W, c]; None if it is missing, or damaged with a warning."""
    if not path.exists():
        return None
    try:
        with Image.open(path, formats=["PNG"]) as image:
            pixels = np.asarray(image.convert("RGB") if image.mode == "P" else image)
    except Exception as error:  # Pillow raises errors of many types for damaged files
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        warn(f"{path}: left out ({reason})")
        return None
    return pixels[..., None] if pixels.ndim == 2 else pixels


def number_label(value: float, digits: int = 2) -> str:
    """Return a number as a label with at least that many digits, without an exponent if large."""
    value = round(value, 6) + 0.0  # neither a rounding error of 0 nor -0
    return f"{value:.{digits}g}" if abs(value) < 10 ** (digits - 1) else f"{value:.0f}"


def plane_spans(model: GenerativeModel) -> list[int]:
    """Return the spans of the planes of a training, without those that leave a uniform prior."""
    limit = model.latents.limit(next(iter(model.latents.parts)))
    return [span for span in PLANE_SPANS if span <= limit]


def plane_grid(model: GenerativeModel, latents: dict[str, tf.Tensor], span: float) -> np.ndarray:
    """Return 10 x 10 images over the first two dimensions of the first latent, uint8 [H, W, c].

    The first dimension is constant within a row; the labels are the values.

    Args:
        model: any model.
        latents: one draw, name -> [1, d]; its other dimensions are kept.
        span: both dimensions range from -span to span.

    Raises:
        UserError: the first latent has only one dimension.
    """
    first = next(iter(model.latents.parts))
    if latents[first].shape[1] < 2:
        raise UserError("a plane requires two latent dimensions, the model has one")
    repeated = {name: tf.repeat(part, PLANE_POINTS**2, axis=0) for name, part in latents.items()}
    images = model.generate(repeated | {first: plane(latents[first][0], span, PLANE_POINTS)})
    values = [number_label(value) for value in np.linspace(-span, span, PLANE_POINTS)]
    return plotting.grid(
        images, PLANE_POINTS, row_labels=values, column_labels=values, corner="z0 ↓, z1 →"
    )


def reconstruction_grid(model: GenerativeModel, images: np.ndarray) -> np.ndarray:
    """Return rows of images, each row above its reconstructions, uint8 [H, W, c].

    Args:
        model: a model that reconstructs images.
        images: uint8 [n, h, w, c]; full rows of ten are drawn, or one row of fewer.
    """
    columns = min(len(images), RECONSTRUCTIONS)
    images = images[: len(images) // columns * columns]
    again = plotting.to_uint8(model.reconstruct(to_unit_range(tf.constant(images))))
    rows = [x.reshape(-1, columns, *images.shape[1:]) for x in (images, again)]
    pairs = np.stack(rows, axis=1).reshape(-1, *images.shape[1:])
    labels = ["real", "reconstruction"] * len(rows[0])
    return plotting.grid(pairs, columns, row_labels=labels)


def step_pictures(folder: Path) -> dict[int, Path]:
    """Return the pictures of the steps of a training in a folder, in the order of the steps."""
    found = folder.iterdir() if folder.is_dir() else ()
    steps = {int(match[1]): path for path in found if (match := STEP_PICTURE.fullmatch(path.name))}
    return dict(sorted(steps.items()))


def evenly_spaced(steps: Sequence[int], count: int) -> list[int]:
    """Return at most `count` of the steps: every k-th from the first on, and the last one."""
    every = max(1, -(-(len(steps) - 1) // (count - 1)))
    return [*steps[:-1:every], *steps[-1:]]


def reconstructions_by_epoch(
    run: RunDirectory, originals: np.ndarray, steps_per_epoch: int
) -> np.ndarray | None:
    """Return images above their reconstructions during a training, uint8 [H, W, c].

    A row has the reconstructions of one measurement, from its picture in reconstructions/ of the
    run. There are up to EPOCH_ROWS evenly spaced measurements; damaged pictures are left out.

    Args:
        run: the run directory.
        originals: uint8 [n, h, w, c], the images of `reconstruction_grid`; the first ten are drawn.
        steps_per_epoch: number of steps per epoch, for the labels.

    Returns:
        None if there are no pictures.
    """
    paths = step_pictures(run.reconstructions)
    columns = min(len(originals), RECONSTRUCTIONS)
    rows, labels = [originals[:columns]], ["real"]
    for step in evenly_spaced(list(paths), EPOCH_ROWS):
        if (sheet := picture(paths[step])) is None:
            continue
        with contextlib.suppress(ValueError):  # a picture of other images, or of one row
            _, reconstructed, *_ = plotting.cells(sheet, originals.shape[1:], columns)
            rows.append(reconstructed)
            labels.append(number_label(step / steps_per_epoch, digits=3))
    if len(rows) == 1:
        return None
    return plotting.grid(np.concatenate(rows), columns, row_labels=labels, corner="epoch")


def traversals(
    model: GenerativeModel,
    span: float,
    seed: int,
    label: int | None = None,
    category: int | None = None,
    names: Sequence[str] | None = None,
) -> Iterator[tuple[str, np.ndarray, list[np.ndarray]]]:
    """Yield traversals of the continuous codes: each from -span to span, all other latents fixed.

    For a model without continuous codes but with ordered latent dimensions, yield one traversal of
    the ten most active dimensions.

    Args:
        model: any model; nothing is yielded without codes and without ordered dimensions.
        span: largest value of a code.
        seed: seed of the ten draws.
        label: class of the draws of a class-conditional model.
        category: category of the draws of a model with a categorical code.
        names: names of the categories with their classes, if these are known.

    Yields:
        Tuples (name, picture, frames), such as ("code-0", ...). The picture, uint8 [H, W, c], has
        one column per value and one row per category of one draw (per draw for a model without
        categories and for one category; per dimension of one draw in a traversal of dimensions). A
        frame, uint8 [H, W, c], has one of the columns, its images side by side.

    Raises:
        UserError: as `GenerativeModel.draw_latents`.
    """
    draws = model.draw_latents(10, seed, label, category)
    values = np.linspace(-span, span, POINTS)
    columns = {"columns": POINTS, "column_labels": [number_label(value) for value in values]}
    if CONTINUOUS not in model.latents.parts:
        if model.lacks(ORDERED_DIMENSIONS):
            return
        dimensions = model.active_dimensions()[:10]
        one = {name: part[:1] for name, part in draws.items()}
        latents = [with_value(one, "noise", k, value) for k in dimensions for value in values]
        joined = {name: tf.concat([z[name] for z in latents], axis=0) for name in one}
        images = model.generate(joined)
        rows = {"row_labels": [f"z{k}" for k in dimensions], "corner": "dimension"}
        picture = plotting.grid(images, **rows, **columns)
        per_value = images.reshape(len(dimensions), POINTS, *images.shape[1:]).swapaxes(0, 1)
        frames = [plotting.grid(each, columns=len(dimensions)) for each in per_value]
        yield "active", picture, frames
        return
    rows, labels = draws, {"row_labels": range(len(draws[CONTINUOUS])), "corner": "draw"}
    if (varied := next(iter(model.latents.categorical), None)) and category is None:
        size = draws[varied].shape[1]
        first = {name: part[:1] for name, part in draws.items()}
        rows = with_each(first, varied, tf.eye(min(size, SHOWN_CLASSES), size))
        labels = category_labels(min(size, SHOWN_CLASSES), names)
    for code in range(draws[CONTINUOUS].shape[1]):
        shown = np.stack([model.generate(with_code(rows, code, value)) for value in values])
        frames = [plotting.grid(images, columns=min(len(images), 10)) for images in shown]
        images = shown.swapaxes(0, 1).reshape(-1, *shown.shape[2:])
        yield f"code-{code}", plotting.grid(images, **labels, **columns), frames


def names_of_categories(trained: RunDirectory | Package, step: int) -> list[str] | None:
    """Return the names of the categories with the classes that they match.

    Args:
        trained: a run, whose evaluation.json is read, or a package, whose description is read.
        step: step of the checkpoint.

    Returns:
        None if the categories are not measured.
    """
    if isinstance(trained, Package):
        found = [trained.read_config()["metrics"]]
    else:
        folders = (trained.path, trained.path / f"evaluation-step-{step}")
        found = [stored_metrics(folder) for folder in folders]
    for metrics in found:
        protocol = metrics.get(CLUSTER_ACCURACY, {}).get("protocol", {})
        if protocol.get("checkpoint_step") == step and (names := with_classes(protocol)):
            return names
    return None


def category_labels(number: int, names: Sequence[str] | None) -> dict:
    """Return the labels of a grid with one row per category, up to a number of categories.

    Args:
        number: number of rows.
        names: names of the categories with their classes; None or too few: their numbers.
    """
    if names is None or len(names) < number:
        return {"row_labels": range(number), "corner": CORNER}
    return {"row_labels": [*map(printable, names[:number])], "corner": CORNER_WITH_CLASSES}


def save_categories(
    model: GenerativeModel, folder: Path, names: Sequence[str] | None = None
) -> list[Path]:
    """Write categories.png: the sample grid with a labelled row per category; return its path.

    Nothing is written for a model without categorical codes and classes. The rows of a
    class-conditional model are classes.

    Args:
        model: any model.
        folder: folder of the picture.
        names: names of the categories with their classes, or of the classes, if they are known.
    """
    latents, columns = model.picture_latents()
    part = next((name for name in (LABEL, *model.latents.categorical) if name in latents), None)
    if part is None:
        return []
    number = len(latents[part]) // columns
    labels = category_labels(number, names)
    if part == LABEL:
        labels["corner"] = "class"
    path = folder / CATEGORIES
    plotting.save_image(path, plotting.grid(model.generate(latents), columns, **labels))
    return [path]


def save_traversals(
    model: GenerativeModel,
    span: float,
    seed: int,
    folder: Path,
    label: int | None = None,
    names: Sequence[str] | None = None,
) -> list[Path]:
    """Write the traversals of a span to a folder, such as code-0-span-1.png; return their paths.

    The arguments are those of `traversals`.
    """
    found = traversals(model, span, seed, label, names=names)
    return [
        path
        for name, *drawn in found
        for path in save_traversal(folder / traversal_name(name, span), *drawn)
    ]


def traversal_name(name: str, span: float) -> str:
    """Return the name of the files of a traversal, without ending."""
    return f"{name}-span-{span:g}"


def save_traversal(place: Path, picture: np.ndarray, frames: list[np.ndarray]) -> list[Path]:
    """Write a PNG and a GIF, played forwards and backwards, of a traversal; return their paths.

    Args:
        place: path without ending.
        picture: uint8 [H, W, c].
        frames: uint8 [H, W, c] each.
    """
    paths = [Path(f"{place}.png"), Path(f"{place}.gif")]
    place.parent.mkdir(parents=True, exist_ok=True)
    plotting.save_image(paths[0], picture)
    there_and_back = frames + frames[-2:0:-1]
    plotting.save_gif(paths[1], there_and_back, 8, hold_last_seconds=0, limit=FILM_BYTES)
    return paths


def label_matches(model: GenerativeModel, run: RunDirectory | Package, folder: Path) -> None:
    """Label categories with the classes that they match in the evaluation in a folder.

    Writes categories.png to the folder, and in that of the run also the pictures of its traversals
    if they are of the step of the model. Pictures that are newer than the evaluation are kept.

    Args:
        model: the model of the run.
        run: a run, or a package.
        folder: folder of evaluation.json.
    """
    names = with_classes(stored_metrics(folder).get(CLUSTER_ACCURACY, {}).get("protocol", {}))
    drawn = folder / CATEGORIES
    current = drawn.exists() and drawn.stat().st_mtime_ns > (folder / FILE).stat().st_mtime_ns
    if names is None or current:
        return
    of_run = isinstance(run, RunDirectory) and folder == run.outputs
    if of_run and (traversed := folder / TRAVERSALS).is_dir():
        step = int(model.step)
        # A run of an earlier version has no status.
        spans = TRAVERSAL_SPANS if run.status().get("finished", step) == step else ()
        for span in spans:
            for name, pixels, _ in traversals(model, span, 0, names=names):
                plotting.save_image(traversed / f"{traversal_name(name, span)}.png", pixels)
    save_categories(model, folder, names)


def generate_truncated(
    model: GenerativeModel, latents: dict[str, tf.Tensor], psi: float
) -> np.ndarray:
    """Return images of latents name -> [n, d], their styles truncated: float32 in [-1, 1].

    Args:
        model: a style-based model.
        latents: name -> [n, d].
        psi: 1 for no truncation, 0 for the mean style.
    """
    return model.images_of_styles(truncate(model.styles(latents), model.mean_style(), psi))


def truncation_sweep(model: GenerativeModel, seed: int) -> np.ndarray:
    """Return images with one row per draw and one column per truncation psi, uint8 [H, W, c]."""
    latents = model.draw_latents(8, seed)
    images = np.stack([generate_truncated(model, latents, psi) for psi in PSIS], axis=1)
    labels = {"column_labels": [f"{psi:g}" for psi in PSIS], "row_labels": range(len(images))}
    pixels = images.reshape(-1, *images.shape[2:])
    return plotting.grid(pixels, len(PSIS), corner="draw ↓, psi →", **labels)


def mixing_tables(model: GenerativeModel, seed: int) -> Iterator[tuple[str, np.ndarray]]:
    """Yield tables of mixed styles: Karras et al. 2019, figure 3.

    A cell has the styles of the image at the top of its column in some layers, and those of the
    image at the left of its row in all other layers.

    Yields:
        Tuples (name, picture uint8 [H, W, c]): "coarse" with the layers of the first third of the
        resolutions, "middle" with those of the second, "fine" with the others.
    """
    w = model.styles(model.draw_latents(14, seed))
    left, top = w[:6], w[6:]
    sources, corner = model.images_of_styles(w), np.ones((1, *model.image_shape), np.float32)
    layers, sizes = w.shape[1], w.shape[1] // 2
    bounds = [0, 2 * max(sizes // 3, 1), 2 * max(2 * sizes // 3, 2), layers]
    for name, first, end in zip(("coarse", "middle", "fine"), bounds, bounds[1:], strict=False):
        chosen = np.isin(np.arange(layers), np.arange(first, end))[None, None, :, None]
        mixed = tf.where(chosen, top[None], left[:, None])
        cells = model.images_of_styles(tf.reshape(mixed, [-1, *w.shape[1:]]))
        rows = np.concatenate([sources[:6, None], cells.reshape(6, 8, *model.image_shape)], axis=1)
        images = np.concatenate([corner, sources[6:], rows.reshape(-1, *model.image_shape)])
        rows = [f"B: {name} layers", *(f"A{k}" for k in range(6))]
        columns = ["A", *(f"B{k}" for k in range(8))]
        labels = {"row_labels": rows, "column_labels": columns, "corner": "A: other layers"}
        yield name, plotting.grid(images, columns=9, **labels)


def noise_picture(model: GenerativeModel, seed: int) -> np.ndarray:
    """Return the effect of noise on images of six latents: Karras et al. 2019, figures 4 and 5.

    A row per latent, uint8 [H, W, c]: the image with fixed noise, with three noise draws, the
    standard deviation over DRAWS noise draws (mean over channels, white at the largest of all
    rows), and the image without noise.
    """
    w = model.styles(model.draw_latents(6, seed))
    draws = np.stack([model.images_of_styles(w, noise_seed=k) for k in range(DRAWS)])
    deviation = np.broadcast_to(draws.std(axis=0).mean(axis=-1, keepdims=True), draws.shape[1:])
    deviation = 2.0 * deviation / max(deviation.max(), 1e-12) - 1.0
    columns = [model.images_of_styles(w), *draws[:3], deviation]
    columns.append(model.images_of_styles(w, noise=False))
    images = np.stack(columns, axis=1)
    labels = ["fixed", "draw 1", "draw 2", "draw 3", "std", "none"]
    rows = {"row_labels": range(len(images)), "corner": "latent ↓, noise →"}
    pixels = images.reshape(-1, *images.shape[2:])
    return plotting.grid(pixels, len(labels), column_labels=labels, **rows)


def save_style_pictures(model: GenerativeModel, seed: int, folder: Path) -> list[Path]:
    """Write truncation.png, noise.png and mixing-{coarse,middle,fine}.png; return their paths.

    Raises:
        UserError: the model has no styles.
    """
    model.require(STYLES)
    pictures = {"truncation": truncation_sweep(model, seed), "noise": noise_picture(model, seed)}
    pictures |= {f"mixing-{name}": table for name, table in mixing_tables(model, seed)}
    folder.mkdir(parents=True, exist_ok=True)
    for name, picture in pictures.items():
        plotting.save_image(folder / f"{name}.png", picture)
    return [folder / f"{name}.png" for name in pictures]
