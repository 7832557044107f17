"""Result type of the metrics, and their error."""

import dataclasses
from typing import Any


class MetricError(Exception):
    """Raised if a metric is not defined for the given images or codes; the message is one line."""


@dataclasses.dataclass(frozen=True)
class Measurement:
    """Measured number with its protocol.

    Attributes:
        value: the number; None, printed n/a, if it cannot be measured.
        protocol: facts that make it reproducible, such as counts, split, features and seeds, or
            the reason of n/a.
    """

    value: float | None
    protocol: dict[str, Any] = dataclasses.field(default_factory=dict)
