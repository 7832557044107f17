"""Agreement of latent codes and clusters with classes that training did not use."""

import warnings

import numpy as np

from metrics.measurement import Measurement, MetricError
from metrics.moments import finite


def knn_accuracy(
    train_codes: np.ndarray,
    train_labels: np.ndarray,
    test_codes: np.ndarray,
    test_labels: np.ndarray,
    k: int = 5,
) -> Measurement:
    """Return the test accuracy of a k-nearest-neighbours classifier of codes.

    Args:
        train_codes: float [n, d]; distances are Euclidean, without scaling.
        train_labels: int [n].
        test_codes: float [m, d].
        test_labels: int [m].
        k: number of neighbours that vote.

    Returns:
        The accuracy, from 0 to 1.

    Raises:
        MetricError: there are fewer than k training codes, no test codes, or a code is not finite.
    """
    from sklearn.neighbors import KNeighborsClassifier

    if len(train_codes) < k:
        raise MetricError(f"needs at least {k:,} training codes, there are {len(train_codes):,}")
    classifier = KNeighborsClassifier(k).fit(finite(train_codes), train_labels)
    value = accuracy(classifier, test_codes, test_labels)
    return Measurement(value, {"classifier": f"{k} nearest neighbours", "k": k})


def linear_probe_accuracy(
    train_codes: np.ndarray,
    train_labels: np.ndarray,
    test_codes: np.ndarray,
    test_labels: np.ndarray,
    max_iterations: int = 1000,
) -> Measurement:
    """Return the test accuracy of a linear classifier of codes (Alain & Bengio 2016).

    Multinomial logistic regression with an L2 penalty (scikit-learn's C = 1), on codes scaled to
    mean 0 and variance 1 over the training images.

    Args:
        train_codes: float [n, d].
        train_labels: int [n].
        test_codes: float [m, d].
        test_labels: int [m].
        max_iterations: maximum number of iterations of the solver.

    Returns:
        The accuracy, from 0 to 1; in the protocol `converged`, False if max_iterations was reached.

    Raises:
        MetricError: the training images have a single class, there are no test codes, or a code is
            not finite.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    if len(np.unique(train_labels)) < 2:
        raise MetricError("needs training codes of at least 2 classes")
    regression = LogisticRegression(C=1.0, max_iter=max_iterations)
    classifier = make_pipeline(StandardScaler(), regression)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        classifier.fit(finite(train_codes), train_labels)
    iterations = int(regression.n_iter_.max())
    protocol = {
        "classifier": "logistic regression on standardised codes, C = 1",
        "iterations": iterations,
        "converged": iterations < max_iterations,
    }
    return Measurement(accuracy(classifier, test_codes, test_labels), protocol)


def accuracy(classifier, codes: np.ndarray, labels: np.ndarray) -> float:
    """Return the share of the labels that a fitted classifier predicts correctly."""
    if len(codes) == 0:
        raise MetricError("needs test codes, there are none")
    return float(np.mean(classifier.predict(finite(codes)) == np.asarray(labels)))


def class_information(
    categories: np.ndarray, classes: np.ndarray, seed: int = 0
) -> tuple[float, float]:
    """Return the mutual information of categories and classes, and a shuffled baseline, in nats.

    Args:
        categories: int [n].
        classes: int [n].
        seed: seed of the permutation of the categories for the baseline.

    Returns:
        I(category; class) of the empirical joint distribution, and that of permuted categories,
        which is above 0 since n is finite.

    Raises:
        MetricError: there are no images.
    """
    from sklearn.metrics import mutual_info_score

    if len(classes) == 0:
        raise MetricError("requires images, got none")
    permuted = np.random.default_rng(seed).permutation(categories)
    return tuple(float(mutual_info_score(c, classes)) for c in (categories, permuted))


def clustering(
    clusters: np.ndarray, labels: np.ndarray, num_clusters: int, num_classes: int
) -> dict[str, Measurement]:
    """Return metrics of the agreement of clusters with classes, by name.

    Args:
        clusters: int [n], from 0 to num_clusters - 1.
        labels: int [n], from 0 to num_classes - 1.
        num_clusters: number of clusters.
        num_classes: number of classes.

    Returns:
        cluster_accuracy: share of images with label = m(cluster), maximised over one-to-one m, the
            unsupervised clustering accuracy of Xie et al. 2016; images of clusters without a class
            count as wrong. Its protocol contains `mapping`, the class of each cluster or None, and
            `confusion`, counts [num_classes][num_clusters].
        nmi: I(cluster; label) / ((H(cluster) + H(label)) / 2), from 0 to 1.
        ari: adjusted Rand index, Hubert & Arabie 1985: 1 for equal partitions, 0 on average for
            random ones, below 0 for worse.

    Raises:
        MetricError: there are no images.
    """
    from scipy.optimize import linear_sum_assignment
    from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

    if len(labels) == 0:
        raise MetricError("needs labelled images, there are none")
    confusion = np.zeros((num_classes, num_clusters), np.int64)
    np.add.at(confusion, (labels, clusters), 1)
    pairs = np.transpose(linear_sum_assignment(confusion, maximize=True)).tolist()
    mapping = {cluster: label for label, cluster in pairs if confusion[label, cluster] > 0}
    matched = sum(confusion[label, cluster] for label, cluster in pairs)
    protocol = {
        "mapping": [mapping.get(cluster) for cluster in range(num_clusters)],
        "confusion": confusion.tolist(),
    }
    return {
        "cluster_accuracy": Measurement(float(matched / len(labels)), protocol),
        "nmi": Measurement(float(normalized_mutual_info_score(labels, clusters))),
        "ari": Measurement(float(adjusted_rand_score(labels, clusters))),
    }
