"""Pictures of an evaluation: neighbours.png, codes.png and confusion.png."""

import contextlib
import statistics
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

import plotting
from errors import warn
from evaluation import families
from evaluation.categories import CLUSTER_ACCURACY, class_name, diagonal, with_classes
from evaluation.context import Context
from evaluation.families.factors import CLASS_CHANGE, CORRELATIONS
from metrics import neighbours
from metrics.factors import FACTORS
from metrics.measurement import Measurement, MetricError

NEIGHBOURS, CODES, CONFUSION = "neighbours.png", "codes.png", "confusion.png"
# Title, metric, entry of the protocol, and range of the values.
CODE_PANELS = (
    *(
        (f"{name.replace('_', ' ')}: {FACTORS[name].correlation}", metric, "correlations", (-1, 1))
        for name, metric in CORRELATIONS.items()
    ),
    ("samples whose class changes from -1 to 1", CLASS_CHANGE, "shares", (0, 1)),
)


def of_metrics(metrics: Mapping[str, dict]) -> set[str]:
    """Return the names of the pictures that belong to stored metrics."""
    measured = {name for name, entry in metrics.items() if entry["value"] is not None}
    found = {
        NEIGHBOURS: any((m := families.find(name)) and m.samples for name in measured),
        CODES: any(metric in measured for _, metric, *_ in CODE_PANELS),
        CONFUSION: CLUSTER_ACCURACY in measured,
    }
    return {name for name, belongs in found.items() if belongs}


def delete_stale(folder: Path, metrics: Mapping[str, dict]) -> None:
    """Delete the pictures in a folder that do not belong to its stored metrics."""
    for name in {NEIGHBOURS, CODES, CONFUSION} - of_metrics(metrics):
        (folder / name).unlink(missing_ok=True)


@contextlib.contextmanager
def optional(folder: Path) -> Iterator[None]:
    """Context of pictures in a folder whose failure is a warning, not the end of the evaluation."""
    try:
        yield
    except Exception as error:  # matplotlib raises errors of many types
        warn(f"{folder}: pictures cannot be drawn ({type(error).__name__}: {error})")


def draw(measured: Mapping[str, Measurement], context: Context, folder: Path) -> None:
    """Write the pictures of measured metrics, whose protocols are complete."""
    if any(metric.samples for metric in context.wanted.values()):
        train = context.train.images
        with contextlib.suppress(MetricError):
            picture = neighbours_grid(context.samples.first, train)
            plotting.save_image(folder / NEIGHBOURS, picture)
    draw_codes(measured, folder)
    draw_confusion(measured, folder)


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
    """Write codes.png: rank correlations and share of class changes of each continuous code.

    Its title has the model, the data set and the name of the folder.
    """
    panels = []
    for title, name, key, limits in CODE_PANELS:
        metric = measured.get(name)
        if metric is None or metric.value is None:
            continue
        of_seeds = metric.protocol[key]
        of_seeds = of_seeds if isinstance(of_seeds[0], list) else [of_seeds]
        values = {
            f"code {code}": (min(each), statistics.median(each), max(each))
            for code, each in enumerate(zip(*of_seeds, strict=True))
        }
        panels.append(plotting.Dots(title, values, includes=limits))
        about = [metric.protocol[fact] for fact in ("model", "dataset")]
    if panels:
        title = f"{' on '.join(about)}, {folder.resolve().name}"
        plotting.save_dots(folder / CODES, panels, title)


def draw_confusion(measured: Mapping[str, Measurement], folder: Path) -> None:
    """Write confusion.png: images of each class per category, matched ones on the diagonal."""
    metric = measured.get(CLUSTER_ACCURACY)
    if metric is None or metric.value is None:
        return
    protocol, counts = metric.protocol, np.array(metric.protocol["confusion"])
    rows, columns = diagonal(protocol["confusion"], protocol["mapping"])
    names = with_classes(protocol)
    plotting.save_matrix(
        folder / CONFUSION,
        counts[rows][:, columns],
        row_names=[class_name(protocol, label) for label in rows],
        column_names=[names[category] for category in columns],
        row_title="class of the test image",
        column_title="predicted category (class that it matches)",
    )
