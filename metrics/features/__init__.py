"""Feature networks: images in, features and class logits out."""

from metrics.features.extractor import Extractor, FeatureError

__all__ = ["Extractor", "FeatureError"]
