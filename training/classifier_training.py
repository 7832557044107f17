"""Training of classifiers that serve as feature networks, for train_classifier.py.

The options can be imported without TensorFlow.
"""

import pathlib
import time
from typing import TYPE_CHECKING

import numpy as np

import data
import fields
from data.options import BITS, GRAY, PIXELS, arguments
from errors import UserError
from evaluation.families.clusters import GRAY_CLASS_INFORMATION
from evaluation.features import classifier
from evaluation.features.extractor import plain_name
from fields import field
from storage.paths import expanded, one_path, require_apart, require_writable
from waiting import cleared, waiting

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

TEST_BATCH_SIZE = 500


@fields.options()
class ClassifierOptions:
    """Options of train_classifier.py."""

    dataset: str = field(
        "", "labelled data set, named as in train.py", group="data", convert=one_path
    )
    data_dir: str = field(
        "",
        "directory of TensorFlow Datasets; default: TFDS_DATA_DIR",
        group="data",
        convert=one_path,
    )
    image_size: int | None = field(
        None, "side of the resized images in pixels (antialiased)", group="data", at_least=4
    )
    gray: str = GRAY
    bits: int | None = BITS
    max_image_pixels: int = PIXELS
    to_gray: bool = field(
        False,
        "train on gray versions of colour images, for metrics that must not depend on colour",
        group="data",
    )
    outdir: str = field(
        "",
        "output directory of <data set>-classifier.npz, or with to_gray of "
        "<data set>-classifier-gray.npz, which must not exist; default: the cache, where "
        "evaluate.py --features=classifier finds the file",
        group="data",
        convert=one_path,
    )
    epochs: int = field(12, "passes over the training images", group="training", at_least=1)
    batch_size: int = field(128, "images per step", group="training", at_least=1)
    learning_rate: float = field(
        2e-3, "initial learning rate of Adam; a cosine schedule decays it to 0",
        group="training", above=0,
    )  # fmt: skip
    width: int = field(32, "channels of the first layer", group="network", at_least=1)
    seed: int = field(
        0, "seed of the weights, the order of images and the augmentation", group="training",
        at_least=0, at_most=2**31 - 1,
    )  # fmt: skip
    shift: float = field(
        0.1, "maximum translation, as a share of the side", group="augmentation", at_least=0,
        at_most=0.5,
    )  # fmt: skip
    rotation: float = field(
        10.0, "maximum rotation in degrees", group="augmentation", at_least=0, at_most=180
    )
    zoom: float = field(
        0.1, "maximum change of scale: by 1 + zoom or its inverse", group="augmentation",
        at_least=0, below=1,
    )  # fmt: skip
    flip: bool = field(
        False, "mirror each image left to right with probability 1/2", group="augmentation"
    )

    def __post_init__(self):
        fields.check(self)
        if not self.dataset.strip():
            raise UserError("expected a labelled data set, such as FASHION_MNIST", "dataset")


def train_classifier(options: ClassifierOptions) -> str:
    """Train a classifier and write its file; return its accuracy, its path and how to use it.

    Raises:
        UserError: the data set is missing, has no labels or only one class, the batch size exceeds
            it, or the file exists in `outdir` or cannot be written.
    """
    given = arguments(options)
    data.check(options.dataset, **given)
    if options.outdir:
        folder = pathlib.Path(expanded(options.outdir, "outdir"))
        require_apart(folder, options.dataset, "outdir", also_around=False)
    if data.of_tfds(options.dataset):  # it imports TensorFlow, and uses it
        from training import devices

        devices.prepare_gpus()
    with waiting(f"loading {options.dataset}"):
        images = data.load(options.dataset, **given)
    for note in images.notes:
        print(f"{images.name}: {note}")
    if images.train.labels is None:
        raise UserError(f"{options.dataset} has no labels; choose a labelled data set", "dataset")
    if len(classes := np.unique(images.train.labels)) < 2:
        raise UserError(
            f"all images of {options.dataset} are of one class "
            f"({images.class_names[int(classes[0])]}); a classifier requires at least two",
            "dataset",
        )
    if options.to_gray and images.image_shape[-1] != 3:
        raise UserError(f"requires colour images; those of {options.dataset} are gray", "to_gray")
    path = output_file(options, images)
    require_writable(path.parent, "outdir")
    if options.outdir and path.exists():
        raise UserError(f"{path} exists; choose another directory, or delete it", "outdir")
    network = fit(options, images.train, images.num_classes)
    labelled = images.test is not None and images.test.labels is not None
    accuracy = accuracy_of(network, images.test, options.to_gray) if labelled else None
    description = classifier.Description(
        images.name,
        images.image_shape,
        images.num_classes,
        options.width,
        accuracy,
        options.to_gray,
        images.class_names,
        images.fingerprint,
    )
    classifier.save(path, network, description)
    result = "no labelled test images" if accuracy is None else f"test accuracy {accuracy:.2%}"
    sha256 = classifier.load(path).sha256
    found = "classifier" if not (options.outdir or options.to_gray) else path
    use = f"evaluate.py --features={found}"
    if options.to_gray and not options.outdir:
        use += f" or --metrics={GRAY_CLASS_INFORMATION}"
    return f"{images.name}: {result}; {path}, sha256 {sha256}\nuse it with {use}"


def output_file(options: ClassifierOptions, images: data.ImageData) -> pathlib.Path:
    """Return the path of the file of a classifier."""
    if not options.outdir:
        return classifier.cached_file(images.fingerprint, options.to_gray)
    name = f"{plain_name(images.name)}-classifier{'-gray' * options.to_gray}.npz"
    return pathlib.Path(expanded(options.outdir, "outdir")) / name


def fit(options: ClassifierOptions, split: data.Split, num_classes: int) -> "keras.Model":
    """Return a classifier trained on a split; print a line per epoch."""
    with waiting("loading TensorFlow"):
        import keras
        import tensorflow as tf

        from models.randomness import stateless_seed
        from training import devices

    print(devices.device_line(), flush=True)
    keras.utils.clear_session()
    keras.utils.set_random_seed(options.seed)
    network = classifier.build(split.images.shape[1:], num_classes, options.width)
    batches = data.Batches(split, options.batch_size, seed=options.seed)
    steps = options.epochs * batches.steps_per_epoch
    optimizer = keras.optimizers.Adam(
        keras.optimizers.schedules.CosineDecay(options.learning_rate, steps)
    )
    optimizer.build(network.trainable_variables)

    @tf.function
    def step(images, labels, number):
        images = augment(images, stateless_seed(options.seed, number, "augmentation"), options)
        with tf.GradientTape() as tape:
            _, logits = network(images, training=True)
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
            loss = tf.reduce_mean(losses)
        optimizer.apply(
            tape.gradient(loss, network.trainable_variables), network.trainable_variables
        )
        return loss

    start, total = time.perf_counter(), 0.0
    with waiting("training, steps", steps) as work:
        for number, (images, labels) in enumerate(batches.dataset().take(steps), start=1):
            images = classifier.to_gray(images) if options.to_gray else images
            total += step(images, labels, tf.constant(number, tf.int64))
            work.done = number
            if number % batches.steps_per_epoch:
                continue
            epoch, seconds = number // batches.steps_per_epoch, time.perf_counter() - start
            mean = float(total) / batches.steps_per_epoch
            with cleared():
                line = f"epoch {epoch}/{options.epochs}: loss {mean:.4f}, {seconds:.0f} s"
                print(line, flush=True)
            total = 0.0
    return network


def augment(images: "tf.Tensor", seed: "tf.Tensor", options: ClassifierOptions) -> "tf.Tensor":
    """Return images translated, rotated, scaled and mirrored at random, uint8 [b, h, w, c].

    Args:
        images: uint8 [b, h, w, c].
        seed: stateless seed of the draws, int32 [2].
        options: the ranges of the transformations.
    """
    import tensorflow as tf

    from augmentation.operations import affine_maps, resample

    n, (height, width) = tf.shape(images)[0], images.shape[1:3]
    draws = tf.random.stateless_uniform([5, n], seed, -1.0, 1.0)
    angle = draws[0] * (options.rotation * np.pi / 180)
    zoom = tf.exp(draws[1] * np.log1p(options.zoom))
    mirror = tf.where(draws[4] > 0, 1.0, -1.0) if options.flip else tf.ones([n])
    cos, sin = tf.cos(angle) * zoom, tf.sin(angle) * zoom
    # Positions are (y, x) in half sides from the centre; angles are of square pixels.
    half_height, half_width = (height - 1) / 2, (width - 1) / 2
    down = draws[3] * options.shift * height / half_height
    right = draws[2] * options.shift * width / half_width
    rows = [
        [cos, sin * (half_width / half_height), down],
        [-mirror * sin * (half_height / half_width), mirror * cos, right],
    ]
    moved = resample(tf.cast(images, tf.float32), affine_maps(rows))
    return tf.cast(tf.round(tf.clip_by_value(moved, 0.0, 255.0)), tf.uint8)


def accuracy_of(network: "keras.Model", split: data.Split, gray: bool = False) -> float:
    """Return the share of images, or of their gray versions, that are classified correctly."""
    correct = 0
    for start in range(0, len(split.images), TEST_BATCH_SIZE):
        part = slice(start, start + TEST_BATCH_SIZE)
        images = np.asarray(split.images[part])
        _, logits = network(classifier.to_gray(images) if gray else images, training=False)
        correct += int(np.sum(np.argmax(logits, 1) == split.labels[part]))
    return correct / len(split.images)
