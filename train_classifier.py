"""Trains a classifier whose features distances are measured in. See --help."""

import dataclasses
import pathlib
import sys
import time
from collections.abc import Sequence

import data
from cli import flags
from errors import UserError
from evaluation.features import classifier
from fields import field

USAGE = """usage: python train_classifier.py --dataset NAME [--flag value ...]

Trains a small classifier on the training images of a labelled data set, prints its accuracy on the
test images, and keeps it for evaluate.py --features=classifier. Flags with their defaults:
"""


@dataclasses.dataclass(frozen=True)
class ClassifierOptions:
    """What to learn, and how."""

    dataset: str = field("MNIST", "as of train.py; it must have labels", group="data")
    data_dir: str = field("", "as of train.py", group="data")
    image_size: int | None = field(None, "as of train.py", group="data", at_least=4)
    out: str = field("", "the .npz file to write; else the cache", group="data")
    epochs: int = field(12, "passes over the training images", group="training", at_least=1)
    batch_size: int = field(128, "images a step", group="training", at_least=1)
    learning_rate: float = field(
        2e-3, "Adam's at the start; it falls to 0 along a cosine", group="training", above=0
    )
    width: int = field(32, "channels of the first layer", group="network", at_least=1)
    seed: int = field(0, "of all that is random", group="training", at_least=0, at_most=2**31 - 1)
    shift: float = field(
        0.1, "images are moved by up to this share of their side", group="augmentation",
        at_least=0, at_most=0.5,
    )  # fmt: skip
    rotation: float = field(
        10.0, "and turned by up to so many degrees", group="augmentation", at_least=0, at_most=180
    )
    zoom: float = field(
        0.1, "and enlarged or shrunk by up to this share", group="augmentation", at_least=0,
        below=1,
    )  # fmt: skip
    flip: bool = field(False, "and, every second one, mirrored", group="augmentation")


def main(argv: Sequence[str]) -> int:
    """Runs the command line `argv` (without the program's name); returns the exit code."""
    if flags.wants_help(argv):
        print(f"{USAGE}\n{flags.describe(ClassifierOptions)}")
        return 0
    asked = ClassifierOptions(**flags.given(argv, ClassifierOptions))
    data.check(asked.dataset, data_dir=asked.data_dir or None)
    images = data.load(asked.dataset, data_dir=asked.data_dir or None, image_size=asked.image_size)
    if images.train.labels is None:
        raise UserError(f"--dataset={asked.dataset}: it has no labels to learn")
    network = train(asked, images.train, images.num_classes)
    labelled = images.test is not None and images.test.labels is not None
    accuracy = measure(network, images.test) if labelled else None
    path = pathlib.Path(asked.out or classifier.cached_file(images.fingerprint)).expanduser()
    of = classifier.Description(
        images.name, images.image_shape, images.num_classes, asked.width, accuracy
    )
    classifier.save(path, network, of)
    said = "no labelled test images" if accuracy is None else f"test accuracy {accuracy:.2%}"
    print(f"{images.name}: {said}; {path}, sha256 {classifier.load(path, 'written').sha256}")
    return 0


def train(asked: ClassifierOptions, split: data.Split, num_classes: int):
    """A classifier of a split, trained."""
    import keras
    import tensorflow as tf

    from models.randomness import stateless_seed

    keras.utils.clear_session()
    keras.utils.set_random_seed(asked.seed)
    network = classifier.build(split.images.shape[1:], num_classes, asked.width)
    batches = data.Batches(split, asked.batch_size, seed=asked.seed)
    steps = asked.epochs * batches.steps_per_epoch
    optimizer = keras.optimizers.Adam(
        keras.optimizers.schedules.CosineDecay(asked.learning_rate, steps)
    )

    optimizer.build(network.trainable_variables)

    @tf.function
    def step(images, labels, number):
        images = augmented(images, stateless_seed(asked.seed, number, "augmentation"), asked)
        with tf.GradientTape() as tape:
            _, logits = network(images, training=True)
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
            loss = tf.reduce_mean(losses)
        optimizer.apply(
            tape.gradient(loss, network.trainable_variables), network.trainable_variables
        )
        return loss

    start, total = time.perf_counter(), 0.0
    for number, (images, labels) in enumerate(batches.dataset().take(steps), start=1):
        total += step(images, labels, tf.constant(number, tf.int64))
        if number % batches.steps_per_epoch == 0:
            epoch, seconds = number // batches.steps_per_epoch, time.perf_counter() - start
            mean = float(total) / batches.steps_per_epoch
            print(f"epoch {epoch}/{asked.epochs}: loss {mean:.4f}, {seconds:.0f} s", flush=True)
            total = 0.0
    return network


def augmented(images, seed, asked: ClassifierOptions):
    """Shift, rotate, scale and mirror images uint8 [b, h, w, c] at random."""
    import numpy as np
    import tensorflow as tf

    from augmentation.operations import affine_maps, resample

    n, (height, width) = tf.shape(images)[0], images.shape[1:3]
    draws = tf.random.stateless_uniform([5, n], seed, -1.0, 1.0)
    angle = draws[0] * (asked.rotation * np.pi / 180)
    zoom = tf.exp(draws[1] * np.log1p(asked.zoom))
    mirror = tf.where(draws[4] > 0, 1.0, -1.0) if asked.flip else tf.ones([n])
    cos, sin = tf.cos(angle) * zoom, tf.sin(angle) * zoom
    # Positions are (y, x) in half sides from the centre; angles are of square pixels.
    half_height, half_width = (height - 1) / 2, (width - 1) / 2
    down = draws[3] * asked.shift * height / half_height
    right = draws[2] * asked.shift * width / half_width
    rows = [
        [cos, sin * (half_width / half_height), down],
        [-mirror * sin * (half_height / half_width), mirror * cos, right],
    ]
    moved = resample(tf.cast(images, tf.float32), affine_maps(rows))
    return tf.cast(tf.round(tf.clip_by_value(moved, 0.0, 255.0)), tf.uint8)


def measure(network, split: data.Split) -> float:
    """The share of images whose label the network finds."""
    import numpy as np

    right = 0
    for start in range(0, len(split.images), 500):
        part = slice(start, start + 500)
        _, logits = network(np.asarray(split.images[part]), training=False)
        right += int(np.sum(np.argmax(logits, 1) == split.labels[part]))
    return right / len(split.images)


if __name__ == "__main__":
    if code := flags.run_script(main):
        sys.exit(code)
