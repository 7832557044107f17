"""Result type of the metrics, and their error."""

import dataclasses
from typing import Any


class MetricError(Exception):
    """Error of a metric that is not defined for these images or codes; the message is one line."""


@dataclasses.dataclass(frozen=True)
class Measurement:
    """Measured number with its protocol.

    Attributes:
        value: the number; None, printed n/a, if it cannot be measured.
        protocol: facts that make it reproducible: counts, split, features, seeds; the reason of
            n/a.
    """

    value: float | None
    protocol: dict[str, Any] = dataclasses.field(default_factory=dict)
