"""Small convolutional classifier whose last hidden layer is used as features.

The classifier of MNIST, `digits`, is shipped; train_classifier.py trains one on any labelled data
set.
"""

import dataclasses
import hashlib
import io
import json
import pathlib

import numpy as np

from data import known
from data.archive import Archive, open_npz
from data.labels import MOST_CLASSES
from errors import UserError
from evaluation.features import DIGIT_NAMES, DIGITS, fixed_names
from evaluation.features.extractor import Extractor, TrainedOn, plain_name
from storage.cache import CLASSIFIERS, cache_directory, mark_used
from storage.files import write_npz
from storage.paths import expanded

DIGITS_FILE = pathlib.Path(__file__).resolve().parents[2] / "assets" / "digits.npz"
DIGITS_SHA256 = "2e2175fd2589a9806f7d1a05180b1d957b5b713bf8ca71ca7403e78509beb042"
_DESCRIPTION = "description"
_LONGEST_DESCRIPTION = 2**20  # bytes
# Of each convolution: channels as a multiple of the width, side of the kernel, stride.
_CONVOLUTIONS = ((1, 5, 2), (2, 3, 1), (4, 3, 1), (4, 3, 1))


@dataclasses.dataclass(frozen=True)
class Description:
    """Architecture and origin of a classifier, saved with its weights.

    Attributes:
        dataset: name of the data set that it was trained on.
        image_shape: (h, w, c).
        num_classes: number of logits.
        width: channels of its first layer.
        test_accuracy: accuracy on the test split, from 0 to 1; None without a test split.
        gray: whether it was trained on gray versions of colour images.
        class_names: names of the classes in label order; files of earlier versions have none.
        fingerprint: fingerprint of the data set; files of earlier versions have none.
    """

    dataset: str
    image_shape: tuple[int, int, int]
    num_classes: int
    width: int
    test_accuracy: float | None = None
    gray: bool = False
    class_names: tuple[str, ...] = ()
    fingerprint: str = ""


def build(image_shape: tuple[int, int, int], num_classes: int, width: int):
    """Build the network: images [b, h, w, c] from 0 to 255 -> features [b, 4 width], logits [b, k].

    Four convolutions with batch norm and ReLU and 1, 2, 4 and 4 times `width` channels. The first
    has stride 2; max pooling follows the second; global average pooling of the last yields the
    features. Computes in float32 under any Keras dtype policy.
    """
    from keras import Input, Model, layers

    plain = {"dtype": "float32"}
    x = image = Input(image_shape, dtype="float32")
    x = layers.Rescaling(1 / 127.5, -1.0, **plain)(x)
    for multiple, size, stride in _CONVOLUTIONS:
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
    """Save the weights and the description as an .npz file of plain arrays."""
    weights = {f"weight_{k:02}": np.asarray(w) for k, w in enumerate(network.weights)}
    write_npz(path, {_DESCRIPTION: json.dumps(dataclasses.asdict(description)), **weights})


def load(path: pathlib.Path, name: str = "") -> Extractor:
    """Load a classifier from a file that `save` wrote. No code in the file is executed.

    A classifier of gray images takes colour images too, whose channels it replaces by their mean.

    Args:
        path: the file.
        name: name of the network; default: that of its data set, see `name_of`.

    Raises:
        UserError: the file is missing or damaged.
    """
    try:
        return _loaded(path, name)
    except ValueError as error:
        raise UserError(
            f"{path}: not the weights of a classifier ({error}); delete it and run "
            "train_classifier.py again"
        ) from None


def _loaded(path: pathlib.Path, name: str) -> Extractor:
    """Load a classifier as `load` does; ValueError with the reason if that fails."""
    import tensorflow as tf

    try:
        content = path.read_bytes()
        with open_npz(io.BytesIO(content), advice="") as archive:
            names = sorted({*archive.files} - {_DESCRIPTION})
            headers = [archive.header(name) for name in names]
            of = _description(archive)
            _require_weights(of, headers)
            weights = [archive[name] for name in names]
        network = build(of.image_shape, of.num_classes, of.width)
        network.set_weights(weights)
        trained_on = TrainedOn(of.num_classes, of.class_names, of.fingerprint, of.test_accuracy)
    except (OSError, ValueError, TypeError, RecursionError) as error:
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise ValueError(reason[0]) from None

    name = name or name_of(of.dataset, of.gray)

    @tf.function(autograph=False)
    def outputs(images):
        if images.shape[1:] != tuple(of.image_shape):
            raise UserError(
                f"{name} requires images {list(of.image_shape)}, got {list(images.shape[1:])}; "
                "choose another feature network"
            )
        return network(to_gray(images) if of.gray else images, training=False)

    digest = hashlib.sha256(content).hexdigest()
    resizing = "gray" if of.gray else "none"
    return Extractor(name, digest, resizing, network.output_shape[0][-1], outputs, trained_on)


def _description(archive: Archive) -> Description:
    """Return the description in a file; ValueError or TypeError if it is not valid."""
    if _DESCRIPTION not in archive:
        raise ValueError(f"it has no array {_DESCRIPTION}")
    shape, kind = archive.header(_DESCRIPTION)
    if shape != () or kind.kind != "U" or kind.itemsize > _LONGEST_DESCRIPTION:
        raise ValueError(f"its {_DESCRIPTION} is no text")
    (text,) = archive.texts(_DESCRIPTION)
    of = Description(**json.loads(text))
    counts = {"num_classes": (of.num_classes, MOST_CLASSES), "width": (of.width, 2**16)}
    if type(of.image_shape) is not list or len(of.image_shape) != 3:
        raise TypeError("image_shape is no list of three numbers")
    counts |= {f"image_shape[{k}]": (n, 2**16) for k, n in enumerate(of.image_shape)}
    for name, (value, most) in counts.items():
        if type(value) is not int or not 0 < value <= most:
            raise TypeError(f"{name} is no integer from 1 to {most:,}")
    texts = {"dataset": of.dataset, "fingerprint": of.fingerprint}
    if type(of.class_names) is not list and of.class_names != ():  # none in earlier versions
        raise TypeError("class_names is no list")
    texts |= {f"class_names[{k}]": name for k, name in enumerate(of.class_names)}
    for name, value in texts.items():
        if type(value) is not str:
            raise TypeError(f"{name} is no text")
    if type(of.gray) is not bool:
        raise TypeError("gray is neither true nor false")
    accuracy = None if of.test_accuracy is None else float(of.test_accuracy)
    return dataclasses.replace(
        of,
        image_shape=tuple(of.image_shape),
        class_names=tuple(of.class_names),
        test_accuracy=accuracy,
    )


def _require_weights(of: Description, found: list[tuple[tuple[int, ...], np.dtype]]) -> None:
    """Raise ValueError unless arrays have the shapes of the weights, before these are made.

    Args:
        of: the description of the network that `build` makes.
        found: shapes and types of the arrays in the order of the weights.
    """
    expected, before = [], of.image_shape[-1]
    for multiple, size, _ in _CONVOLUTIONS:
        channels = multiple * of.width
        expected += [(size, size, before, channels), *[(channels,)] * 4]
        before = channels
    expected += [(before, of.num_classes), (of.num_classes,)]
    if [shape for shape, _ in found] != expected or any(kind.kind != "f" for _, kind in found):
        raise ValueError("its arrays are not the weights of the network that it describes")


def load_file(path: str) -> Extractor:
    """Load the classifier of a file that train_classifier.py wrote, named after its data set.

    Raises:
        UserError: the file is missing, cannot be read, or is another one.
    """
    file = pathlib.Path(expanded(path, "features"))
    if not file.is_file():
        raise UserError("no such file")
    try:
        return _loaded(file, "")
    except ValueError as error:
        raise UserError(f"not a file that train_classifier.py wrote ({error})") from None


def name_of(dataset: str, gray: bool = False) -> str:
    """Return the name of the classifier of a data set, or of gray versions of it."""
    name = plain_name(dataset)
    if gray:
        return f"{name}_gray"
    return f"{name}_classifier" if name in fixed_names() else name


def load_digits() -> Extractor:
    """Load the shipped classifier of MNIST.

    Raises:
        UserError: its file is missing, or its SHA-256 differs from this version's.
    """
    content = DIGITS_FILE.read_bytes() if DIGITS_FILE.exists() else b""
    if hashlib.sha256(content).hexdigest() != DIGITS_SHA256:
        raise UserError(
            f"{DIGITS_FILE}: missing or damaged; restore it with git checkout assets/digits.npz"
        )
    of_mnist = {"class_names": DIGIT_NAMES, "fingerprint": known("MNIST").fingerprint}
    return _with_origin(load(DIGITS_FILE, DIGITS), **of_mnist)


def _with_origin(extractor: Extractor, **facts) -> Extractor:
    """Return a classifier with facts about its data set that its file need not have."""
    trained_on = dataclasses.replace(extractor.trained_on, **facts)
    return dataclasses.replace(extractor, trained_on=trained_on)


def to_gray(images):
    """Replace the channels of images [n, h, w, 3] by their mean, rounded if they are uint8."""
    import tensorflow as tf

    mean = tf.reduce_mean(tf.cast(images, tf.float32), -1, keepdims=True)
    if images.dtype == np.uint8:
        mean = tf.cast(tf.round(mean), tf.uint8)
    return tf.repeat(mean, images.shape[-1], -1)


def cached_file(fingerprint: str, gray: bool = False) -> pathlib.Path:
    """Return the path of a data set's classifier in the cache.

    Args:
        fingerprint: fingerprint of the data set.
        gray: whether it is the classifier of gray versions of the images.
    """
    name = f"{fingerprint}-gray.npz" if gray else f"{fingerprint}.npz"
    return cache_directory() / CLASSIFIERS / name


def of_gray_images(dataset: str, fingerprint: str) -> Extractor | None:
    """Load the classifier of gray versions of a data set; None if there is no such classifier.

    Raises:
        UserError: its file is damaged.
    """
    path = cached_file(fingerprint, gray=True)
    if not path.exists():
        return None
    mark_used(path)
    return _with_origin(load(path, name_of(dataset, gray=True)), fingerprint=fingerprint)


def load_cached(dataset: str, fingerprint: str) -> Extractor:
    """Load the classifier of a data set that train_classifier.py trained, named after the set.

    Raises:
        UserError: there is no such classifier, or its file is damaged.
    """
    path = cached_file(fingerprint)
    if not path.exists():
        raise UserError(
            f"no classifier of {dataset} found; train it with train_classifier.py and the dataset, "
            "data_dir and image_size of the run"
        )
    mark_used(path)
    return _with_origin(load(path, name_of(dataset)), fingerprint=fingerprint)
