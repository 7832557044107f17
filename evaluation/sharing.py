"""Results of an object that several metrics use, each computed once."""

from collections.abc import Callable
from typing import Any

from metrics.measurement import MetricError


class Sharing:
    """Base class of objects that cache the results of functions of themselves."""

    def __init__(self):
        self._results: dict[Callable, Any] = {}

    def shared(self, function: Callable[[Any], Any]) -> Any:
        """Return function(self), computed at the first call.

        Raises:
            MetricError: the function raised it, now or before.
        """
        if function not in self._results:
            try:
                self._results[function] = function(self)
            except MetricError as error:
                self._results[function] = error
        if isinstance(result := self._results[function], MetricError):
            raise result
        return result
