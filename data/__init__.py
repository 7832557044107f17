"""Data sets by name, folder or array file, and the input pipeline of training.

Images are uint8 [n, h, w, c] in memory; decoded sets are kept in the cache.

May import: storage, cli, fields, errors, waiting, replicas.
"""

from data.catalogue import (
    ImageData,
    KnownSet,
    Split,
    canonical_name,
    check,
    in_colour,
    known,
    load,
    of_tfds,
)
from data.image_data import subset
from data.pipeline import Batches
from data.reading import MAX_IMAGE_PIXELS, RULES

__all__ = [
    "MAX_IMAGE_PIXELS",
    "RULES",
    "Batches",
    "ImageData",
    "KnownSet",
    "Split",
    "canonical_name",
    "check",
    "in_colour",
    "known",
    "load",
    "of_tfds",
    "subset",
]
