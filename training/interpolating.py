"""Interpolations of generate.py: their options, and images on paths between latents or styles.

The options can be imported without TensorFlow.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from errors import UserError
from evaluation.reference import BATCH, counted
from fields import field, listed
from models.priors import LINEAR, SPHERICAL
from training.classes import class_of

if TYPE_CHECKING:
    import tensorflow as tf

    from models.base import GenerativeModel
    from training.drawing import GenerateOptions

AUTO, STYLE_PATH = "auto", "styles"
PATHS = (AUTO, SPHERICAL, LINEAR, STYLE_PATH)


def parsed_seeds(text: str) -> str:
    """Return seeds, separated by commas, without blanks; "" for none.

    Raises:
        UserError: there is only one, or one is no integer from 0 to 2^31 - 1.
    """
    seeds = listed(text)
    if not text:
        return ""
    valid = all(seed.isascii() and seed.isdigit() and len(seed) <= 10 for seed in seeds)
    if len(seeds) < 2 or not valid or max(map(int, seeds)) >= 2**31:
        raise UserError(f"expected at least two seeds, such as 3,7,12, got {text}")
    return ",".join(seeds)


TRUNCATION = field(
    1.0,
    "truncation psi of a style-based model: 1: no truncation; 0: the mean style for all images "
    "(Karras et al. 2019, appendix B)",
    group="images",
    at_least=0,
)
INTERPOLATION = {
    "n": field(64, "number of rows, each between two latents", group="images", at_least=1),
    "truncation": TRUNCATION,
    "path": field(
        AUTO,
        "interpolation path: linear or spherical between latents z, or styles: linear between "
        "styles w; auto: spherical for a normal prior, linear for a uniform one, which a spherical "
        "path leaves",
        group="interpolation",
        choices=PATHS,
    ),
    "frames": field(
        10, "images per row, including both ends", group="interpolation", at_least=2
    ),
    "seeds": field(
        "",
        "seeds of latents, such as 3,7,12, instead of n and seed: the path goes through the first "
        "latent of each seed in turn, a row from one to the next; repeat the first seed at the end "
        "to close the path",
        group="interpolation",
        convert=parsed_seeds,
    ),
}  # fmt: skip


def truncates(options: "GenerateOptions") -> bool:
    """Return whether styles are truncated."""
    return options.truncation not in (None, 1.0)


def generate(
    model: "GenerativeModel", options: "GenerateOptions", latents: dict[str, "tf.Tensor"]
) -> np.ndarray:
    """Return images of latents name -> [n, d], truncated if selected: float32 [n, h, w, c]."""
    return np.concatenate([*batches_of(model, options, latents)])


def batches_of(
    model: "GenerativeModel", options: "GenerateOptions", latents: dict[str, "tf.Tensor"]
) -> Iterator[np.ndarray]:
    """Yield the images of `generate` in batches, with a count: float32 [b, h, w, c]."""
    if truncates(options):
        styles = truncated_styles(model, options, latents)
        return style_batches(model, styles)
    return counted(model.generate_batches(latents), len(next(iter(latents.values()))), "images")


def truncated_styles(
    model: "GenerativeModel", options: "GenerateOptions", latents: dict[str, "tf.Tensor"]
) -> "tf.Tensor":
    """Return the styles [n, layers, d] of latents name -> [n, d], truncated."""
    from models.latents import truncate

    return truncate(model.styles(latents), model.mean_style(), options.truncation)


def images_of_styles(model: "GenerativeModel", w: "np.ndarray | tf.Tensor") -> np.ndarray:
    """Return the images of styles [n, layers, d], with a count: float32 [n, h, w, c]."""
    return np.concatenate([*style_batches(model, w)])


def style_batches(model: "GenerativeModel", w: "np.ndarray | tf.Tensor") -> Iterator[np.ndarray]:
    """Yield the images of `images_of_styles` in batches."""
    parts = (w[start : start + BATCH] for start in range(0, len(w), BATCH))
    return counted(map(model.images_of_styles, parts), len(w), "images")


def ends_of(
    model: "GenerativeModel", options: "GenerateOptions"
) -> tuple[dict[str, "tf.Tensor"], dict[str, "tf.Tensor"]]:
    """Return the latents at the start and at the end of each row, name -> [rows, d]."""
    of_class = {"label": class_of(options), "category": options.category}
    if not options.seeds:
        drawn = model.draw_latents(2 * options.n, options.seed, **of_class)
        starts = {name: part[: options.n] for name, part in drawn.items()}
        return starts, {name: part[options.n :] for name, part in drawn.items()}
    through = [model.draw_latents(1, int(seed), **of_class) for seed in listed(options.seeds)]
    parts = {name: np.concatenate([z[name] for z in through]) for name in through[0]}
    starts = {name: part[:-1] for name, part in parts.items()}
    return starts, {name: part[1:] for name, part in parts.items()}


def interpolate_latents(
    model: "GenerativeModel",
    options: "GenerateOptions",
    starts: dict[str, "tf.Tensor"],
    ends: dict[str, "tf.Tensor"],
) -> np.ndarray:
    """Return the images between latents name -> [rows, d]: float32 [rows frames, h, w, c].

    Parts that a spherical path leaves (classes, categorical codes and uniform parts) are always
    interpolated linearly.
    """
    from models.latents import interpolate

    points = {
        name: interpolate(
            part,
            ends[name],
            options.frames,
            LINEAR if options.path == LINEAR else model.latents.path(name),
        )
        for name, part in starts.items()
    }
    points = {k: np.reshape(v, (-1, v.shape[-1])) for k, v in points.items()}
    return generate(model, options, points)


def interpolate_styles(
    model: "GenerativeModel",
    options: "GenerateOptions",
    starts: dict[str, "tf.Tensor"],
    ends: dict[str, "tf.Tensor"],
) -> np.ndarray:
    """Return the images on the chords between the styles of latents name -> [rows, d].

    float32 [rows frames, h, w, c], row by row.
    """
    from models.latents import interpolate

    w, w_end = (truncated_styles(model, options, z) for z in (starts, ends))
    first, last = (np.reshape(styles, (len(styles), -1)) for styles in (w, w_end))
    points = interpolate(first, last, options.frames, LINEAR)
    return images_of_styles(model, np.reshape(points, (-1, *w.shape[1:])))
