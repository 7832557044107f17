"""Nearest neighbours in pixel space, and the share of samples that copy training images."""

import numpy as np

from metrics.measurement import Measurement, MetricError

QUANTILE = 0.01
BLOCK_BYTES = 2**27  # of images converted to float64 at a time


def nearest(
    queries: np.ndarray, references: np.ndarray, k: int = 1
) -> tuple[np.ndarray, np.ndarray]:
    """Return the k nearest references of each query, by Euclidean distance over all pixels.

    Args:
        queries: uint8 [q, h, w, c].
        references: uint8 [n, h, w, c].
        k: number of neighbours.

    Returns:
        Indices int64 [q, k] and distances float64 [q, k] in gray levels, nearest first. The sums
        of squares are integers, exact in float64: the distance of a copy is exactly 0.

    Raises:
        MetricError: there are fewer than k references.
    """
    from sklearn.utils import gen_batches

    if len(references) < k:
        raise MetricError(f"needs at least {k:,} images to search, there are {len(references):,}")
    size = max(1, BLOCK_BYTES // (8 * references[0].size))
    parts = [
        nearest_in_blocks(queries[rows], references, k, size)
        for rows in gen_batches(len(queries), size)
    ]
    indices, distances = zip(*parts, strict=True)
    return np.concatenate(indices), np.concatenate(distances)


def nearest_in_blocks(
    queries: np.ndarray, references: np.ndarray, k: int, size: int
) -> tuple[np.ndarray, np.ndarray]:
    """Search as `nearest`, in blocks of `size` references that are converted to float64."""
    from sklearn.neighbors import NearestNeighbors
    from sklearn.utils import gen_batches

    queries = flat(queries)
    indices = np.empty((len(queries), 0), np.int64)
    distances = np.empty((len(queries), 0))
    for rows in gen_batches(len(references), size):
        block = flat(references[rows])
        search = NearestNeighbors(n_neighbors=min(k, len(block)), algorithm="brute").fit(block)
        new_distances, new_indices = search.kneighbors(queries)
        distances = np.concatenate([distances, new_distances], axis=1)
        indices = np.concatenate([indices, rows.start + new_indices], axis=1)
        order = np.argsort(distances, axis=1, kind="stable")[:, :k]
        indices = np.take_along_axis(indices, order, axis=1)
        distances = np.take_along_axis(distances, order, axis=1)
    return indices, distances


def flat(images: np.ndarray) -> np.ndarray:
    """Return images as float64 [n, pixels]."""
    return images.reshape(len(images), -1).astype(np.float64)


def copied_share(fake: np.ndarray, train: np.ndarray, unseen: np.ndarray) -> Measurement:
    """Return the share of samples within a threshold distance of a training image.

    The threshold is the 1 % quantile of the distances from unseen images to their nearest training
    image. The share is about 0.01 if samples differ from the training images as much as unseen
    images do, and 1 if they are copies. Blurred samples are near to many images, so a value above
    0.01 alone does not prove copying. If unseen images are exact copies of training images, the
    threshold may be 0; copied samples still count.

    Args:
        fake: samples, uint8 [n, h, w, c].
        train: training images, uint8 [m, h, w, c].
        unseen: images that were not trained on, uint8 [u, h, w, c].

    Returns:
        The share, from 0 to 1; in the protocol the threshold in gray levels and the share of unseen
        images within it, which ties can raise above 0.01.

    Raises:
        MetricError: there are fewer than 100 unseen images, no samples or no training images.
    """
    if len(unseen) * QUANTILE < 1:
        raise MetricError(
            f"needs at least {1 / QUANTILE:.0f} unseen images, there are {len(unseen)}"
        )
    if len(fake) == 0:
        raise MetricError("needs samples, there are none")
    distances, unseen_distances = (nearest(x, train)[1][:, 0] for x in (fake, unseen))
    threshold = np.quantile(unseen_distances, QUANTILE, method="inverted_cdf")
    protocol = {
        "space": "pixels",
        "quantile": QUANTILE,
        "threshold": float(threshold),
        "unseen_share": float((unseen_distances <= threshold).mean()),
        "n_fake": len(fake),
        "n_train": len(train),
        "n_unseen": len(unseen),
    }
    return Measurement(float((distances <= threshold).mean()), protocol)
