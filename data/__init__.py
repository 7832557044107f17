"""Data sets and the input pipeline."""

from data.catalogue import DataError, ImageData, Split, canonical_name, check, load
from data.pipeline import Batches

__all__ = ["Batches", "DataError", "ImageData", "Split", "canonical_name", "check", "load"]
