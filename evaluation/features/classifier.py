"""A small convolutional classifier whose last hidden layer gives the features.

The one of MNIST is shipped, and its features are named `digits`; train_classifier.py makes one of
any labelled data set.
"""

import dataclasses
import hashlib
import io
import json
import pathlib
import zipfile

import numpy as np

from errors import UserError
from evaluation.features.extractor import TAKEN, Extractor, plain_name
from storage.cache import cache_directory
from storage.files import write_atomically

DIGITS = pathlib.Path(__file__).resolve().parents[2] / "assets" / "digits.npz"
DIGITS_SHA256 = "2e2175fd2589a9806f7d1a05180b1d957b5b713bf8ca71ca7403e78509beb042"


@dataclasses.dataclass(frozen=True)
class Description:
    """What a classifier is, beside its weights.

    Attributes:
        dataset: the name of what it was trained on.
        image_shape: (h, w, c).
        num_classes: how many logits it gives.
        width: channels of its first layer.
        test_accuracy: on the data set's test split, from 0 to 1; None if there is none.
    """

    dataset: str
    image_shape: tuple[int, int, int]
    num_classes: int
    width: int
    test_accuracy: float | None = None


def build(image_shape: tuple[int, int, int], num_classes: int, width: int):
    """The network: images [b, h, w, c] from 0 to 255 -> features [b, 4 width] and logits [b, k].

    Four convolutions with batch norm and ReLU, of width, 2, 4 and 4 times that; the first has a
    stride of 2 and the second is followed by pooling; the features are the means over the last
    map. It computes in float32, whatever Keras' own precision is.
    """
    from keras import Input, Model, layers

    plain = {"dtype": "float32"}
    x = image = Input(image_shape, dtype="float32")
    x = layers.Rescaling(1 / 127.5, -1.0, **plain)(x)
    for multiple, size, stride in ((1, 5, 2), (2, 3, 1), (4, 3, 1), (4, 3, 1)):
        x = layers.Conv2D(multiple * width, size, stride, padding="same", use_bias=False, **plain)(
            x
        )
        x = layers.BatchNormalization(**plain)(x)
        x = layers.ReLU(**plain)(x)
        if multiple == 2:
            x = layers.MaxPooling2D(**plain)(x)
    features = layers.GlobalAveragePooling2D(**plain)(x)
    logits = layers.Dense(num_classes, **plain)(features)
    return Model(image, [features, logits])


def save(path: pathlib.Path, network, description: Description) -> None:
    """Writes the weights and the description as an .npz file of plain arrays."""
    buffer = io.BytesIO()
    weights = {f"weight_{k:02}": np.asarray(w) for k, w in enumerate(network.weights)}
    np.savez(buffer, description=json.dumps(dataclasses.asdict(description)), **weights)
    write_atomically(path, buffer.getvalue())


def load(path: pathlib.Path, name: str) -> Extractor:
    """The classifier of a file that `save` wrote; nothing in it is executed.

    Raises:
        UserError: the file is missing or damaged.
    """
    import tensorflow as tf

    try:
        content = path.read_bytes()
        with np.load(io.BytesIO(content), allow_pickle=False) as archive:
            arrays = {key: archive[key] for key in archive.files}
        of = Description(**json.loads(str(arrays.pop("description"))))
        network = build(tuple(of.image_shape), of.num_classes, of.width)
        network.set_weights([arrays[key] for key in sorted(arrays)])
    except (
        OSError, EOFError, ValueError, KeyError, TypeError, RuntimeError, zipfile.BadZipFile
    ) as error:  # fmt: skip
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise UserError(
            f"{path} is no classifier's weights ({reason[0]}): delete it, and make it again by "
            "python train_classifier.py"
        ) from None

    @tf.function(autograph=False)
    def outputs(images):
        if images.shape[1:] != tuple(of.image_shape):
            raise UserError(
                f"{name} takes images {of.image_shape}, these are "
                f"{list(images.shape[1:])}; choose another"
            )
        return network(images, training=False)

    digest = hashlib.sha256(content).hexdigest()
    return Extractor(name, digest, "none", network.output_shape[0][-1], outputs, of.dataset)


def load_digits() -> Extractor:
    """The shipped classifier of MNIST.

    Raises:
        UserError: its file is missing or is not the one of this version.
    """
    content = DIGITS.read_bytes() if DIGITS.exists() else b""
    if hashlib.sha256(content).hexdigest() != DIGITS_SHA256:
        raise UserError(f"{DIGITS} is missing or damaged: check it out again")
    return load(DIGITS, "digits")


def cached_file(fingerprint: str) -> pathlib.Path:
    """Where the classifier of a data set is kept, by the hash of the set's content."""
    return cache_directory() / "classifiers" / f"{fingerprint}.npz"


def load_cached(dataset: str, fingerprint: str) -> Extractor:
    """The classifier that train_classifier.py made of a data set, named after it.

    Raises:
        UserError: there is none yet.
    """
    path = cached_file(fingerprint)
    if not path.exists():
        raise UserError(
            f"{dataset} has none yet; make it by python train_classifier.py, with the run's "
            "--dataset, --data_dir and --image_size"
        )
    name = plain_name(dataset)
    return load(path, f"{name}_classifier" if name in TAKEN else name)
