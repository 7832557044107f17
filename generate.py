"""Draws from a trained run: python generate.py --run runs/dcgan-mnist --output grid. See --help."""

import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

import plotting
from cli import flags
from errors import UserError
from fields import field
from storage.run_directory import RunDirectory

USAGE = """usage: python generate.py --run DIR [--flag value ...]

Draws from the last checkpoint of a run. Flags with their defaults:
"""


@dataclasses.dataclass(frozen=True)
class GenerateOptions:
    """What to draw, and where to."""

    run: str = field("", "the run directory to draw from", group="what")
    output: str = field(
        "grid",
        "images: one PNG file each; npz: one array images, uint8 [n, h, w, c]; grid: a picture; "
        "interpolation: a picture, a row a pair of latents, and a GIF; plane: a picture of the "
        "images over the first two latent dimensions; traversal: of each continuous code a "
        "picture, a row a category, and a GIF; of an autoencoder of the ten most active "
        "dimensions; styles: of a model with styles pictures of truncation, of mixed styles and of "
        "noise",
        group="what",
        choices=("images", "npz", "grid", "interpolation", "plane", "traversal", "styles"),
    )
    outdir: str = field("", "where to; else generated/ in the run directory", group="what")
    n: int = field(64, "how many images, or rows of an interpolation", group="what", at_least=1)
    seed: int = field(0, "of the latents", group="what", at_least=0, at_most=2**31 - 1)
    label: int | None = field(
        None, "the class of all images, of a model that is told it", group="what", at_least=0
    )
    truncation: float = field(
        1.0,
        "psi of a model with styles: 1 leaves them as they are, 0 gives the mean style (Karras et "
        "al. 2019, appendix B)",
        group="what",
        at_least=0,
    )
    path: str = field(
        "spherical",
        "of an interpolation: along the chord, or along the great circle, of latents; or along the "
        "chord of their styles w",
        group="interpolation",
        choices=("linear", "spherical", "styles"),
    )
    frames: int = field(
        10, "images between two latents, both included", group="interpolation", at_least=2
    )
    span: float | None = field(
        None,
        "both dimensions of a plane (else 3), or the code of a traversal (else 1), go from minus "
        "this to this",
        group="plane and traversal",
        above=0,
    )


def main(argv: Sequence[str]) -> int:
    """Runs the command line `argv` (without the program's name); returns the exit code."""
    if flags.wants_help(argv):
        print(f"{USAGE}\n{flags.describe(GenerateOptions)}")
        return 0
    options = GenerateOptions(**flags.given(argv, GenerateOptions))
    if not options.run:
        raise UserError("--run: say which run directory to draw from")
    check_output(options)
    RunDirectory(options.run).read_config()
    from training.setup import load_run

    _, _, model = load_run(options.run)
    model.draw_latents(1, options.seed, options.label)
    check_styles(model, options)
    check_traversal(model, options)
    outdir = Path(options.outdir or Path(options.run) / "generated")
    try:
        outdir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"--outdir={outdir}: cannot write there ({error.strerror})") from None
    for path in OUTPUTS[options.output](model, options, outdir):
        print(path)
    return 0


def check_output(options: GenerateOptions) -> None:
    """Raises UserError if an option is given that means nothing to what is drawn."""
    for spec in dataclasses.fields(options):
        outputs = OUTPUTS_WITH.get(spec.name, OUTPUTS)
        if options.output not in outputs and getattr(options, spec.name) != spec.default:
            raise UserError(
                f"--{spec.name}: --output={options.output} has none; {', '.join(outputs)} "
                f"{'has' if len(outputs) == 1 else 'have'}"
            )


def check_styles(model, options: GenerateOptions) -> None:
    """Raises UserError if an option asks for styles that the model lacks."""
    from models.abilities import STYLES

    asked = {
        "output": options.output == "styles",
        "path": options.path == "styles",
        "truncation": options.truncation != 1.0,
    }
    for option in (option for option, is_asked in asked.items() if is_asked):
        model.require(STYLES, option)


def check_traversal(model, options: GenerateOptions) -> None:
    """Raises UserError if a traversal is asked for of a model that has nothing to traverse."""
    from models.abilities import CONTINUOUS_CODES, ORDERED_DIMENSIONS

    if options.output != "traversal":
        return
    if model.lacks(CONTINUOUS_CODES) and model.lacks(ORDERED_DIMENSIONS):
        reason = f"{CONTINUOUS_CODES.reason} and {ORDERED_DIMENSIONS.reason}"
        raise UserError(f"traversal: {type(model).__name__} {reason}", "output")


def drawn(options: GenerateOptions) -> str:
    """How the files of what is drawn end: its seed, and its label and truncation if there are."""
    label = "" if options.label is None else f"-label{options.label}"
    psi = "" if options.truncation == 1.0 else f"-psi{options.truncation:g}"
    return f"seed{options.seed}{label}{psi}"


def sample(model, options: GenerateOptions) -> np.ndarray:
    """The images that are asked for, uint8 [n, h, w, c]."""
    latents = model.draw_latents(options.n, options.seed, options.label)
    return plotting.to_uint8(images_of(model, options, latents))


def images_of(model, options: GenerateOptions, latents) -> np.ndarray:
    """Images of latents name -> [n, d], truncated if that is asked for: float32 in [-1, 1]."""
    if options.truncation == 1.0:
        return model.generate(latents)
    from training.pictures import truncated

    return truncated(model, latents, options.truncation)


def save_images(model, options: GenerateOptions, outdir: Path):
    """One PNG file an image; returns what to say."""
    for k, image in enumerate(sample(model, options)):
        plotting.save_image(outdir / f"{drawn(options)}-{k:05}.png", image)
    return [f"{options.n} images in {outdir}"]


def save_npz(model, options: GenerateOptions, outdir: Path):
    """All images in one compressed file; returns its path."""
    path = outdir / f"{drawn(options)}-{options.n}.npz"
    np.savez_compressed(path, images=sample(model, options))
    return [path]


def save_grid(model, options: GenerateOptions, outdir: Path):
    """All images in one picture; returns its path."""
    path = outdir / f"grid-{drawn(options)}.png"
    plotting.save_image(path, plotting.grid(sample(model, options)))
    return [path]


def save_interpolation(model, options: GenerateOptions, outdir: Path):
    """A row from one latent to another for each pair, and the rows as a film there and back."""
    ends = model.draw_latents(2 * options.n, options.seed, options.label)
    between = style_points if options.path == "styles" else latent_points
    images = between(model, options, ends)
    stem = outdir / f"{options.path}-{drawn(options)}"
    plotting.save_image(f"{stem}.png", plotting.grid(images, columns=options.frames))
    films = images.reshape(options.n, options.frames, *images.shape[1:])
    there = [plotting.grid(films[:, k]) for k in range(options.frames)]
    plotting.save_gif(f"{stem}.gif", there + there[-2:0:-1], fps=8, hold_last_seconds=0)
    return [f"{stem}.png", f"{stem}.gif"]


def latent_points(model, options: GenerateOptions, ends) -> np.ndarray:
    """The images between the first and the second half of latents, a pair after the other."""
    from models.latents import interpolate

    points = {
        # A class between two is a mixture of them, and so is a category: its parts sum to 1.
        name: interpolate(
            part[: options.n],
            part[options.n :],
            options.frames,
            options.path if name == "noise" else "linear",
        )
        for name, part in ends.items()
    }
    points = {k: np.reshape(v, (-1, v.shape[-1])) for k, v in points.items()}
    return images_of(model, options, points)


def style_points(model, options: GenerateOptions, ends) -> np.ndarray:
    """The same on the chord between their styles."""
    from models.latents import interpolate, truncate

    w = truncate(model.styles(ends), model.mean_style(), options.truncation)
    flat = np.reshape(w, (len(w), -1))
    points = interpolate(flat[: options.n], flat[options.n :], options.frames, "linear")
    return model.images_of_styles(np.reshape(points, (-1, *w.shape[1:])))


def save_plane(model, options: GenerateOptions, outdir: Path):
    """10 x 10 images over the first two latent dimensions; returns the picture's path."""
    from training.pictures import plane_grid

    span = options.span or 3.0
    path = outdir / f"plane-span{span:g}-{drawn(options)}.png"
    latents = model.draw_latents(1, options.seed, options.label)
    plotting.save_image(path, plane_grid(model, latents, span))
    return [path]


def save_traversals(model, options: GenerateOptions, outdir: Path):
    """A picture and a film of each continuous code; returns their paths."""
    from training import pictures

    return pictures.save_traversals(model, options.span or 1.0, options.seed, outdir, options.label)


def save_styles(model, options: GenerateOptions, outdir: Path):
    """Pictures of truncation, of mixed styles and of noise; returns their paths."""
    from training.pictures import save_style_pictures

    return save_style_pictures(model, options.seed, outdir / f"styles-{drawn(options)}")


OUTPUTS = {
    "images": save_images,
    "npz": save_npz,
    "grid": save_grid,
    "interpolation": save_interpolation,
    "plane": save_plane,
    "traversal": save_traversals,
    "styles": save_styles,
}
OUTPUTS_WITH = {
    "n": ("images", "npz", "grid", "interpolation"),
    "truncation": ("images", "npz", "grid", "interpolation"),
    "path": ("interpolation",),
    "frames": ("interpolation",),
    "span": ("plane", "traversal"),
}  # those options that mean nothing to some

if __name__ == "__main__":
    if code := flags.run_script(main):
        sys.exit(code)
