"""Small data sets, feature networks and models that the tests of evaluation share."""

import dataclasses

import numpy as np

from data import ImageData, Split
from data.image_data import fingerprint
from evaluation import families, runner, subject
from evaluation.context import Context
from evaluation.features import Extractor
from evaluation.reference import Reference
from models.base import GenerativeModel
from models.latents import Latents, noise

PIXELS = ("pixel_mean", "pixel_std", "pixel_distance", "distinct_share", "copied_share")
STROKES = ("slant_correlation", "thickness_correlation")
COLOURS = tuple(
    f"{name}_correlation"
    for name in (
        "brightness", "saturation", "hue", "horizontal_position", "vertical_position", "size",
    )
)  # fmt: skip
FACTORS = (*STROKES, *COLOURS, "class_change", "mutual_information_gap")
RECONSTRUCTIONS = tuple(
    f"reconstruction_{end}" for end in ("error", "feature_distance", "accuracy")
)
CODES = ("knn1_accuracy", "knn3_accuracy", "linear_probe_accuracy")
CLASSES = ("category_class_information", "gray_category_class_information")
CLUSTERS = ("cluster_accuracy", "nmi", "ari")
POSTERIORS = ("reconstruction_loss", "kl_loss", "active_units")
LIKELIHOODS = ("elbo", "importance_weighted_bound", "bits_per_dimension")


def pictures(n, seed, classes=None):
    """Random images of 4 by 4 pixels; with `classes`, labels that the first pixel encodes."""
    random = np.random.default_rng(seed)
    images = random.integers(0, 256, (n, 4, 4, 1), np.uint8)
    labels = None
    if classes:
        labels = random.permutation(np.arange(n) % classes)
        images[:, 0, 0, 0] = 20 * labels
    return Split(images, labels)


def data_of(train, test, classes=0, name="Set"):
    names = tuple(map(str, range(classes)))
    return ImageData(name, train, test, names, fingerprint(train, test))


def of_pixels():
    """A network whose features are pixels; `calls` lists the batch size of each call."""
    calls = []

    def network(images):
        calls.append(len(images))
        return images.reshape(len(images), -1).astype(np.float32), None

    found = Extractor("pixels", "00", "none", 16, network, batch_size=50)
    object.__setattr__(found, "calls", calls)
    return found


def not_finite():
    """A network whose features are NaN, with `calls` as in `of_pixels`."""
    pixels = of_pixels()

    def network(images):
        return pixels.network(images)[0] * np.nan, None

    found = dataclasses.replace(pixels, name="broken", network=network)
    object.__setattr__(found, "calls", pixels.calls)
    return found


class Bare(GenerativeModel):
    """A model without abilities."""

    def build_networks(self):
        self.latents = Latents(noise=noise(2, "normal"))


def context_of(measured, reference, wanted, n=10, seed=0, likelihood_samples=5):
    """The context of a model or a subject; without an extractor, with the metrics of "none"."""
    if isinstance(measured, GenerativeModel):
        measured = subject.of_model("model", measured, {})
    known = families.named(reference.extractor.name if reference.extractor else "none")
    chosen = {name: known[name] for name in wanted}
    return Context(
        measured, reference, chosen, n=n, seed=seed, likelihood_samples=likelihood_samples
    )


def measure(measured, reference, wanted, **how):
    """The measurements of one evaluation seed by name."""
    context = context_of(measured, reference, wanted, **how)
    return {name: runner.measure_one(context, name) for name in wanted}


def reference_of(data, extractor=None, split="test"):
    return Reference(data, split, extractor)


def record(**changes):
    """A record of results.json."""
    return {
        "model": "gan",
        "dataset": "MNIST",
        "flagfile": "configs/gan_mnist.txt",
        "seed": 0,
        "steps": 28110,
        "kimg": 1799.04,
        "wall_minutes": 12.3,
        "machine": "2 cores, no GPU",
        "metrics": {"pixel_mean": {"value": 33.25, "protocol": {"n_fake": 10000}}},
        **changes,
    }


def entry(value, **protocol):
    """A measured metric in the form of a record."""
    return {"value": value, "protocol": protocol}


def cells(table):
    """The cells of a Markdown table's lines, but for the one below the header."""
    lines = [line.split("|")[1:-1] for line in table.splitlines()]
    return [[cell.strip() for cell in line] for line in [lines[0], *lines[2:]]]


def baseline(**changes):
    """A record of a baseline."""
    return {
        "model": "uniform noise",
        "dataset": "MNIST",
        "flagfile": "",
        "seed": 0,
        "metrics": {"pixel_mean": entry(127.5, n_fake=10000)},
        **changes,
    }


PAGE = """# Title

<!-- results: training -->
stale
<!-- end of results -->

Between.

<!-- results: quality --><!-- not on a line of its own: no block -->

<!-- results: quality -->
<!-- end of results -->

After.
"""
