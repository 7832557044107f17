"""Feature networks: map images to features and class logits."""

import dataclasses

from data import ImageData, KnownSet, known
from errors import UserError
from evaluation.features.extractor import Extractor, TrainedOn
from fields import Choice, Choices

__all__ = [
    "DIGITS", "EFFICIENTNET", "INCEPTION", "NETWORKS", "Extractor", "FeatureNetwork", "TrainedOn",
    "fixed_names",
    "general_network", "is_mnist", "load", "network_of",
]  # fmt: skip

INCEPTION, DIGITS, EFFICIENTNET = "inception", "digits", "efficientnet_lite0"
DIGIT_NAMES = tuple("0123456789")  # of the classes of MNIST, in order


@dataclasses.dataclass(frozen=True, kw_only=True)
class FeatureNetwork(Choice):
    """Feature network; `make` is a function of the data set, -> Extractor.

    Attributes:
        fixed: True if it is the same for all data sets. Names of metrics such as fd_digits end with
            its name, so other networks must not have it.
    """

    fixed: bool = False


NETWORKS = Choices(FeatureNetwork)


def load(name: str, images: ImageData) -> Extractor:
    """Load a feature network for the images of a data set.

    Args:
        name: one of NETWORKS, the path of a .keras file, or that of an .npz file of
            train_classifier.py.
        images: the data set.

    Raises:
        UserError: the network is unknown or cannot be loaded; the caller adds the option.
    """
    if name in NETWORKS:
        return NETWORKS[name].make(images)
    if name.endswith(".npz"):
        from evaluation.features import classifier

        return classifier.load_file(name)
    if not name.endswith(".keras"):
        raise UserError(
            f"expected one of {', '.join(NETWORKS)} or the path of a .keras file, or of an .npz "
            "file of train_classifier.py"
        )
    from evaluation.features import keras_file

    return keras_file.load(name)


def fixed_names() -> list[str]:
    """Return the names of the networks that are the same for all data sets."""
    return [network.name for network in NETWORKS.values() if network.fixed]


@NETWORKS.add("auto")
def _auto(images: ImageData) -> Extractor:
    return load(network_of(images), images)


def network_of(images: ImageData) -> str:
    """Return the network that "auto" selects: digits for images of digits, else a general one.

    Images of digits are MNIST from any source, and other gray images of its size and classes that
    the network of digits recognises.
    """
    if is_mnist(images):
        return DIGITS
    has_names = images.class_names == DIGIT_NAMES
    if has_names and images.image_shape == known("MNIST").image_shape:
        from evaluation.features import classifier

        if classifier.load_digits().classifies(images):
            return DIGITS
    return general_network()


def is_mnist(images: ImageData | KnownSet) -> bool:
    """Return whether a data set has the images and labels of MNIST, under any name."""
    return images.fingerprint == known("MNIST").fingerprint


def general_network() -> str:
    """Return the network for any images: Inception if its weights are in the cache."""
    from evaluation.features import inception

    return INCEPTION if inception.available() else EFFICIENTNET


@NETWORKS.add(INCEPTION, fixed=True)
def _inception(*_) -> Extractor:
    from evaluation.features import inception

    return inception.load()


@NETWORKS.add(DIGITS, fixed=True)
def _digits(*_) -> Extractor:
    from evaluation.features import classifier

    return classifier.load_digits()


@NETWORKS.add(EFFICIENTNET, fixed=True)
def _efficientnet(*_) -> Extractor:
    from evaluation.features import efficientnet_lite0

    return efficientnet_lite0.load()


@NETWORKS.add("classifier")
def _classifier(images: ImageData) -> Extractor:
    """Network that train_classifier.py trained on the data set."""
    from evaluation.features import classifier

    return classifier.load_cached(images.name, images.fingerprint)
