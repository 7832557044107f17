"""Names of categories with the classes that they match, and the order of confusion matrices."""

import numpy as np
import pytest

from evaluation import categories
from tests.evaluation.cases import entry

NAMES = ["Trouser", "Sandal", "Bag"]


@pytest.mark.parametrize(
    ("protocol", "names"),
    [
        ({"mapping": [2, 0, None], "class_names": NAMES},
         ["0 (Bag)", "1 (Trouser)", "2 (none)"]),
        ({"mapping": [2, 0]}, ["0 (2)", "1 (0)"]),  # of an earlier evaluation
        ({"mapping": [1, 2**70], "class_names": NAMES}, ["0 (Sandal)", f"1 ({2**70})"]),
        ({"mapping": [1], "class_names": "Bag"}, ["0 (1)"]),
        ({"mapping": []}, None),
        ({"mapping": [-1]}, None),
        ({"mapping": [True]}, None),
        ({"mapping": ["1"]}, None),
        ({"mapping": {"0": 1}}, None),
        ({}, None),
    ],
)  # fmt: skip
def test_names_with_classes_of_a_protocol(protocol, names):
    assert categories.with_classes(protocol) == names


def test_matching_is_one_line_of_a_measured_clustering():
    metrics = {"cluster_accuracy": entry(0.9, mapping=[2, None], class_names=NAMES)}
    assert categories.matching(metrics) == [
        "category (class) by Hungarian matching: 0 (Bag), 1 (none)"
    ]
    assert categories.matching({"cluster_accuracy": entry(None, reason="no labels")}) == []
    assert categories.matching({}) == []


@pytest.mark.parametrize(
    ("mapping", "rows", "columns"),
    [
        ([2, 0, 1], [0, 1, 2], [1, 2, 0]),
        ([None, 2, 0], [0, 2, 1], [2, 1, 0]),  # class 1 is not matched
        ([1, None, 0, None, 2], [0, 1, 2], [2, 0, 4, 3, 1]),  # most frequent: 3 has 0, 1 has 2
    ],
)
def test_diagonal_has_the_matched_pairs(mapping, rows, columns):
    confusion = np.zeros((3, len(mapping)), int)
    for category, label in enumerate(mapping):
        confusion[label if label is not None else {1: 2, 3: 0, 0: 1}[category], category] = 5
    found = categories.diagonal(confusion.tolist(), mapping)
    assert found == (rows, columns)
    ordered = confusion[found[0]][:, found[1]]
    matched = sum(label is not None for label in mapping)
    np.testing.assert_array_equal(ordered[:matched, :matched], 5 * np.eye(matched))
