"""Data sets and the input pipeline."""

from data.catalogue import ImageData, Split, canonical_name, check, load
from data.pipeline import Batches

__all__ = ["Batches", "ImageData", "Split", "canonical_name", "check", "load"]
