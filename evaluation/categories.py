"""Names of the categories of a code, with the classes that they match in an evaluation.

The protocol of `cluster_accuracy` has the class of each category as `mapping`, by Hungarian
matching, None for a category without a class, and `class_names`, which earlier evaluations lack.
"""

from collections.abc import Mapping
from typing import Any

from errors import printable

CLUSTER_ACCURACY = "cluster_accuracy"
CORNER, CORNER_WITH_CLASSES = "category", "category (class)"  # meaning of the names


def class_name(protocol: Mapping[str, Any], label: int | None) -> str:
    """Return the printable name of a class: its number without names, "none" for None."""
    if label is None:
        return "none"
    names = protocol.get("class_names")
    named = isinstance(names, list) and label < len(names)
    return printable(str(names[label] if named else label))


def with_classes(protocol: Mapping[str, Any]) -> list[str] | None:
    """Return the names of the categories with their classes, such as "0 (Sandal)".

    Args:
        protocol: protocol of a measured or stored `cluster_accuracy`.

    Returns:
        None without a valid mapping.
    """
    mapping = protocol.get("mapping")
    if not isinstance(mapping, list) or not mapping:
        return None
    if not all(label is None or (type(label) is int and label >= 0) for label in mapping):
        return None
    return [f"{category} ({class_name(protocol, label)})" for category, label in enumerate(mapping)]


def matching(metrics: Mapping[str, dict]) -> list[str]:
    """Return a line with the class that each category matches; none if it is not measured.

    Args:
        metrics: stored metrics, name -> value and protocol.
    """
    names = with_classes(metrics.get(CLUSTER_ACCURACY, {}).get("protocol", {}))
    return [f"{CORNER_WITH_CLASSES} by Hungarian matching: {', '.join(names)}"] if names else []


def diagonal(confusion: list[list[int]], mapping: list[int | None]) -> tuple[list[int], list[int]]:
    """Return the orders of classes and categories in which matched pairs are on the diagonal.

    Matched classes come first, in their order; other categories are at the end, in the order of
    their most frequent class.

    Args:
        confusion: counts [classes][categories].
        mapping: class of each category, or None.
    """
    category_of = {label: category for category, label in enumerate(mapping) if label is not None}
    matched = sorted(category_of)
    others = [label for label in range(len(confusion)) if label not in category_of]

    def most_frequent(category: int) -> int:
        return max(range(len(confusion)), key=lambda label: confusion[label][category])

    rest = [category for category, label in enumerate(mapping) if label is None]
    columns = [category_of[label] for label in matched] + sorted(rest, key=most_frequent)
    return matched + others, columns
