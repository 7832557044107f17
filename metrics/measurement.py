"""A measured number and its protocol."""

import dataclasses
from typing import Any


class MetricError(Exception):
    """A metric is not defined for these images or codes; the message is one line."""


@dataclasses.dataclass(frozen=True)
class Measurement:
    """A number and how it was measured.

    Attributes:
        value: the number; None, printed n/a, where it cannot be measured.
        protocol: what else a reader needs: counts, split, features, seeds; the reason of n/a.
    """

    value: float | None
    protocol: dict[str, Any] = dataclasses.field(default_factory=dict)
