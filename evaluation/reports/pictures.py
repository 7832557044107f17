"""Pictures of an evaluation: neighbours.png, codes.png and confusion.png."""

import contextlib
import statistics
from collections.abc import Mapping
from pathlib import Path

import numpy as np

import plotting
from evaluation.context import Context
from evaluation.families.clusters import CLUSTER_ACCURACY
from evaluation.families.factors import CLASS_CHANGE, CORRELATIONS
from metrics import neighbours
from metrics.factors import FACTORS
from metrics.measurement import Measurement, MetricError

NEIGHBOURS, CODES, CONFUSION = "neighbours.png", "codes.png", "confusion.png"
CODE_PANELS = (
    *(
        (f"{name.replace('_', ' ')}: {FACTORS[name].correlation}", metric, "correlations")
        for name, metric in CORRELATIONS.items()
    ),
    ("samples whose class changes from -1 to 1", CLASS_CHANGE, "shares"),
)


def draw(measured: Mapping[str, Measurement], context: Context, folder: Path) -> None:
    """Write the pictures of the measured metrics; none of samples whose features are not finite."""
    if any(metric.samples for metric in context.wanted.values()):
        train = context.reference.data.train.images
        with contextlib.suppress(MetricError):
            picture = neighbours_grid(context.samples.first, train)
            plotting.save_image(folder / NEIGHBOURS, picture)
    draw_codes(measured, folder)
    draw_confusion(measured, context.reference.data.class_names, folder)


def neighbours_grid(samples: np.ndarray, train: np.ndarray) -> np.ndarray:
    """Return a grid of ten samples, each followed by its nearest training images, uint8."""
    samples = samples[:10]
    indices, _ = neighbours.nearest(samples, train, min(8, len(train)))
    rows = [
        np.concatenate([samples[k : k + 1], train[nearest]]) for k, nearest in enumerate(indices)
    ]
    labels = ["sample", *range(1, indices.shape[1] + 1)]
    return plotting.grid(np.concatenate(rows), columns=len(labels), column_labels=labels)


def draw_codes(measured: Mapping[str, Measurement], folder: Path) -> None:
    """Write codes.png: rank correlations and share of class changes of each continuous code."""
    panels = []
    for title, name, key in CODE_PANELS:
        metric = measured.get(name)
        if metric is None or metric.value is None:
            continue
        of_seeds = metric.protocol[key]
        of_seeds = of_seeds if isinstance(of_seeds[0], list) else [of_seeds]
        values = {
            f"code {code}": (min(each), statistics.median(each), max(each))
            for code, each in enumerate(zip(*of_seeds, strict=True))
        }
        panels.append(plotting.Bars(title, values))
    if panels:
        plotting.save_bars(folder / CODES, panels)


def draw_confusion(
    measured: Mapping[str, Measurement], class_names: tuple[str, ...], folder: Path
) -> None:
    """Write confusion.png: the number of images of each class in each cluster."""
    metric = measured.get(CLUSTER_ACCURACY)
    if metric is None or metric.value is None:
        return
    columns = [
        f"{cluster}: {'-' if label is None else class_names[label]}"
        for cluster, label in enumerate(metric.protocol["mapping"])
    ]
    plotting.save_matrix(
        folder / CONFUSION,
        metric.protocol["confusion"],
        row_names=list(class_names),
        column_names=columns,
        row_title="class",
        column_title="cluster: class matched to it",
    )
