"""Feature networks: images in, features and class logits out."""

from errors import UserError
from evaluation.features.extractor import Extractor

__all__ = ["NAMES", "Extractor", "load"]

NAMES = ("auto", "inception", "digits", "efficientnet_lite0", "classifier")


def load(name: str, dataset: str, fingerprint: str, image_shape: tuple[int, int, int]) -> Extractor:
    """A feature network for the images of a data set.

    Args:
        name: one of NAMES, or the path of a .keras file. "classifier" is the one that
            train_classifier.py has made of the data set. "auto" is digits for MNIST; for others
            inception if its weights are there, else efficientnet_lite0.
        dataset, fingerprint, image_shape: of the images.

    Raises:
        UserError: it cannot be had, or there is no such network.
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
        raise UserError(f"choose one of {', '.join(NAMES)}, or give a .keras file")
    return keras_file.load(name)
