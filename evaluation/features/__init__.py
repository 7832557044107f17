"""Feature networks: map images to features and class logits."""

from errors import UserError
from evaluation.features.extractor import Extractor

__all__ = ["NAMES", "Extractor", "load"]

NAMES = ("auto", "inception", "digits", "efficientnet_lite0", "classifier")


def load(name: str, dataset: str, fingerprint: str, image_shape: tuple[int, int, int]) -> Extractor:
    """Load a feature network for the images of a data set.

    Args:
        name: one of NAMES, or the path of a .keras file. "classifier" is the network that
            train_classifier.py trained on the data set. "auto" selects digits for MNIST; for other
            sets inception if its weights are in the cache, else efficientnet_lite0.
        dataset: name of the data set.
        fingerprint: fingerprint of the data set.
        image_shape: (h, w, c) of its images.

    Raises:
        UserError: the network is unknown or cannot be loaded; the caller adds the option.
    """
    from evaluation.features import classifier, efficientnet_lite0, inception, keras_file

    if name == "auto":
        if dataset == "MNIST" and tuple(image_shape) == (28, 28, 1):
            name = "digits"
        else:
            name = "inception" if inception.available() else "efficientnet_lite0"
    if name == "digits":
        return classifier.load_digits()
    if name == "classifier":
        return classifier.load_cached(dataset, fingerprint)
    if name == "inception":
        return inception.load()
    if name == "efficientnet_lite0":
        return efficientnet_lite0.load()
    if not name.endswith(".keras"):
        raise UserError(f"expected one of {', '.join(NAMES)} or the path of a .keras file")
    return keras_file.load(name)
