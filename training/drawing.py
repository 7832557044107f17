"""Outputs of generate.py: images, grids, interpolations, planes, traversals, pictures of styles.

The outputs and their options can be imported without TensorFlow.
"""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

import fields
import plotting
from errors import UserError
from fields import Choice, Choices, choice, field
from models.abilities import CONTINUOUS_CODES, ORDERED_DIMENSIONS, STYLES, Ability
from storage import packages
from storage.files import write_npz
from storage.paths import expanded, one_path, require_writable
from storage.run_directory import RunDirectory

if TYPE_CHECKING:
    import tensorflow as tf

    from models.base import GenerativeModel


@dataclasses.dataclass(frozen=True, kw_only=True)
class Output(Choice):
    """Output of generate.py; `make` is (model, options, outdir) -> lines to print, mostly paths.

    Attributes:
        meaning: description of its files for the help text.
        needs: abilities; the model must have at least one of them, unless this is empty.
    """

    meaning: str
    needs: tuple[Ability, ...] = ()


OUTPUTS = Choices(Output)

SAMPLES = {
    "n": field(64, "number of images", group="images", at_least=1),
    "truncation": field(
        1.0,
        "truncation psi of a style-based model: 1: no truncation; 0: the mean style for all images "
        "(Karras et al. 2019, appendix B)",
        group="images",
        at_least=0,
    ),
}
INTERPOLATION = {
    "n": field(64, "number of rows", group="images", at_least=1),
    "truncation": SAMPLES["truncation"],
    "path": field(
        "spherical",
        "interpolation path: linear or spherical between latents z, or styles: linear between "
        "styles w",
        group="interpolation",
        choices=("linear", "spherical", "styles"),
    ),
    "frames": field(
        10, "images per row, including both ends", group="interpolation", at_least=2
    ),
}  # fmt: skip
PLANE_SPAN = field(
    3.0, "range of both dimensions: -span to span", group="plane and traversal", above=0
)
TRAVERSAL_SPAN = field(
    1.0, "range of each code: -span to span", group="plane and traversal", above=0
)


def draw(options: "GenerateOptions") -> list[str]:
    """Write the selected output of a run or a package; return the lines to print.

    Raises:
        UserError: the run has no checkpoint, the package does not exist or is damaged, the model
            lacks an ability or the class, or the files cannot be written.
    """
    if options.list:
        from evaluation.reports.packages import packages_table

        return [packages_table(packages.shipped())]
    trained = source(options)
    outdir = Path(expanded(options.outdir or trained.outputs / "generated", "outdir"))
    require_writable(
        outdir,
        "outdir" if options.outdir else "pretrained" if options.pretrained else "run",
        "Set outdir=... to a directory that can be written",
    )
    from training.loading import load_run

    _, _, model = load_run(trained if options.pretrained else options.run, options.step)
    check_model(model, options)
    try:
        outdir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot write to {outdir} ({error.strerror})", "outdir") from None
    lines = fields.selected(options, "output").make(model, options, outdir)
    return [str(line) for line in lines]


def source(options: "GenerateOptions") -> RunDirectory | packages.Package:
    """Return the run or the package, without importing TensorFlow.

    Raises:
        UserError: the run has no such checkpoint, or the package is missing or damaged.
    """
    if options.pretrained:
        package = packages.find(options.pretrained)
        package.read_tensors()
        return package
    run = RunDirectory(options.run)
    run.require_trained(options.step)
    return run


def check_model(model: "GenerativeModel", options: "GenerateOptions") -> None:
    """Raise UserError if the model lacks an ability that the options require, or the class."""
    model.draw_latents(1, options.seed, options.label)
    output = fields.selected(options, "output")
    reasons = [model.lacks(ability) for ability in output.needs]
    if reasons and all(reasons):
        raise UserError(f"{output.name}: {'; '.join(reasons)}", "output")
    if options.path == "styles":
        model.require(STYLES, "path")
    if truncates(options):
        model.require(STYLES, "truncation")


def truncates(options: "GenerateOptions") -> bool:
    """Return whether styles are truncated."""
    return options.truncation not in (None, 1.0)


def stem(options: "GenerateOptions") -> str:
    """Return the part of file names that identifies the draw, such as "seed0-label7-psi0.5".

    With the option `step` it ends in the step, such as "seed0-step1000".
    """
    label = "" if options.label is None else f"-label{options.label}"
    psi = f"-psi{options.truncation:g}" if truncates(options) else ""
    step = "" if options.step is None else f"-step{options.step}"
    return f"seed{options.seed}{label}{psi}{step}"


def sample(model: "GenerativeModel", options: "GenerateOptions") -> np.ndarray:
    """Return n images, uint8 [n, h, w, c]."""
    latents = model.draw_latents(options.n, options.seed, options.label)
    return plotting.to_uint8(generate(model, options, latents))


def generate(
    model: "GenerativeModel", options: "GenerateOptions", latents: dict[str, "tf.Tensor"]
) -> np.ndarray:
    """Return images of latents name -> [n, d], truncated if selected: float32 in [-1, 1]."""
    if not truncates(options):
        return model.generate(latents)
    from training.pictures import generate_truncated

    return generate_truncated(model, latents, options.truncation)


@OUTPUTS.add("images", options=SAMPLES, meaning="one PNG file per image")
def save_images(model: "GenerativeModel", options: "GenerateOptions", outdir: Path) -> list:
    """Write one PNG file per image; return one line about their folder."""
    for k, image in enumerate(sample(model, options)):
        plotting.save_image(outdir / f"images-{stem(options)}-{k:05}.png", image)
    return [f"{options.n} images in {outdir}"]


@OUTPUTS.add(
    "npz", options=SAMPLES, meaning="an .npz file with the array images, uint8 [n, h, w, c]"
)
def save_npz(model: "GenerativeModel", options: "GenerateOptions", outdir: Path) -> list:
    """Write all images to one compressed file; return its path."""
    path = outdir / f"images-{stem(options)}-{options.n}.npz"
    write_npz(path, {"images": sample(model, options)}, compressed=True)
    return [path]


@OUTPUTS.add("grid", options=SAMPLES, meaning="one picture of all images")
def save_grid(model: "GenerativeModel", options: "GenerateOptions", outdir: Path) -> list:
    """Write all images to one picture; return its path."""
    path = outdir / f"grid-{stem(options)}.png"
    plotting.save_image(path, plotting.grid(sample(model, options)))
    return [path]


@OUTPUTS.add(
    "interpolation",
    options=INTERPOLATION,
    meaning="a picture with one row per pair of latents, and a GIF",
)
def save_interpolation(model: "GenerativeModel", options: "GenerateOptions", outdir: Path) -> list:
    """Write a row of images per pair of latents, and a GIF that plays forwards and backwards."""
    ends = model.draw_latents(2 * options.n, options.seed, options.label)
    between = interpolate_styles if options.path == "styles" else interpolate_latents
    images = between(model, options, ends)
    path = outdir / f"interpolation-{options.path}-{stem(options)}"
    plotting.save_image(f"{path}.png", plotting.grid(images, columns=options.frames))
    rows = images.reshape(options.n, options.frames, *images.shape[1:])
    forth = [plotting.grid(rows[:, k]) for k in range(options.frames)]
    plotting.save_gif(f"{path}.gif", forth + forth[-2:0:-1], fps=8, hold_last_seconds=0)
    return [f"{path}.png", f"{path}.gif"]


def interpolate_latents(
    model: "GenerativeModel", options: "GenerateOptions", ends: dict[str, "tf.Tensor"]
) -> np.ndarray:
    """Return the images between the first and the second half of latents, row by row.

    One-hot parts (classes, categorical codes) are always interpolated linearly: they sum to 1.
    """
    from models.latents import interpolate

    points = {
        name: interpolate(
            part[: options.n],
            part[options.n :],
            options.frames,
            options.path if name == "noise" else "linear",
        )
        for name, part in ends.items()
    }
    points = {k: np.reshape(v, (-1, v.shape[-1])) for k, v in points.items()}
    return generate(model, options, points)


def interpolate_styles(
    model: "GenerativeModel", options: "GenerateOptions", ends: dict[str, "tf.Tensor"]
) -> np.ndarray:
    """Return the images on the chords between the styles of latents, row by row."""
    from models.latents import interpolate, truncate

    w = truncate(model.styles(ends), model.mean_style(), options.truncation)
    flat = np.reshape(w, (len(w), -1))
    points = interpolate(flat[: options.n], flat[options.n :], options.frames, "linear")
    return model.images_of_styles(np.reshape(points, (-1, *w.shape[1:])))


@OUTPUTS.add(
    "plane",
    options={"span": PLANE_SPAN},
    meaning="a picture of 10 x 10 images over the first two latent dimensions",
)
def save_plane(model: "GenerativeModel", options: "GenerateOptions", outdir: Path) -> list:
    """Write 10 x 10 images over the first two latent dimensions; return the picture's path."""
    from training.pictures import plane_grid

    path = outdir / f"plane-span{options.span:g}-{stem(options)}.png"
    latents = model.draw_latents(1, options.seed, options.label)
    plotting.save_image(path, plane_grid(model, latents, options.span))
    return [path]


@OUTPUTS.add(
    "traversal",
    options={"span": TRAVERSAL_SPAN},
    needs=(CONTINUOUS_CODES, ORDERED_DIMENSIONS),
    meaning="a picture with one row per category and a GIF for each continuous code; for "
    "autoencoders, for the ten most active latent dimensions",
)
def save_traversals(model: "GenerativeModel", options: "GenerateOptions", outdir: Path) -> list:
    """Write a picture and a GIF per continuous code; return their paths."""
    from training import pictures

    trained = packages.find(options.pretrained) if options.pretrained else RunDirectory(options.run)
    names = pictures.names_of_categories(trained, int(model.step))
    return pictures.save_traversals(model, options.span, options.seed, outdir, options.label, names)


@OUTPUTS.add(
    "styles",
    needs=(STYLES,),
    meaning="pictures of truncation, style mixing and noise of a style-based model",
)
def save_styles(model: "GenerativeModel", options: "GenerateOptions", outdir: Path) -> list:
    """Write the pictures of truncation, style mixing and noise; return their paths."""
    from training.pictures import save_style_pictures

    return save_style_pictures(model, options.seed, outdir / f"styles-{stem(options)}")


@fields.options()
class GenerateOptions:
    """Options of generate.py."""

    run: str = field("", "run directory of the trained model", group="run", convert=one_path)
    pretrained: str = field(
        "",
        "name of shipped weights instead of a run (list shows the names), or the path of a "
        ".safetensors file of training.export",
        group="run",
        convert=one_path,
    )
    list: bool = field(False, "list the shipped weights, and do nothing else", group="run")
    output: str = choice(
        OUTPUTS,
        "grid",
        "; ".join(f"{output.name}: {output.meaning}" for output in OUTPUTS.values()),
        group="run",
    )
    outdir: str = field(
        "",
        "output directory; default: generated/ in the run, or in the folder <name>/ of weights",
        group="run",
        convert=one_path,
    )
    seed: int = field(0, "seed of the latents", group="run", at_least=0, at_most=2**31 - 1)
    label: int | None = field(
        None, "class of all images, for a class-conditional model", group="run", at_least=0
    )
    step: int | None = field(
        None,
        "step of the checkpoint, such as one that keep_every of train.py kept; default: the "
        "newest one",
        group="run",
        at_least=0,
    )

    def __post_init__(self):
        fields.check(self)
        if self.list:
            if given := [name for name in ("run", "pretrained", "outdir") if getattr(self, name)]:
                raise UserError("has no effect with list; omit it", given[0])
            return
        if bool(self.run) == bool(self.pretrained):
            raise UserError("expected either a run directory or pretrained=...", "run")
        if self.pretrained and self.step is not None:
            raise UserError("requires run=..., a package of weights has no checkpoints", "step")
