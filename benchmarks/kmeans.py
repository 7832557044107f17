"""Matched cluster accuracy of k-means, as a baseline of categories without labels.

    python -m benchmarks.kmeans [--dataset=CIFAR10] [--data_dir=DIR] [--seeds=3]
                                [--record=benchmarks/kmeans.json]

Fits k-means with as many clusters as there are classes to the training images, and matches the
clusters of the test images to their classes as the metric `cluster_accuracy` does. Features are the
pixels and those of the trunk of Q of InfoGAN without training, standardised. Writes a JSON
record, in which the other data sets are kept.
"""

import argparse
import json
import pathlib
import statistics
import sys

import numpy as np

import data
from metrics import representation
from storage.files import write_json


def pixels(images: np.ndarray, seed: int) -> np.ndarray:
    """Return the pixels of images uint8 [n, h, w, c], float32 [n, d] in [-1, 1]."""
    return images.reshape(len(images), -1).astype(np.float32) / 127.5 - 1.0


def random_features(images: np.ndarray, seed: int) -> np.ndarray:
    """Return the features of images of the trunk of Q with random weights, float32 [n, d].

    Batch norm has the statistics of each batch.
    """
    import keras

    from evaluation.reference import over_batches
    from models.networks import clustering

    keras.utils.set_random_seed(seed)
    trunk = clustering.trunk(images.shape[1:], width=32)
    return over_batches(lambda x: trunk(x, training=True), data.Split(images))


FEATURES = {"pixels": pixels, "random network": random_features}


def cluster_accuracy(images: data.ImageData, features: str, seed: int) -> float:
    """Return the matched accuracy of k-means on features standardised over the training images."""
    from sklearn.cluster import KMeans

    train, test = (FEATURES[features](s.images, seed) for s in (images.train, images.test))
    mean, std = train.mean(0), train.std(0) + 1e-6
    fitted = KMeans(images.num_classes, n_init=3, random_state=seed).fit((train - mean) / std)
    clusters = fitted.predict((test - mean) / std)
    k = images.num_classes
    found = representation.clustering(clusters, images.test.labels, k, k)
    return round(found["cluster_accuracy"].value, 4)


def main() -> int:
    """Measure a data set; return the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--dataset", default="CIFAR10")
    parser.add_argument("--data_dir")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--record", type=pathlib.Path, default="benchmarks/kmeans.json")
    given = parser.parse_args()
    images = data.load(given.dataset, data_dir=given.data_dir)
    if images.test is None or images.test.labels is None:
        parser.error(f"{images.name} has no labelled test images")
    record = json.loads(given.record.read_text()) if given.record.exists() else {}
    record[images.name] = {}
    for features in FEATURES:
        values = [cluster_accuracy(images, features, seed) for seed in range(given.seeds)]
        record[images.name][features] = values
        print(f"{images.name}, {features}: median {statistics.median(values)}, {values}")
    write_json(given.record, record)
    return 0


if __name__ == "__main__":
    sys.exit(main())
