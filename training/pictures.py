"""Pictures of what a model makes of chosen latents."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import tensorflow as tf

import plotting
from errors import UserError
from models.abilities import ORDERED_DIMENSIONS, STYLES
from models.base import GenerativeModel, to_unit_range
from models.latents import (
    CATEGORY,
    CONTINUOUS,
    SHOWN_CLASSES,
    plane,
    truncate,
    with_code,
    with_each,
    with_value,
)

POINTS = 11  # of a traversal
PSIS = (0.0, 0.25, 0.5, 0.7, 0.85, 1.0, 1.25)  # of a sweep of truncation
DRAWS = 100  # of noise, whose deviation is drawn


def plane_grid(model: GenerativeModel, latents: dict[str, tf.Tensor], span: float) -> np.ndarray:
    """10 x 10 images over the first two dimensions of the first latent, from -span to span; all
    else is as in the one draw `latents`, name -> [1, d]. uint8 [H, W, c].

    Raises:
        UserError: it has only one dimension.
    """
    first = next(iter(model.latents.parts))
    if latents[first].shape[1] < 2:
        raise UserError("a plane needs two latent dimensions, and the model has one")
    repeated = {name: tf.repeat(part, 100, axis=0) for name, part in latents.items()}
    images = model.generate(repeated | {first: plane(latents[first][0], span, 10)})
    return plotting.grid(images, columns=10)


def reconstruction_grid(model: GenerativeModel, images: np.ndarray) -> np.ndarray:
    """Full rows of ten images, uint8 [n, h, w, c], or one of fewer, each above what the model makes
    of it again: uint8 [H, W, c].
    """
    columns = min(len(images), 10)
    images = images[: len(images) // columns * columns]
    again = plotting.to_uint8(model.reconstruct(to_unit_range(tf.constant(images))))
    rows = [x.reshape(-1, columns, *images.shape[1:]) for x in (images, again)]
    pairs = np.stack(rows, axis=1).reshape(-1, *images.shape[1:])
    labels = ["real", "reconstruction"] * len(rows[0])
    return plotting.grid(pairs, columns, row_labels=labels)


def traversals(
    model: GenerativeModel, span: float, seed: int, label: int | None = None
) -> Iterator[tuple[str, np.ndarray, list[np.ndarray]]]:
    """Each continuous code from -span to span, all else fixed; of a model without any, but with an
    order of its latent dimensions, the most active ten.

    Yields, for each code: its name; a picture, uint8 [H, W, c], of one draw, a row a category (or
    a row a draw, of a model without categories) and a column a value; and the frames of a film,
    uint8 [H, W, c] each, of one value each, of ten draws side by side. A model that is told the
    class draws that of the label. The dimensions are all in one picture, a row each, of one draw,
    and side by side in the film.

    Raises:
        UserError: a label is given, and the model is not class-conditional or has no such class.
    """
    draws = model.draw_latents(10, seed, label)
    values = np.linspace(-span, span, POINTS)
    columns = {"columns": POINTS, "column_labels": [f"{value:.2g}" for value in values]}
    if CONTINUOUS not in model.latents.parts:
        if model.lacks(ORDERED_DIMENSIONS):
            return
        dimensions = model.active_dimensions()[:10]
        one = {name: part[:1] for name, part in draws.items()}
        latents = [with_value(one, "noise", k, value) for k in dimensions for value in values]
        joined = {name: tf.concat([z[name] for z in latents], axis=0) for name in one}
        images = model.generate(joined)
        picture = plotting.grid(images, row_labels=[f"z{k}" for k in dimensions], **columns)
        of_values = images.reshape(len(dimensions), POINTS, *images.shape[1:]).swapaxes(0, 1)
        frames = [plotting.grid(each, columns=len(dimensions)) for each in of_values]
        yield f"active-span-{span:g}", picture, frames
        return
    category = f"{CATEGORY}0" in draws
    rows = draws
    if category:
        size = draws[f"{CATEGORY}0"].shape[1]
        rows = with_each(draws, f"{CATEGORY}0", tf.eye(min(size, SHOWN_CLASSES), size))
    for code in range(draws[CONTINUOUS].shape[1]):
        shown = np.stack([model.generate(with_code(rows, code, value)) for value in values])
        frames = [plotting.grid(images, columns=10) for images in shown]
        of_one = shown[:, :: 10 if category else 1]
        picture = plotting.grid(of_one.swapaxes(0, 1).reshape(-1, *shown.shape[2:]), **columns)
        yield f"code-{code}-span-{span:g}", picture, frames


def save_traversals(
    model: GenerativeModel, span: float, seed: int, folder: Path, label: int | None = None
) -> list[Path]:
    """Writes a PNG and a GIF there and back of each of `traversals`; returns their paths."""
    paths = []
    for name, picture, frames in traversals(model, span, seed, label):
        folder.mkdir(parents=True, exist_ok=True)
        paths += [folder / f"{name}.png", folder / f"{name}.gif"]
        plotting.save_image(paths[-2], picture)
        plotting.save_gif(paths[-1], frames + frames[-2:0:-1], fps=8, hold_last_seconds=0)
    return paths


def truncated(model: GenerativeModel, latents: dict[str, tf.Tensor], psi: float) -> np.ndarray:
    """Images of latents name -> [n, d], their styles truncated by psi: float32 in [-1, 1]; of a
    model with styles."""
    return model.images_of_styles(truncate(model.styles(latents), model.mean_style(), psi))


def truncation_sweep(model: GenerativeModel, seed: int) -> np.ndarray:
    """A row a draw, a column a psi of PSIS, from the mean style to beyond the draw: uint8
    [H, W, c]."""
    latents = model.draw_latents(8, seed)
    images = np.stack([truncated(model, latents, psi) for psi in PSIS], axis=1)
    labels = [f"{psi:g}" for psi in PSIS]
    return plotting.grid(images.reshape(-1, *images.shape[2:]), len(PSIS), column_labels=labels)


def mixing_tables(model: GenerativeModel, seed: int) -> Iterator[tuple[str, np.ndarray]]:
    """The styles of the images on top in some layers, those of the images on the left in all
    others: Karras et al. 2019, figure 3.

    Yields "coarse", "middle" and "fine" with a picture uint8 [H, W, c] each: the layers of the
    first third of the sizes, at least of one, those of the second, and the others.
    """
    w = model.styles(model.draw_latents(14, seed))
    left, top = w[:6], w[6:]
    sources, corner = model.images_of_styles(w), -np.ones((1, *model.image_shape), np.float32)
    layers, sizes = w.shape[1], w.shape[1] // 2
    bounds = [0, 2 * max(sizes // 3, 1), 2 * max(2 * sizes // 3, 2), layers]
    for name, first, end in zip(("coarse", "middle", "fine"), bounds, bounds[1:], strict=False):
        chosen = np.isin(np.arange(layers), np.arange(first, end))[None, None, :, None]
        mixed = tf.where(chosen, top[None], left[:, None])
        cells = model.images_of_styles(tf.reshape(mixed, [-1, *w.shape[1:]]))
        rows = np.concatenate([sources[:6, None], cells.reshape(6, 8, *model.image_shape)], axis=1)
        images = np.concatenate([corner, sources[6:], rows.reshape(-1, *model.image_shape)])
        yield name, plotting.grid(images, columns=9)


def noise_picture(model: GenerativeModel, seed: int) -> np.ndarray:
    """A row a draw: with the fixed noise, with three draws of it, the deviation of DRAWS of them
    (the mean over channels, white at the greatest of all), and without: after Karras et al. 2019,
    figures 4 and 5. uint8 [H, W, c]."""
    w = model.styles(model.draw_latents(6, seed))
    draws = np.stack([model.images_of_styles(w, noise_seed=k) for k in range(DRAWS)])
    deviation = np.broadcast_to(draws.std(axis=0).mean(axis=-1, keepdims=True), draws.shape[1:])
    deviation = 2.0 * deviation / max(deviation.max(), 1e-12) - 1.0
    columns = [model.images_of_styles(w), *draws[:3], deviation]
    columns.append(model.images_of_styles(w, noise=False))
    images = np.stack(columns, axis=1)
    labels = ["fixed", "draw 1", "draw 2", "draw 3", "deviation", "none"]
    return plotting.grid(images.reshape(-1, *images.shape[2:]), len(labels), column_labels=labels)


def save_style_pictures(model: GenerativeModel, seed: int, folder: Path) -> list[Path]:
    """Writes truncation.png, noise.png and mixing-coarse, -middle and -fine.png of a model with
    styles; returns their paths.

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
