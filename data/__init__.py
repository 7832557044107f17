"""Data sets and the input pipeline. May import fields, errors and storage only."""

from data.catalogue import ImageData, KnownSet, Split, canonical_name, check, known, load
from data.pipeline import Batches

__all__ = ["Batches", "ImageData", "KnownSet", "Split", "canonical_name", "check", "known", "load"]
