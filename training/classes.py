"""Classes of the data set of a run, by name and number."""

import dataclasses
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from errors import UserError, near
from models.abilities import LABEL
from storage.saved_config import SavedConfig

if TYPE_CHECKING:
    from training.drawing import GenerateOptions

_NUMBER = re.compile(r"-?[0-9]{1,18}")
_LISTED = 10  # maximum number of names in an error


@dataclasses.dataclass(frozen=True)
class Classes:
    """Classes of the data set of a run or a package.

    Attributes:
        count: their number; 0 without labels.
        names: their names in the order of the labels; empty for a run of an earlier version.
    """

    count: int
    names: tuple[str, ...] = ()

    @classmethod
    def of(cls, trained: SavedConfig) -> "Classes":
        """Return the classes of a run or a package.

        Raises:
            UserError: its configuration is missing or cannot be read.
        """
        data = trained.read_data()
        names, count = tuple(data.get("classes", ())), data["num_classes"]
        return cls(count, names if len(names) == count else ())

    def number(self, label: str) -> int | str:
        """Return the number of a class; "" for no class.

        Args:
            label: its name; or its number, unless all names are numbers.

        Raises:
            UserError: there is no such class.
        """
        if not label:
            return ""
        if label in self.names:
            return self.names.index(label)
        number = int(label) if _NUMBER.fullmatch(label) else None
        if number is not None and 0 <= number < self.count and not self._are_numbers:
            return number
        hint = "" if number is not None else near(label, self.names)
        raise UserError(f"expected {self._described()}, got {label}{hint}", "label")

    @property
    def _are_numbers(self) -> bool:
        """True if all names are known and are numbers."""
        return bool(self.names) and all(map(_NUMBER.fullmatch, self.names))

    def _described(self) -> str:
        numbers = f"a class from 0 to {self.count - 1}"
        if not self.names or self.names == tuple(map(str, range(self.count))):
            return numbers
        listed = ", ".join(self.names[:_LISTED]) + ", ..." * (self.count > _LISTED)
        if self._are_numbers:
            return f"the name of a class ({listed})"
        return f"{numbers}, or its name ({listed})"

    def explained(self, label: str) -> list[str]:
        """Return a line about a label that is the name of a class with another number."""
        if not _NUMBER.fullmatch(label) or self.number(label) == int(label):
            return []
        return [f"label {label} is the class named {label}, number {self.number(label)} from 0"]

    def arrays(self, latents: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """Return the labels of latents, int64 [n], and the names of the classes, if there are some.

        The arrays have the names by which `data.load` finds them.
        """
        if LABEL not in latents:
            return {}
        labels = np.argmax(latents[LABEL], axis=-1).astype(np.int64)
        return {"labels": labels} | ({"class_names": np.array(self.names)} if self.names else {})


def class_of(options: "GenerateOptions") -> int | None:
    """Return the number of the class of options whose label is a number; None for no class."""
    return int(options.label) if options.label else None
