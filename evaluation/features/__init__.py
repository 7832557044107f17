"""Feature networks: map images to features and class logits."""

import dataclasses

from errors import UserError
from evaluation.features.extractor import Extractor
from fields import Choice, Choices

__all__ = [
    "DIGITS", "EFFICIENTNET", "INCEPTION", "NETWORKS", "Extractor", "FeatureNetwork", "fixed_names",
    "load",
]  # fmt: skip

INCEPTION, DIGITS, EFFICIENTNET = "inception", "digits", "efficientnet_lite0"


@dataclasses.dataclass(frozen=True, kw_only=True)
class FeatureNetwork(Choice):
    """Feature network; `make` is (dataset, fingerprint, image_shape) -> Extractor.

    Attributes:
        fixed: True if it is the same for all data sets. Names of metrics such as fd_digits end with
            its name, so other networks must not have it.
    """

    fixed: bool = False


NETWORKS = Choices(FeatureNetwork)


def load(name: str, dataset: str, fingerprint: str, image_shape: tuple[int, int, int]) -> Extractor:
    """Load a feature network for the images of a data set.

    Args:
        name: one of NETWORKS, the path of a .keras file, or that of an .npz file of
            train_classifier.py.
        dataset: name of the data set.
        fingerprint: fingerprint of the data set.
        image_shape: (h, w, c) of its images.

    Raises:
        UserError: the network is unknown or cannot be loaded; the caller adds the option.
    """
    if name in NETWORKS:
        return NETWORKS[name].make(dataset, fingerprint, image_shape)
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
def _auto(dataset, fingerprint, image_shape) -> Extractor:
    return load(network_of(dataset, image_shape), dataset, fingerprint, image_shape)


def network_of(dataset: str, image_shape: tuple[int, int, int]) -> str:
    """Return the network that "auto" selects.

    Digits for MNIST, else Inception if its weights are in the cache, else EfficientNet.
    """
    from evaluation.features import inception

    if dataset == "MNIST" and tuple(image_shape) == (28, 28, 1):
        return DIGITS
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
def _classifier(dataset, fingerprint, _) -> Extractor:
    """Network that train_classifier.py trained on the data set."""
    from evaluation.features import classifier

    return classifier.load_cached(dataset, fingerprint)
