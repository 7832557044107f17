"""Nearest images in pixel space, and the share of samples that are copies of training images."""

import numpy as np

from metrics.measurement import Measurement, MetricError

QUANTILE = 0.01
BLOCK_BYTES = 2**27


def nearest(
    queries: np.ndarray, references: np.ndarray, k: int = 1
) -> tuple[np.ndarray, np.ndarray]:
    """The k nearest of the references of each query, by Euclidean distance over all pixels.

    Args:
        queries: uint8 [q, h, w, c].
        references: uint8 [n, h, w, c].

    Returns:
        Indices int64 [q, k] and distances float64 [q, k] in gray levels, the nearest first. The
        sums of squares are whole numbers that float64 holds: a copy is at a distance of exactly 0.

    Raises:
        MetricError: there are fewer than k references.
    """
    if len(references) < k:
        raise MetricError(f"needs at least {k:,} images to search, there are {len(references):,}")
    size = max(1, BLOCK_BYTES // (8 * references[0].size))
    parts = [
        nearest_in_blocks(queries[start : start + size], references, k, size)
        for start in range(0, len(queries), size)
    ]
    indices, distances = zip(*parts, strict=True)
    return np.concatenate(indices), np.concatenate(distances)


def nearest_in_blocks(
    queries: np.ndarray, references: np.ndarray, k: int, size: int
) -> tuple[np.ndarray, np.ndarray]:
    """As `nearest`; `size` references at a time are held as float64."""
    from sklearn.neighbors import NearestNeighbors

    queries = flat(queries)
    indices = np.empty((len(queries), 0), np.int64)
    distances = np.empty((len(queries), 0))
    for start in range(0, len(references), size):
        block = flat(references[start : start + size])
        search = NearestNeighbors(n_neighbors=min(k, len(block)), algorithm="brute").fit(block)
        new_distances, new_indices = search.kneighbors(queries)
        distances = np.concatenate([distances, new_distances], axis=1)
        indices = np.concatenate([indices, start + new_indices], axis=1)
        order = np.argsort(distances, axis=1, kind="stable")[:, :k]
        indices = np.take_along_axis(indices, order, axis=1)
        distances = np.take_along_axis(distances, order, axis=1)
    return indices, distances


def flat(images: np.ndarray) -> np.ndarray:
    """Images as float64 [n, pixels]."""
    return images.reshape(len(images), -1).astype(np.float64)


def copied_share(fake: np.ndarray, train: np.ndarray, unseen: np.ndarray) -> Measurement:
    """Share of the samples that are as near to a training image as few unseen images are.

    Near is a distance of at most the threshold: the smallest distance such that 1 % of the unseen
    images have a training image within it. Samples that are new in the way unseen images are give
    about 0.01, copies of training images 1; a blurred sample is near to many images, so that more
    than 0.01 alone does not prove copying. Where unseen images are exact copies of training images
    themselves the threshold may be 0, which a copied sample still meets.

    Args:
        fake, train, unseen: samples, training and test images, uint8 [n, h, w, c].

    Returns:
        The share; in the protocol the threshold in gray levels, and the share of the unseen images
        that meet it, which ties raise above 0.01.

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
