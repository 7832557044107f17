"""Outputs of generate.py: images, grids, interpolations, planes, traversals, pictures of styles.

The outputs and their options can be imported without TensorFlow.
"""

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import fields
import plotting
from errors import UserError
from fields import Choice, Choices, choice, field
from models import REGISTRY
from models.abilities import (
    CATEGORIES,
    CLASS_CONDITIONAL,
    CONTINUOUS_CODES,
    ORDERED_DIMENSIONS,
    STYLES,
    Ability,
)
from models.priors import NORMAL, PRIORS, SPHERICAL
from storage import packages
from storage.files import write_npz_in_parts
from storage.paths import expanded, one_path, require_apart, require_writable
from storage.run_directory import RunDirectory
from training import sizes
from training.classes import Classes, class_of
from training.file_names import prefix, stale_images, stem
from training.interpolating import (
    AUTO,
    INTERPOLATION,
    STYLE_PATH,
    TRUNCATION,
    batches_of,
    ends_of,
    interpolate_latents,
    interpolate_styles,
    truncates,
)
from training.options import Config
from waiting import waiting

if TYPE_CHECKING:
    from models.base import GenerativeModel


@dataclasses.dataclass(frozen=True, kw_only=True)
class Output(Choice):
    """Output of generate.py; `make` is (model, options, place) -> lines to print, mostly paths.

    The names of all files, or of their folder, begin with `place`, a path.

    Attributes:
        meaning: description of its files for the help text.
        needs: abilities; the model must have at least one of them, unless this is empty.
        of_class: True if its latents can be those of one class or category.
        size: function that returns the bytes of its files without compression; None: few.
    """

    meaning: str
    needs: tuple[Ability, ...] = ()
    of_class: bool = True
    size: sizes.Size | None = None


OUTPUTS = Choices(Output)
PLANE = "plane"

SAMPLES = {
    "n": field(64, "number of images", group="images", at_least=1),
    "truncation": TRUNCATION,
}
PLANE_SPAN = field(
    3.0,
    "range of both dimensions: -span to span; at most, and by default, 1 for a uniform prior",
    group="plane and traversal",
    above=0,
)
TRAVERSAL_SPAN = field(
    1.0, "range of each code: -span to span", group="plane and traversal", above=0
)


def draw(given: Mapping[str, Any]) -> list[str]:
    """Write the selected output of a run or a package; return the lines to print.

    Args:
        given: the given options of `GenerateOptions`, name -> value.

    Raises:
        UserError: an option is invalid or has no effect, the run has no checkpoint, the package
            does not exist or is damaged, the model lacks an ability or the class, or the files
            cannot be written.
    """
    options = parse(given)
    if options.list:
        from evaluation.reports.packages import packages_table

        return [packages_table(packages.shipped())]
    trained = source(options)
    if isinstance(trained, RunDirectory):
        trained.require_trained(options.step)
    else:
        trained.read_tensors()
    classes = Classes.of(trained)
    options = suited(options, given, Config.of_run(trained), classes)
    outdir = Path(expanded(options.outdir or trained.outputs / "generated", "outdir"))
    require_writable(
        outdir,
        "outdir" if options.outdir else "pretrained" if options.pretrained else "run",
        "Set --outdir to a directory that can be written",
    )
    dataset = Config.of_run(trained).options.dataset
    require_apart(outdir, dataset, "outdir" if options.outdir else "run", also_around=False)
    output = fields.selected(options, "output")
    sizes.require_space(output.size, options, trained.read_data()["image_shape"], outdir)
    with waiting("loading TensorFlow"):
        from training import devices
        from training.loading import load_run

    devices.warn_of_hidden_gpus()
    with waiting(f"loading {trained.label}"):
        _, _, model = load_run(trained if options.pretrained else options.run, options.step)
    try:
        outdir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot write to {outdir} ({error.strerror})", "outdir") from None
    name = stem(options, int(model.step))
    if options.outdir:
        name = f"{prefix(outdir, trained.outputs.resolve())}-{name}"
    with waiting(f"drawing {options.output}"):
        numbered = dataclasses.replace(options, label=str(classes.number(options.label)))
        lines = output.make(model, numbered, outdir / name)
    return [str(line) for line in [*classes.explained(options.label), *lines]]


def parse(given: Mapping[str, Any]) -> "GenerateOptions":
    """Return the options with their defaults.

    Raises:
        UserError: an option is unknown, invalid or has no effect with the others.
    """
    options = fields.resolve(GenerateOptions, given)
    output = fields.selected(options, "output")
    if given.get("label") == "":
        raise UserError("expected the name or the number of a class, got nothing", "label")
    for switch, without_effect in (
        ("list", [name for name in given if name != "list"]),
        ("seeds", ["seed", "n"]),
    ):
        for name in without_effect if getattr(options, switch) else ():
            if name in given:
                raise UserError(f"has no effect with {switch}; omit it", name)
    for name in () if output.of_class else ("label", "category"):
        if name in given:
            raise UserError(f"does not apply with output={output.name}", name)
    return options


def source(options: "GenerateOptions") -> RunDirectory | packages.Package:
    """Return the run or the package, without reading its weights.

    Raises:
        UserError: the package is missing.
    """
    if options.pretrained:
        return packages.find(options.pretrained)
    return RunDirectory(options.run)


def suited(
    options: "GenerateOptions", given: Mapping[str, Any], trained: Config, classes: Classes
) -> "GenerateOptions":
    """Return the options with the path and the span of the prior of a model, not yet loaded.

    Args:
        options: the options.
        given: those that were given, name -> value.
        trained: the configuration of the model.
        classes: the classes of its data set.

    Raises:
        UserError: the model lacks an ability, a class, a category or a dimension that the options
            require, or a path or a span of a plane leaves the prior.
    """
    require_abilities(options, trained)
    require_parts(options, trained, classes)
    prior = PRIORS[getattr(trained.hp, "prior", NORMAL.name)]
    changes: dict[str, Any] = {}
    if options.path == AUTO:
        changes["path"] = prior.path
    elif options.path == SPHERICAL != prior.path:
        raise UserError(
            f"a spherical path leaves the {prior.name} prior of the model; use --path={prior.path}",
            "path",
        )
    if options.output == PLANE:
        if "span" in given and options.span > prior.limit:
            raise UserError(
                f"expected a number <= {prior.limit:g}, the limit of the {prior.name} prior, got "
                f"{options.span:g}",
                "span",
            )
        changes["span"] = min(options.span, prior.limit)
    return dataclasses.replace(options, **changes)


def require_abilities(options: "GenerateOptions", trained: Config) -> None:
    """Raise UserError if the model lacks an ability that the options require."""

    def reason(ability: Ability) -> str:
        name = REGISTRY[trained.options.model].class_name
        return "" if ability.is_possible(trained.hp) else f"{name} {ability.reason}"

    output = fields.selected(options, "output")
    reasons = [reason(ability) for ability in output.needs]
    if reasons and all(reasons):
        raise UserError(f"{output.name}: {'; '.join(reasons)}", "output")
    for name, used, ability in (
        ("path", options.path == STYLE_PATH, STYLES),
        ("truncation", truncates(options), STYLES),
        ("label", bool(options.label), CLASS_CONDITIONAL),
        ("category", options.category is not None, CATEGORIES),
    ):
        if used and (lacking := reason(ability)):
            raise UserError(lacking, name)


def require_parts(options: "GenerateOptions", trained: Config, classes: Classes) -> None:
    """Raise UserError if the latents lack a class, a category or the dimensions of a plane."""
    classes.number(options.label)
    count = next(iter(getattr(trained.hp, "categories", ())), 0)
    if options.category is not None and options.category >= count:
        raise UserError(
            f"expected a category from 0 to {count - 1}, got {options.category}", "category"
        )
    dimensions = getattr(trained.hp, "noise_dim", None) or getattr(trained.hp, "latent_dim", 2)
    if options.output == PLANE and dimensions < 2:
        raise UserError("plane: requires two latent dimensions, the model has one", "output")


def draw_latents(model: "GenerativeModel", options: "GenerateOptions", n: int) -> dict:
    """Return n draws from the prior, of the class or the category that is given."""
    return model.draw_latents(n, options.seed, class_of(options), options.category)


def samples(
    model: "GenerativeModel", options: "GenerateOptions", latents: dict
) -> Iterator[np.ndarray]:
    """Yield the images of latents in batches, uint8 [b, h, w, c]."""
    return map(plotting.to_uint8, batches_of(model, options, latents))


@OUTPUTS.add("images", options=SAMPLES, meaning="one PNG file per image", size=sizes.of_files)
def save_images(model: "GenerativeModel", options: "GenerateOptions", place: Path) -> list:
    """Write one PNG file per image; return one line about them.

    Those of an earlier call with another n, but else the same options, are deleted.
    """
    latents = draw_latents(model, options, options.n)
    images = (image for batch in samples(model, options, latents) for image in batch)
    for k, image in enumerate(images):
        plotting.save_image(f"{place}-{k:05}.png", image)
    for path in stale_images(place, options.n):
        path.unlink()
    return [f"{options.n} images in {place.parent}"]


@OUTPUTS.add(
    "npz",
    options=SAMPLES,
    meaning="an .npz file with the array images, uint8 [n, h, w, c], and of a class-conditional "
    "model labels, int64 [n], and class_names",
    size=sizes.of_pixels,
)
def save_npz(model: "GenerativeModel", options: "GenerateOptions", place: Path) -> list:
    """Write all images, and their labels if there are some, to one file; return its path.

    The images are drawn and written batch by batch.
    """
    path, latents = f"{place}.npz", draw_latents(model, options, options.n)
    images, shape = samples(model, options, latents), (options.n, *model.image_shape)
    others = Classes.of(source(options)).arrays(latents)
    write_npz_in_parts(path, "images", shape, images, others)
    return [path]


@OUTPUTS.add("grid", options=SAMPLES, meaning="one picture of all images", size=sizes.of_picture)
def save_grid(model: "GenerativeModel", options: "GenerateOptions", place: Path) -> list:
    """Write all images to one picture; return its path."""
    path, latents = f"{place}.png", draw_latents(model, options, options.n)
    plotting.save_image(path, plotting.grid(np.concatenate([*samples(model, options, latents)])))
    return [path]


@OUTPUTS.add(
    "interpolation",
    options=INTERPOLATION,
    meaning="a picture with one row per pair of latents, and a GIF; with seeds a path through "
    "their latents",
    size=sizes.of_picture,
)
def save_interpolation(model: "GenerativeModel", options: "GenerateOptions", place: Path) -> list:
    """Write a row of images per pair of latents, and a GIF that plays forwards and backwards.

    A frame of the GIF has an image of each row, or with seeds one image of the path.
    """
    between = interpolate_styles if options.path == STYLE_PATH else interpolate_latents
    images = between(model, options, *ends_of(model, options))
    plotting.save_image(f"{place}.png", plotting.grid(images, columns=options.frames))
    rows = images.reshape(-1, options.frames, *images.shape[1:])
    if options.seeds:
        along = np.concatenate([rows[0], *(row[1:] for row in rows[1:])])
        forth = [plotting.grid(image[None]) for image in along]
    else:
        forth = [plotting.grid(rows[:, k]) for k in range(options.frames)]
    plotting.save_gif(f"{place}.gif", forth + forth[-2:0:-1], fps=8, hold_last_seconds=0)
    return [f"{place}.png", f"{place}.gif"]


@OUTPUTS.add(
    PLANE,
    options={"span": PLANE_SPAN},
    meaning="a picture of 10 x 10 images over the first two latent dimensions",
)
def save_plane(model: "GenerativeModel", options: "GenerateOptions", place: Path) -> list:
    """Write 10 x 10 images over the first two latent dimensions; return the picture's path."""
    from training.pictures import plane_grid

    latents = draw_latents(model, options, 1)
    path = f"{place}.png"
    plotting.save_image(path, plane_grid(model, latents, options.span))
    return [path]


@OUTPUTS.add(
    "traversal",
    options={"span": TRAVERSAL_SPAN},
    needs=(CONTINUOUS_CODES, ORDERED_DIMENSIONS),
    meaning="a picture with one row per category and a GIF for each continuous code; for "
    "autoencoders, for the ten most active latent dimensions",
)
def save_traversals(model: "GenerativeModel", options: "GenerateOptions", place: Path) -> list:
    """Write a picture and a GIF per continuous code; return their paths."""
    from training import pictures

    trained = source(options)
    names = pictures.names_of_categories(trained, int(model.step))
    of_class = (class_of(options), options.category)
    found = pictures.traversals(model, options.span, options.seed, *of_class, names)
    return [
        path
        for name, *drawn in found
        for path in pictures.save_traversal(Path(f"{place}-{name}"), *drawn)
    ]


@OUTPUTS.add(
    "styles",
    needs=(STYLES,),
    of_class=False,
    meaning="pictures of truncation, style mixing and noise of a style-based model",
)
def save_styles(model: "GenerativeModel", options: "GenerateOptions", place: Path) -> list:
    """Write the pictures of truncation, style mixing and noise; return their paths."""
    from training.pictures import save_style_pictures

    return save_style_pictures(model, options.seed, place)


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
    label: str = field(
        "",
        "class of all images, for a class-conditional model: its name, or its number from 0 if "
        "the names are no numbers",
        group="run",
    )
    category: int | None = field(
        None,
        "category of all images, for a model with a categorical code (of several, the first one)",
        group="run",
        at_least=0,
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
            return
        if bool(self.run) == bool(self.pretrained):
            raise UserError("expected either a run directory or --pretrained", "run")
        if self.pretrained and self.step is not None:
            raise UserError("requires --run, a package of weights has no checkpoints", "step")
