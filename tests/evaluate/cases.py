"""Names of metrics and readers of the outputs that the tests of evaluate.py share."""

import json

import numpy as np

PIXELS = ["pixel_mean", "pixel_std", "pixel_distance", "distinct_share", "copied_share"]
CONDITIONS = ["conditional_accuracy"]
CODES = ["knn1_accuracy", "knn3_accuracy", "linear_probe_accuracy"]
CLASSES = ["category_class_information", "gray_category_class_information"]
CLUSTERS = ["cluster_accuracy", "nmi", "ari"]
POSTERIORS = ["reconstruction_loss", "kl_loss", "active_units"]
LIKELIHOODS = ["elbo", "importance_weighted_bound", "bits_per_dimension"]
ANYWHERE = [*CODES, *CLUSTERS, *CLASSES, *POSTERIORS, *LIKELIHOODS]
STROKES = ["slant_correlation", "thickness_correlation"]
COLOURS = [
    f"{name}_correlation"
    for name in (
        "brightness", "saturation", "hue", "horizontal_position", "vertical_position", "size",
    )
]  # fmt: skip
FACTORS = [*STROKES, *COLOURS, "class_change", "mutual_information_gap"]
RECONSTRUCTIONS = [f"reconstruction_{end}" for end in ("error", "feature_distance", "accuracy")]


def metrics_in(features):
    """The names of the metrics in features that are not Inception's, in order."""
    fd, score = f"fd_{features}", f"is_{features}"
    manifolds = ["precision", "recall", "density", "coverage"]
    return [fd, f"{fd}_infinity", f"kd_{features}", score, *manifolds, f"{fd}_256", f"{score}_256"]


def evaluation_of(path):
    return json.loads((path / "evaluation.json").read_text())


def values_of(evaluation):
    return {name: entry["value"] for name, entry in evaluation["metrics"].items()}


def rows(text):
    """The cells of the lines of a Markdown table."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]


def moving_bars(n, seed):
    """N gray images uint8 [28, 28, 1] of a bright bar each, of its own place, width and noise."""
    random = np.random.default_rng(seed)
    place, width = random.uniform(4, 24, (n, 1, 1)), random.uniform(1, 4, (n, 1, 1))
    noise = random.integers(0, 50, (n, 28, 28))
    bar = np.abs(np.arange(28)[None, None, :] - place) < width
    return np.where(bar, 200 + noise, noise).astype(np.uint8)
